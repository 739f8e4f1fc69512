"""Columns of trained_on.parquet, which the stage ``train`` writes, and of what it and ``evaluate`` read for it."""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled

# What is read of train.parquet and its like by those that ask which images belong together; and what is kept of it:
# split is train or val, sha256 of the original file.
TRAINED_ON = SPLIT_GROUPS = Ruled(
    dict.fromkeys(("split", "image_name", "sha256", "group"), pl.String),
    unique=("image_name",),
    required=("split", "sha256", "group"),
    sizes={"sha256": SHA256_CHARACTERS},
)
