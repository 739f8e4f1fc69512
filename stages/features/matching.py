"""The features of the images of a table, which are in files by the shards' order."""

from pathlib import Path

import numpy as np
import polars as pl

from stages.features.stored import Features
from stages.runtime.errors import UserError


def features_of(images: pl.DataFrame, features: Features, folder: Path) -> np.ndarray:
    """Give the features of images in their order, float16 [images, dimensions].

    Args:
        images: image_name and sha256, of the originals.
        features: of these images, and perhaps of others.
        folder: that they were read from.

    Raises:
        UserError: an image has no features, or they are of other bytes; it is named.
    """
    rows = pl.DataFrame({"image_name": features.image_name, "seen_sha256": features.sha256}).with_row_index("row")
    found = images.select("image_name", "sha256").join(rows, on="image_name", how="left", maintain_order="left")
    for wrong, what in (
        (pl.col("row").is_null(), "holds no features of"),
        (pl.col("sha256") != pl.col("seen_sha256"), "holds features of other bytes of"),
    ):
        if (without := found.filter(wrong)["image_name"]).len():
            raise UserError(f"{folder} {what} {without[0]} (and {len(without) - 1:,} more): run `dvc repro embed`")
    return features.vectors[found["row"].to_numpy()]
