"""A small model on disk, and all that it is tested with: shards, tables of splits, the order of labels."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from torch import nn

from stages.config.schema import Model, RandomWeights
from stages.images.packing import recipe
from stages.learning.model import create_model
from stages.learning.saved_model import ModelDescription, describe, save_model
from stages.learning.trained_on import read_seen
from stages.runtime.yaml_files import read_yaml
from stages.tables.classes import CLASSES, LABELS
from stages.tables.json_files import write_json
from stages.tables.table import write_table
from stages.tables.trained_on import TRAINED_ON
from tests.support import ROOT
from tests.support.packed import COLORS, SPECIES, packed_image, write_images
from tests.support.pictures import jpeg

TINY = Model(
    name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.2, drop_path_rate=0.0
)  # fmt: skip
# An image of a split's table: its name, its group, and what its digest is made of where that is not its name.
Row = tuple[str, str] | tuple[str, str, str]
SPLITS: dict[str, list[Row]] = {
    "train": [("a1", "a1"), ("a2", "a1"), ("b1", "b1"), ("c1", "c1"), ("c2", "c2"), ("b2", "b2")],
    "val": [("d1", "d1"), ("e1", "e1"), ("e2", "e1")],
    "test": [("f1", "f1"), ("f2", "f1"), ("g1", "g1"), ("h1", "h1")],
}
# How a stage `pack` with the sample's parameters would have made squares of 64 px.
RECIPE = recipe(
    {"crop": read_yaml(ROOT / "params.yaml")["crop"], "image": {"pack_px": 64}, "pack": {"jpeg_quality": 90}}
)
SEEN = pl.DataFrame([("train", "a1", "0" * 64, "a1")], schema=TRAINED_ON, orient="row")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_groups(folder: Path, splits: dict[str, list[Row]]) -> None:
    """Write tables of splits, with the columns that are read; species take turns, unknown ones are all one."""
    for split, rows in ({"unknown": []} | splits).items():
        table = pl.DataFrame(
            {
                "image_name": [row[0] for row in rows],
                "sha256": [digest(row[-1] if len(row) == 3 else row[0]) for row in rows],
                "species": ["Drosera anglica" if split == "unknown" else SPECIES[n % 3] for n in range(len(rows))],
                "group": [row[1] for row in rows],
                "split": [split] * len(rows),
            },
            schema=dict.fromkeys(("image_name", "sha256", "species", "group", "split"), pl.String),
        )
        write_table(table, dict(table.schema), folder / f"{split}.parquet")


def write_labels(path: Path, species: list[str] = SPECIES) -> Path:
    write_table(pl.DataFrame({"label": range(len(species)), "species": species}), LABELS, path)
    return path


def write_packed(folder: Path, splits: dict[str, list[Row]]) -> None:
    """Pack the images of splits: squares of 64 px, each in the color of its class."""
    images = {}
    for rows in splits.values():
        for number, row in enumerate(rows):
            pixels = np.full((64, 64, 3), COLORS[number % 3], np.uint8)
            images[row[0]] = packed_image(row[0], jpeg(pixels), digest(row[-1] if len(row) == 3 else row[0]))
    write_images(images.values(), folder)


def tiny_model(seed: int = 1, *, species: Iterable[str] = SPECIES) -> tuple[nn.Module, ModelDescription]:
    model = create_model(TINY, classes=len(list(species)), image_px=48, seed=seed)
    return model, describe(model, TINY, image_px=48, pack_px=64, species=list(species))


def write_all(root: Path, splits: dict[str, list[Row]] = SPLITS) -> None:
    """Write all that the stage ``predict`` reads, of a model that was trained on these very splits."""
    write_packed(root / "data/packed", splits)
    write_json(root / "data/packed.json", {"files": {}, "images": RECIPE})
    write_groups(root / "data/splits", splits)
    write_labels(root / "data/splits/labels.csv")
    counts = {name: [1] * 3 for name in CLASSES if name != "species"}
    write_table(pl.DataFrame({"species": SPECIES} | counts), CLASSES, root / "data/splits/classes.csv")
    model, description = tiny_model()
    save_model(root / "models", model.state_dict(), description, read_seen(root / "data/splits"))
