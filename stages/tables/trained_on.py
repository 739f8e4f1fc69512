"""Columns of trained_on.parquet, which the stage ``train`` writes, and of what it and ``evaluate`` read for it."""

import polars as pl

from stages.tables.table import Schema

# What is read of train.parquet and its like by those that ask which images belong together.
SPLIT_GROUPS: Schema = {"image_name": pl.String, "sha256": pl.String, "group": pl.String}
TRAINED_ON: Schema = {"split": pl.String} | SPLIT_GROUPS  # split: train, val; sha256: of the original file
