"""A split as a network sees it: which of the packed images are in it, by its table, and their labels."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from stages.images.shards import PackedShards
from stages.runtime.errors import UserError
from stages.splitting.label_order import label
from stages.tables.classes import UNKNOWN, read_split


class PackedSplit:
    """The images of a split as one sequence of (JPEG bytes, label): a view of the shards, in the table's order.

    Attributes:
        labels: int64 [images]; -1 in the split ``unknown``, whose species are none of the classes.
        size_px: side of the images.
        fingerprint: digest of all that a network learns of the split: each label and JPEG, in their order.
    """

    def __init__(self, shards: PackedShards, places: np.ndarray, labels: np.ndarray, fingerprint: str) -> None:
        """Look at some images of the shards.

        Args:
            shards: all packed images.
            places: int64 [images], which ones.
            labels: int64 [images].
            fingerprint: see above.
        """
        self._shards = shards
        self._places = places
        self.labels = labels
        self.size_px = shards.size_px
        self.fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self.labels)

    def jpeg(self, index: int) -> memoryview:
        """Give the JPEG bytes of an image, without a copy."""
        return self._shards.jpeg(self._places[index])

    def name(self, index: int) -> str:
        """Give the name of an image."""
        return self._shards.name(self._places[index])


def open_splits(packed: Path, tables: Path, names: Sequence[str], species: Sequence[str]) -> dict[str, PackedSplit]:
    """Open some splits.

    Args:
        packed: the folder of the shards.
        tables: the folder with the splits' tables.
        names: of the splits.
        species: in the order of labels.

    Raises:
        UserError: something is missing or damaged, a table is another split's, a species has no label, or an image is
            not packed, or from other bytes than the table says.
    """
    shards = PackedShards(packed)
    rows = shards.table().select("image_name", "place", "jpeg_sha256", packed_sha256="sha256")
    return {name: _open(shards, rows, tables, name, species) for name in names}


def check_splits(packed: dict[str, PackedSplit], image_px: int) -> None:
    """See that there is something to train on, and large enough.

    Raises:
        UserError: train or val is empty, or its images are smaller than the network sees them.
    """
    if not len(packed["train"]) or not len(packed["val"]):
        raise UserError("train or val is empty: a species needs images of two observations to stand in both")
    if packed["train"].size_px < image_px:
        raise UserError(
            f"the packed images have {packed['train'].size_px} px, less than the profile's image.train_px {image_px}: "
            "run `dvc repro pack`"
        )


def _open(shards: PackedShards, rows: pl.DataFrame, tables: Path, name: str, species: Sequence[str]) -> PackedSplit:
    table = read_split(tables, name)
    path = tables / f"{name}.parquet"
    images = table.join(rows, on="image_name", how="left", maintain_order="left")
    for wrong, what in (
        (pl.col("place").is_null(), "is not in"),
        (pl.col("sha256") != pl.col("packed_sha256"), "was made from other bytes in"),
    ):
        if (found := images.filter(wrong)).height:
            raise UserError(
                f"{found['image_name'][0]} of {path} {what} {shards.folder} (and {found.height - 1:,} more): "
                "run `dvc repro pack`"
            )
    unknown = name == UNKNOWN
    labels = np.full(table.height, -1) if unknown else label(table["species"], species, where=str(path))
    digest = hashlib.sha256()
    for number, jpeg_sha256 in zip(labels.tolist(), images["jpeg_sha256"], strict=True):
        digest.update(f"{number} {jpeg_sha256}\n".encode())
    return PackedSplit(shards, images["place"].to_numpy(), labels, digest.hexdigest())
