"""Columns of what the stage ``cache_filter`` writes: the images that are used, and those that are not."""

import polars as pl

from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY, MEASURES
from stages.tables.table import SHA256_CHARACTERS, Ruled

_OF_FILES = ("bytes", "sha256", "width", "height")
AVAILABLE = Ruled(
    RECORDS | {name: INVENTORY[name] for name in _OF_FILES},
    unique=RECORDS.unique,
    required=(*RECORDS.required, *_OF_FILES),
    sizes={"sha256": SHA256_CHARACTERS},
)
_REJECTED_COLUMNS = {name: RECORDS[name] for name in ("image_name", "image_url", "species", "license")} | {
    "verdict": pl.String,
    **{name: INVENTORY[name] for name in ("bytes", "sha256", *MEASURES)},
}
REJECTED = Ruled(
    _REJECTED_COLUMNS,
    unique=("image_url", "species"),
    required=("image_name", "verdict", "bytes", "sha256"),
    sizes={"sha256": SHA256_CHARACTERS},
)
