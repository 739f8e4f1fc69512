"""Columns of what the stage ``mistakes`` reads of the splits: the photos of a species, and whose they are."""

import polars as pl

from stages.tables.classes import SPLIT_IMAGES
from stages.tables.table import Ruled

PHOTOS = Ruled(
    SPLIT_IMAGES | dict.fromkeys(("group", "license", "observer"), pl.String),
    unique=SPLIT_IMAGES.unique,
    required=(*SPLIT_IMAGES.required, "group"),
    sizes=SPLIT_IMAGES.sizes,
)
