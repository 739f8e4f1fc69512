"""Columns of the images that can be used, whatever they show: what pixels are made of.

They stand apart from the other tables of ``cache_filter``: another species for an image packs nothing again.
"""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled

IMAGES = Ruled(  # of the original; sorted by image_name
    {"image_name": pl.String, "sha256": pl.String},
    unique=("image_name",),
    required=("sha256",),
    sizes={"sha256": SHA256_CHARACTERS},
)
