"""A repo of git and DVC with commits to review: tables, answers, figures and plots as stages write them, but drawn."""

import io
import json
import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from dvc.repo import Repo
from PIL import Image

from stages.learning.trained_on import read_seen, write_trained_on
from tests.support import ROOT
from tests.support.clones import git
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.predictions import Example, example, write_example

HOSTILE = """Rosa <img src=x onerror="alert(1)"> </script><script>alert('2')</script> `a|b` @everybody & "c" """.strip()
# One stage in the place of all: what a review reads is an output of it, or in git.
PIPELINE = """
stages:
  made:
    cmd: "true"
    params: [crop]
    deps: [model.py]
    outs: [data/predictions, data/splits, models/labels.csv, models/trained_on.parquet]
    metrics:
      - metrics/test.json: {cache: false}
    plots:
      - plots/curves.csv: {cache: false, x: epoch, y: val_top1}
      - plots/class_sizes.csv: {cache: false, template: bar_horizontal, x: classes, y: images, title: Classes}
      - plots/crop_comparison.png: {cache: false}
"""
BEFORE_PREDICTIONS = PIPELINE.replace("    outs: [data/predictions, ", "    outs: [")
IGNORED = ("/data/predictions\n/data/splits\n/data/packed\n/models/labels.csv\n/models/trained_on.parquet\n"
           "/review.html\n/review.md\n")  # fmt: skip


def drawn(*, skill: float) -> Example:
    """Draw a model's answers, for each skill to the same images; the first species is called ``HOSTILE``."""
    made = example(1, classes=12, train=90, val=40, test=160, skill=skill)
    name = pl.when(pl.col("species") == made.species[0]).then(pl.lit(HOSTILE)).otherwise("species").alias("species")
    splits = {split: table.with_columns(name) for split, table in made.splits.items()}
    return replace(made, species=[HOSTILE, *made.species[1:]], splits=splits)


def make_reviewed(repo: Path) -> dict[str, str]:
    """Make the repo: a commit without predictions, one with them, and an experiment of better ones, ``sharp-eyed``.

    The working tree is that of the branch main. Gives the commits: before, main and experiment.
    """
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "test")
    git(repo, "config", "user.email", "test@host.example")
    Repo.init(str(repo)).close()
    for name in (".dvc/config", ".dvc/plots"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, repo / name)
    for name in ("params.yaml", "libraries.yaml"):
        shutil.copy(ROOT / name, repo / name)
    (repo / ".gitignore").write_text(IGNORED)
    (repo / "model.py").write_text("SEED = 1\n")
    (repo / "dvc.yaml").write_text(BEFORE_PREDICTIONS)
    commits = {}
    write_results(repo, drawn(skill=1.5), top1=0.5)
    commits["before"] = commit(repo, "before predictions")
    (repo / "dvc.yaml").write_text(PIPELINE)
    commits["main"] = commit(repo, "with predictions")
    write_results(repo, drawn(skill=6.0), top1=0.9)
    set_crop(repo, "center")
    made = commit(repo, "sharper eyes")
    git(repo, "update-ref", f"refs/exps/{commits['main'][:2]}/{commits['main'][2:]}/sharp-eyed", made)
    git(repo, "reset", "-q", "--hard", commits["main"])
    with chdir(repo), Repo() as dvc:
        dvc.checkout(force=True)
    return commits | {"experiment": made}


def write_results(repo: Path, made: Example, *, top1: float) -> None:
    """Write what a run leaves, figures and plots of git too."""
    for folder in ("data/predictions", "data/splits", "data/packed", "models"):
        shutil.rmtree(repo / folder, ignore_errors=True)
    for folder in ("data/splits", "data/predictions", "models", "metrics", "plots"):
        (repo / folder).mkdir(parents=True, exist_ok=True)
    write_example(repo, made)
    shutil.copy(repo / "data/splits/labels.csv", repo / "models/labels.csv")
    write_trained_on(read_seen(repo / "data/splits"), repo / "models")
    rng = np.random.default_rng(1)
    photos = [
        packed_image(name, jpeg(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)), sha256)
        for name, sha256 in made.splits["test"].select("image_name", "sha256").iter_rows()
    ]
    write_images(photos, repo / "data/packed")
    (repo / "metrics/test.json").write_text(json.dumps({"test_top1": top1, "test_images": len(photos)}))
    curves = pl.DataFrame({"epoch": [1, 2]} | {
        f"{split}_{name}": [top1 / 2, top1] for split in ("train", "val") for name in ("top1", "top5")
    })  # fmt: skip
    curves.write_csv(repo / "plots/curves.csv")
    pl.DataFrame({"images": ["001", "002-004"], "classes": [3, 9]}).write_csv(repo / "plots/class_sizes.csv")
    (repo / "plots/crop_comparison.png").write_bytes(png(int(255 * top1)))


def png(shade: int, side: int = 64) -> bytes:
    """Give a picture of one gray."""
    written = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(written, "PNG")
    return written.getvalue()


def set_crop(repo: Path, mode: str) -> None:
    """Set the parameter that the stage has."""
    path = repo / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("  mode: smart", f"  mode: {mode}"), encoding="utf-8")


def commit(repo: Path, message: str) -> str:
    """Let DVC and git take what is there; give the commit."""
    with chdir(repo), Repo() as dvc:
        dvc.commit(force=True)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", message)
    return git(repo, "rev-parse", "HEAD").strip()
