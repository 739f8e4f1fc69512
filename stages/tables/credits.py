"""Columns of what the command ``credits`` writes."""

import polars as pl

from stages.tables.table import Schema

CREDITS: Schema = {
    "image_name": pl.String,
    "split": pl.String,  # train, val or test
    "species": pl.String,
    "photographer": pl.String,  # null where the source names nobody
    "license": pl.String,  # as the source writes it; "none": said that there is none; null: nothing said
    "license_code": pl.String,
    "url": pl.String,
}
