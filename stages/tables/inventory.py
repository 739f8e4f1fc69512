"""Columns of what the command ``inventory`` writes: a row for each file of the image cache."""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled, Schema

# What is measured of a file, see stages/images/measure.py; null in all but the first where it was not decoded.
MEASURES: Schema = {
    "state": pl.String,
    "width": pl.Int32,  # in pixels, as shown: after the EXIF rotation; 0 for what is no image
    "height": pl.Int32,
    "gray_std": pl.Float32,
    "even_share": pl.Float32,
    "sharpness": pl.Float32,
    "banding": pl.Float32,
    "level_peaks": pl.Float32,
    "flatness": pl.Float32,
    "filled_share": pl.Float32,
}
INVENTORY = Ruled(
    {"image_name": pl.String, "bytes": pl.Int64, "sha256": pl.String, **MEASURES, "phash": pl.Binary},
    unique=("image_name",),
    required=("bytes", "sha256", "state", "width", "height"),
    sizes={"sha256": SHA256_CHARACTERS, "phash": 32},
)
SOUND = "sound"  # the one verdict of the inventory that lets an image be used
