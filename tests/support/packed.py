"""Shards of small pictures that a network learns in seconds, and of bytes that are no pictures at all."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from stages.images.shards import (
    MANIFEST,
    PackedImage,
    PackedShards,
    shard_name,
    shard_of,
    write_manifest,
    write_shard,
)
from stages.learning.split import PackedSplit, open_splits
from stages.tables.classes import SPLIT_IMAGES
from stages.tables.table import write_table
from tests.support.pictures import jpeg

SPECIES = ["Abies alba", "Betula pendula", "Carex nigra"]
COLORS = [(200, 40, 40), (40, 200, 40), (40, 40, 200)]


def packed_image(image_name: str, jpeg: bytes, sha256: str = "0" * 64) -> PackedImage:
    return PackedImage(image_name, sha256, 0, 0, 64, "smart", hashlib.sha256(jpeg).hexdigest(), jpeg)


def write_images(rows: Iterable[PackedImage], folder: Path, *, shards: int = 4, size_px: int = 64) -> PackedShards:
    """Pack images as the stage does, over a few shards, in the place of those that are there."""
    folder.mkdir(exist_ok=True, parents=True)
    for before in folder.glob("*.arrow"):
        before.unlink()
    rows = sorted(rows, key=lambda row: row.image_name)
    for number in range(shards):
        of_shard = (row for row in rows if shard_of(row.image_name, shards) == number)
        write_shard(of_shard, folder / shard_name(number), size_px=size_px)
    write_manifest(folder)
    return PackedShards(folder)


def write_split(folder: Path, split: str, images: int, seed: int = 0) -> PackedSplit:
    """Shards of 64 px squares, each in the color of its class, with noise, and a table of them in the same folder.

    The images of other splits stay.
    """
    rng = np.random.default_rng(seed)
    rows = {}
    for number in range(images):
        pixels = np.clip(rng.normal(COLORS[number % 3], 30, (64, 64, 3)), 0, 255).astype(np.uint8)
        name = f"{split}{number}.jpg"
        rows[name] = packed_image(name, jpeg(pixels))
    others: list[PackedImage] = []
    if (folder / MANIFEST).exists():
        before = PackedShards(folder)
        others = [row for row in map(before.row, range(len(before))) if not row.image_name.startswith(split)]
    write_images([*rows.values(), *others], folder)
    species = [SPECIES[number % 3] for number in range(images)]
    table = {"image_name": list(rows), "sha256": ["0" * 64] * images, "species": species, "split": [split] * images}
    write_table(pl.DataFrame(table), SPLIT_IMAGES, folder / f"{split}.parquet")
    return open_split(folder, split)


def open_split(folder: Path, split: str) -> PackedSplit:
    """Open what ``write_split`` wrote."""
    return open_splits(folder, folder, [split], SPECIES)[split]


def write_splits(folder: Path) -> Path:
    """Shards of 30 training and 12 validation images: steps of 8, 8, 8 and 6."""
    write_split(folder, "train", 30)
    write_split(folder, "val", 12, seed=1)
    return folder
