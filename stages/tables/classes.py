"""Columns of labels.csv and classes.csv, which the stage ``split`` writes.

They stand apart from its other tables, so that training does not run again for a column of records; and the order of
labels stands apart from the numbers of images, so that it does not for an image of the test.
"""

import polars as pl

from stages.tables.table import Schema

SPLITS = ("train", "val", "test")
LABELS: Schema = {"label": pl.Int32, "species": pl.String}
CLASSES: Schema = {
    "species": pl.String,
    **{f"{split}_{what}": pl.Int32 for split in SPLITS for what in ("images", "observations")},
}
# What is read of train.parquet and its like by those that look at pixels.
SPLIT_IMAGES: Schema = {"image_name": pl.String, "sha256": pl.String, "species": pl.String}
