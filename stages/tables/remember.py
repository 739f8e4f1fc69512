"""Columns of what the command ``remember`` writes: earlier assignments of images to splits."""

import polars as pl

from stages.tables.table import Ruled, Schema

_COLUMNS: Schema = {  # in which split an image was, a row for each name by which it may be met again
    "image_name": pl.String,
    "kind": pl.String,  # image_name, sha256, photo_id, address or observation_id
    "value": pl.String,
    "split": pl.String,
    "used": pl.Boolean,  # whether it stood there itself, or was left out as another photo of its observation
}
ASSIGNMENTS = Ruled(_COLUMNS, unique=("image_name", "kind", "value"), required=("split", "used"))
FORMER_ASSIGNMENTS: Schema = {  # a row an image, ids in a former spelling
    **dict.fromkeys(("image_name", "sha256", "photo_id", "observation_id", "split"), pl.String),
    "used": pl.Boolean,
}
