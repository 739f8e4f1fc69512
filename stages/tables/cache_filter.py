"""Columns of what the stage ``cache_filter`` writes: the images that are used, and those that are not."""

import polars as pl

from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY, MEASURES
from stages.tables.table import Schema

AVAILABLE: Schema = RECORDS | {name: INVENTORY[name] for name in ("bytes", "sha256", "width", "height")}
REJECTED: Schema = {name: RECORDS[name] for name in ("image_name", "image_url", "species", "license")} | {
    "verdict": pl.String,
    **{name: INVENTORY[name] for name in ("bytes", "sha256", *MEASURES)},
}
