"""Columns of what the stage ``split`` writes beside the classes: train, val and test, and what is left out."""

import polars as pl

from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLIT_IMAGES
from stages.tables.table import Ruled, Schema

SPLIT = Ruled(
    # group: image_name of the group's first row; split: which one this is, the same in all rows of a table
    AVAILABLE | {"group": pl.String, "split": pl.String},
    unique=SPLIT_IMAGES.unique,
    required=(*AVAILABLE.required, "group", "split"),
    sizes=AVAILABLE.sizes,
)
_LEFT_OUT_COLUMNS: Schema = {  # available images that no split uses
    "image_name": pl.String,
    "species": pl.String,
    "reason": pl.String,
    "split": pl.String,  # where its group is, if it is anywhere
}
LEFT_OUT = Ruled(_LEFT_OUT_COLUMNS, required=("image_name", "species", "reason"))
LONG_TAIL: Schema = {"rank": pl.Int32, "images": pl.Int32, "split": pl.String}
CLASS_SIZES: Schema = {"images": pl.String, "classes": pl.Int32}
