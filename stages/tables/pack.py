"""Columns of what the stage ``pack`` writes beside the shards: what each of them holds, and its digest."""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled

SHARDS = Ruled(
    {"shard": pl.String, "images": pl.Int64, "bytes": pl.Int64, "sha256": pl.String},
    unique=("shard",),
    required=("images", "bytes", "sha256"),
    sizes={"sha256": SHA256_CHARACTERS},
)
