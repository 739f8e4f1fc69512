"""Columns of what the stage ``compare_crops`` writes, and the true boxes that it reads where they are known."""

import polars as pl

from stages.tables.table import Ruled, Schema

_BOX_COLUMNS: Schema = {  # the true box of the subject, in pixels of the image as shown
    "image_name": pl.String,
    "x": pl.Int32,
    "y": pl.Int32,
    "width": pl.Int32,
    "height": pl.Int32,
}
BOXES = Ruled(_BOX_COLUMNS, unique=("image_name",), required=_BOX_COLUMNS)
# Two measures, and so two tables: none may be drawn on the other's axis.
KEPT_CURVES: Schema = {"kept": pl.Float64, "share_of_images": pl.Float64, "crop": pl.String}  # of the true subject
GAIN_CURVES: Schema = {"gain": pl.Float64, "share_of_images": pl.Float64, "crop": pl.String}  # of the map, over area
