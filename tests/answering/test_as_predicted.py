"""A model asked about the very files that test images were packed of says what ``data/predictions`` has of them."""

import hashlib
import json

import numpy as np
import polars as pl
import pytest
import simplejpeg

from stages.config.schema import Crop, Image, Model, Pack, Params, RandomWeights
from stages.images.packing import pack_image, recipe
from stages.learning.model import create_model
from stages.learning.saved_model import describe, save_model
from stages.predict import OUT
from stages.runtime.yaml_files import read_yaml
from stages.splitting.label_order import read_labels
from stages.tables.classes import CLASSES
from stages.tables.json_files import write_json
from stages.tables.predictions import PREDICTIONS
from stages.tables.table import read_table, write_table
from tests.support import ROOT
from tests.support.packed import write_images
from tests.support.pictures import encoded, exif_jpeg, jpeg, picture
from tests.support.running import run_here
from tests.support.saved import SEEN, write_labels
from tests.support.used import teach, write_calibration

SPECIES = [f"Genus{number // 3} species{number}" for number in range(12)]
IMAGE_PX, PACK_PX = 48, 64


def lone(width: int, height: int, seed: int) -> np.ndarray:
    """A picture with one thing in it that stands out, each elsewhere."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    x, y = np.random.default_rng(seed).integers(0, (width - 60, height - 60))
    pixels[y : y + 60, x : x + 60] = picture(60, 60, seed)
    return pixels


def make_originals() -> dict[str, bytes]:
    """Photos as the web has them: of several sizes and formats, some lying on their sides."""
    originals = {f"{number}.jpg": jpeg(lone(120 + 40 * number, 330 - 20 * number, number)) for number in range(6)}
    originals |= {f"turned{at}.jpg": exif_jpeg(lone(260, 170, 10 + at), at) for at in (3, 6, 8)}
    for name, mode in (("PNG", "RGBA"), ("WEBP", "RGB"), ("GIF", "P"), ("JPEG", "CMYK"), ("JPEG", "L")):
        originals[f"{name}{mode}.jpg"] = encoded(lone(200, 140, len(originals)), name, mode)
    return originals


def make_repo(root, name: str, mode: str) -> dict[str, bytes]:
    """Write what ``predict`` reads, with images that are packed of originals, and a model that tells them apart."""
    crop = read_yaml(ROOT / "params.yaml")["crop"] | {"mode": mode}
    params = Params.model_construct(
        crop=Crop.model_validate(crop),
        image=Image(pack_px=PACK_PX, train_px=IMAGE_PX),
        pack=Pack(jpeg_quality=90, shards=1),
    )
    originals = make_originals()
    digests = {file: hashlib.sha256(data).hexdigest() for file, data in originals.items()}
    packed = [pack_image(data, file, digests[file], params) for file, data in originals.items()]
    write_images(packed, root / "data/packed", size_px=PACK_PX)
    made = recipe({"crop": crop, "image": {"pack_px": PACK_PX}, "pack": {"jpeg_quality": 90}})
    write_json(root / "data/packed.json", {"files": {}, "images": made})
    for split, files in {"unknown": [], "train": [], "val": [*originals][:1], "test": [*originals][1:]}.items():
        table = pl.DataFrame(
            {
                "image_name": files, "sha256": [digests[file] for file in files],
                "species": [SPECIES[number % len(SPECIES)] for number in range(len(files))],
                "group": files, "split": [split] * len(files),
            },
            schema=dict.fromkeys(("image_name", "sha256", "species", "group", "split"), pl.String),
        )  # fmt: skip
        write_table(table, dict(table.schema), root / f"data/splits/{split}.parquet")
    write_labels(root / "data/splits/labels.csv", SPECIES)
    counts = {column: [1] * len(SPECIES) for column in CLASSES if column != "species"}
    write_table(pl.DataFrame({"species": SPECIES} | counts), CLASSES, root / "data/splits/classes.csv")
    model = Model(name=name, weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)
    network = create_model(model, classes=len(SPECIES), image_px=IMAGE_PX, seed=1)
    description = describe(network, model, image_px=IMAGE_PX, pack_px=PACK_PX, species=SPECIES)
    inset = (PACK_PX - IMAGE_PX) // 2
    pixels = np.stack([simplejpeg.decode_jpeg(row.jpeg) for row in packed])[:, inset:-inset, inset:-inset]
    # A fresh network says nearly the same of all photos.
    teach(network, description, pixels, np.random.default_rng(0).normal(0, 2, (len(packed), len(SPECIES))))
    save_model(root / "models", network.state_dict(), description, SEEN)
    (root / "models/labels.csv").write_bytes((root / "data/splits/labels.csv").read_bytes())
    return originals


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
@pytest.mark.parametrize("mode", ["smart", "center"])
def test_its_answers_are_those_of_the_stage(workspace, tmp_path_factory, name, mode):
    originals = make_repo(workspace, name, mode)
    assert run_here("predict", workspace).returncode == 0
    write_calibration(workspace / "models")
    folder = tmp_path_factory.mktemp("photos")
    predicted = read_table(workspace / OUT / "test.parquet", PREDICTIONS)
    for file in predicted["image_name"]:
        (folder / file).write_bytes(originals[file])
    photos = [str(folder / file) for file in predicted["image_name"]]
    result = run_here("commands.predict_photos", workspace, *photos, "--json")
    assert result.returncode == 0, result.stderr
    species = read_labels(workspace / "models/labels.csv")
    answers = list(map(json.loads, result.stdout.splitlines()))
    assert {answer["crop"]["how"] for answer in answers} >= {mode}
    for row, answer in zip(predicted.iter_rows(named=True), answers, strict=True):
        assert answer["sha256"] == row["sha256"]
        assert [one["name"] for one in answer["species"]] == [species[number] for number in row["top_classes"][:5]]
        assert [one["logit"] for one in answer["species"]] == pytest.approx(row["top_logits"][:5], abs=1e-4)
    # Else all of this would show nothing: the answers differ from photo to photo.
    assert len({answer["species"][0]["name"] for answer in answers}) > 5
