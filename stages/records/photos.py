"""Which records show the same photo."""

import polars as pl

# What is equal for two images of one photo: its id, else its address without what follows a question mark.
PHOTO = pl.coalesce("photo_id", pl.col("image_url").str.replace(r"^https?://", "").str.replace(r"[?#].*$", ""))
