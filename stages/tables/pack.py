"""Columns of what the stage ``pack`` writes beside the shards: their sizes and digests."""

import polars as pl

from stages.tables.table import Schema

SHARDS: Schema = {"shard": pl.String, "bytes": pl.Int64, "sha256": pl.String}
