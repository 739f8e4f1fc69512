"""The images of train, val and test as a frozen network sees them, with what the splits' tables say of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.features.matching import features_of
from stages.features.normalized import normalized
from stages.features.stored import read_features
from stages.runtime.errors import UserError
from stages.splitting.label_order import label
from stages.tables.classes import SPLITS, read_split
from stages.tables.suspects import SUSPECTED


@dataclass(frozen=True)
class Seen:
    """Images and their features, in the order of names.

    Attributes:
        images: columns of ``SUSPECTED``.
        features: float32 [images, dimensions], of length 1.
        labels: int64 [images].
        groups: int64 [images], numbers of their groups, from 0.
        species: in the order of labels.
    """

    images: pl.DataFrame
    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    species: list[str]


def read_seen(splits: Path, features_folder: Path, species: list[str]) -> tuple[Seen, int]:
    """Read the images of train, val and test with their features, and count those whose features are none.

    Raises:
        UserError: a table is missing, damaged or another split's, a species has no label, or an image no features.
    """
    tables = [read_split(splits, name, SUSPECTED) for name in SPLITS]
    images = pl.concat(tables).sort("image_name")
    if (twice := images.filter(pl.col("image_name").is_duplicated())).height:
        raise UserError(f"{twice['image_name'][0]} is in two splits of {splits}: run `dvc repro split`")
    if not images.height:
        raise UserError(f"{splits} holds no image: there is nothing to look at")
    features, sound = normalized(features_of(images, read_features(features_folder), features_folder))
    labels = label(images["species"], species, where=str(splits))
    groups = images["group"].rank("dense").to_numpy().astype(np.int64) - 1
    return Seen(images, features, labels, groups, species), int((~sound).sum())
