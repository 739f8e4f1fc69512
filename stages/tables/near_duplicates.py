"""Columns of what the stage ``near_duplicates`` writes: images that look alike."""

import polars as pl

from stages.tables.table import Ruled, Schema

_PAIR_COLUMNS: Schema = {  # images that look alike
    "image_name": pl.String,
    "other_name": pl.String,
    "distance": pl.Int32,  # bits of the perceptual hash that differ
    "mirrored": pl.Boolean,  # whether it is the mirror image that looks alike
}
PAIRS = Ruled(_PAIR_COLUMNS, required=_PAIR_COLUMNS)
_DISPUTED_COLUMNS: Schema = {  # images that look like one of another species, the nearest
    "image_name": pl.String,
    "species": pl.String,
    "other_name": pl.String,
    "other_species": pl.String,
    "distance": pl.Int32,
}
DISPUTED = Ruled(_DISPUTED_COLUMNS, required=_DISPUTED_COLUMNS)
DISTANCES: Schema = {"distance": pl.Int32, "kind": pl.String, "pairs": pl.Int64}
