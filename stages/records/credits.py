"""Who made photos, under which license, and where they are: what is owed to those whose photos are used."""

import polars as pl

from stages.records.licenses import license_codes
from stages.tables.credits import CREDITS


def credit(images: pl.DataFrame) -> pl.DataFrame:
    """Give the credits of images with their split: columns of ``CREDITS``, sorted by species and URL."""
    credited = images.with_columns(license_codes(images["license"]), photographer="observer", url="image_url")
    return credited.select(CREDITS.keys()).sort("species", "url")


def what_is_not_said(table: pl.DataFrame) -> dict[str, int]:
    """Count what a credit lacks: who made the photo, and under which license."""
    said = {"names the photographer": "photographer", "says the license": "license"}
    return {
        what: int(table.select((pl.col(column).fill_null("").str.strip_chars() == "").sum()).item())
        for what, column in said.items()
    }
