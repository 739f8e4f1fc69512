"""A repo of git and DVC whose model can be published: its photos, its splits, its predictions and figures, all real."""

import hashlib
import io
import shutil
from contextlib import chdir, redirect_stdout
from pathlib import Path

import numpy as np
import polars as pl
from dvc.repo import Repo

from stages.answering.cropped import pack_params
from stages.answering.model_folder import CALIBRATION
from stages.images.packing import pack_image
from stages.learning.saved_model import WEIGHTS, ModelDescription, load_model, save_model
from stages.learning.trained_on import read_seen
from stages.tables.evaluate import CURVES
from stages.tables.json_files import write_json
from stages.tables.preprocessing import PREPROCESSING, Preprocessing, write_preprocessing
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.support import ROOT
from tests.support.clones import git
from tests.support.packed import write_images
from tests.support.pictures import jpeg
from tests.support.predictions import write_classes
from tests.support.running import run_here
from tests.support.saved import RECIPE
from tests.support.tables import available_rows
from tests.support.used import COLORS, USED_SPECIES, used_model

CACHE = Path("data/sources/sample/images")
SIZES = {"train": 12, "val": 24, "test": 40, "unknown": 0}
LICENSES = ("cc-by", "cc-by-nc", None)
# Of a photo of each of ``COLORS``, in their order. The model says Abies alba, Betula pendula, Abies alba and Betula
# pendula of these, so it is right of three in four.
LABELS = (0, 2, 1, 2)
# One stage in the place of all; another value of `crop` makes what it made stale.
PIPELINE = """
stages:
  made:
    cmd: "true"
    params: [crop]
    deps: [data/records.parquet, model.py]
    outs:
      - data/evaluation
      - data/packed
      - data/packed.json
      - data/predictions
      - data/predictions.json
      - data/reports
      - data/splits
      - models/calibration.json
      - models/labels.csv
      - models/model.json
      - models/model.safetensors
      - models/preprocessing.json
      - models/run.json
      - models/trained_on.parquet
"""


def make_publishable(root: Path) -> Path:
    """Write a repo with all that `make publish` reads, committed to git and DVC, with the originals at hand.

    Its network says what ``tests.support.used`` taught it of four colors, so its top-1 is known.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name in ("params.yaml", "dvc.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, root / name)
    used_model(root / "models")
    _write_images(root)
    _trained_on_these(root / "models", root / "data/splits")
    write_json(root / "models/run.json", {"identity": {"code": "c0" * 32, "libraries": {"torch": "1.2.3"}}})
    weights = {"sha256": None, "license": "Apache-2.0"}
    training = {"starting_weights": weights, "epochs": 2, "best_epoch": 1}
    write_json(root / "data/reports/train.json", training)
    write_json(root / "data/reports/cache_filter.json", {"by_verdict": {"sound": 76, "too_blurred": 3}})
    write_json(root / "data/reports/suspects.json", {"images": 36, "suspects": 2})
    (root / "plots").mkdir()
    write_table(
        pl.DataFrame({name: [1] if name == "epoch" else [0.5] for name in CURVES}), CURVES, root / "plots/curves.csv"
    )
    for stage in ("predict", "evaluate"):
        ran = run_here(stage, root)
        assert ran.returncode == 0, ran
    _write_repo(root)
    return root


def commit(root: Path) -> None:
    """Let DVC and git take what lies there as what the code made."""
    with chdir(root), Repo() as dvc:
        dvc.commit(force=True)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a model")


def _write_images(root: Path) -> None:
    """Write originals, splits of them, and their packed images; four colors take turns."""
    recipe = Preprocessing.model_validate({"model_sha256": "0" * 64, **RECIPE})
    (root / CACHE).mkdir(parents=True)
    rng = np.random.default_rng(1)
    packed, splits, number = [], {}, 0
    for split, images in SIZES.items():
        rows = []
        for place in range(images):
            color = list(COLORS.values())[place % 4][0]
            noisy = np.clip(np.array(color) + rng.normal(0, 1, (96, 160, 3)), 0, 255).astype(np.uint8)
            data = jpeg(noisy)
            name, sha256 = f"{number:032x}.jpg", hashlib.sha256(data).hexdigest()
            (root / CACHE / name).write_bytes(data)
            packed.append(pack_image(data, name, sha256, pack_params(recipe)))
            label = LABELS[place % 4]
            rows.append(
                {
                    "image_name": name, "image_url": f"https://host.example/{number}.jpg", "document_id": str(number),
                    "sha256": sha256, "observation_id": f"s:{number}", "species": USED_SPECIES[label],
                    "license": LICENSES[number % 3], "observer": "Ana",
                }
            )  # fmt: skip
            number += 1
        table = available_rows(rows).with_columns(group=pl.col("image_name"), split=pl.lit(split))
        splits[split] = table.select(SPLIT.keys())
        write_table(splits[split], SPLIT, root / f"data/splits/{split}.parquet")
    write_images(packed, root / "data/packed")
    write_json(root / "data/packed.json", {"files": {}, "images": RECIPE})
    write_classes(root / "data/splits", USED_SPECIES, splits.values())


def _trained_on_these(models: Path, splits: Path) -> None:
    """Save the model anew as one that has seen train and val, with what names its weights."""
    saved = load_model(models, models / "labels.csv")
    description = {name: getattr(saved.description, name) for name in ModelDescription.model_fields}
    save_model(models, saved.network.state_dict(), ModelDescription(**description), read_seen(splits))
    write_preprocessing(models / PREPROCESSING, RECIPE, model=models / WEIGHTS)
    (models / CALIBRATION).unlink()


def _write_repo(root: Path) -> None:
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "model.py").write_text("SEED = 1\n")
    (root / "data/records.parquet").write_bytes(b"records")
    outs = [line.split("- ")[1] for line in PIPELINE.splitlines() if "  - " in line]
    (root / ".gitignore").write_text("\n".join(f"/{out}" for out in outs) + "\n/models/published\n/data/sources\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "user.name", "test")
    git(root, "config", "user.email", "test@host.example")
    with redirect_stdout(io.StringIO()):
        Repo.init(str(root)).close()
    commit(root)
