"""Columns of classes.csv, which the stage ``split`` writes.

They stand apart from its other tables, so that training does not run again for a column of records.
"""

import polars as pl

from stages.tables.table import Schema

SPLITS = ("train", "val", "test")
CLASSES: Schema = {
    "label": pl.Int32,
    "species": pl.String,
    **{f"{split}_{what}": pl.Int32 for split in SPLITS for what in ("images", "observations")},
}
