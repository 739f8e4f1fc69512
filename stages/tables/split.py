"""Columns of what the stage ``split`` writes beside the classes: train, val and test, and what is left out."""

import polars as pl

from stages.tables.cache_filter import AVAILABLE
from stages.tables.table import Schema

SPLIT: Schema = AVAILABLE | {"group": pl.String}  # image_name of the group's first row
LEFT_OUT: Schema = {  # available images that no split uses
    "image_name": pl.String,
    "species": pl.String,
    "reason": pl.String,
    "split": pl.String,  # where its group is, if it is anywhere
}
LONG_TAIL: Schema = {"rank": pl.Int32, "images": pl.Int32, "split": pl.String}
CLASS_SIZES: Schema = {"images": pl.String, "classes": pl.Int32}
