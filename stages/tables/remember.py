"""Columns of what the command ``remember`` writes: earlier assignments of images to splits."""

import polars as pl

from stages.tables.cache_filter import AVAILABLE
from stages.tables.table import Schema

ASSIGNMENTS: Schema = {  # in which split an image was, under all that it may be met again by
    **{name: AVAILABLE[name] for name in ("image_name", "sha256", "photo_id", "observation_id")},
    "split": pl.String,
    "used": pl.Boolean,  # whether it stood there itself, or was left out as another photo of its observation
}
