"""Columns of what the stage ``near_duplicates`` writes: images that look alike."""

import polars as pl

from stages.tables.table import Schema

PAIRS: Schema = {  # images that look alike
    "image_name": pl.String,
    "other_name": pl.String,
    "distance": pl.Int32,  # bits of the perceptual hash that differ
    "mirrored": pl.Boolean,  # whether it is the mirror image that looks alike
}
DISPUTED: Schema = {  # images that look like one of another species, the nearest
    "image_name": pl.String,
    "species": pl.String,
    "other_name": pl.String,
    "other_species": pl.String,
    "distance": pl.Int32,
}
DISTANCES: Schema = {"distance": pl.Int32, "kind": pl.String, "pairs": pl.Int64}
