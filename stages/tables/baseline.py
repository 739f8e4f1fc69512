"""Columns of what the stage ``baseline`` writes, and of the splits' tables that it reads.

Accuracies are rounded to 5 digits: the rest is of a processor.
"""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled, Schema

# What is read of train.parquet and its like.
PROBED = Ruled(
    dict.fromkeys(("image_name", "sha256", "species", "group", "split"), pl.String),
    unique=("image_name",),
    required=("sha256", "species", "group", "split"),
    sizes={"sha256": SHA256_CHARACTERS},
)
BASELINE_BY_CLASS_SIZE: Schema = {  # plots/baseline_by_class_size.csv: as `evaluate` has it of the trained model
    "train_images": pl.String,
    "top1": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "images": pl.Int32,
    "groups": pl.Int32,
    "classes": pl.Int32,
}
