"""Columns of what the command ``synonyms`` writes beside the synonyms: the names that it leaves to a person."""

import polars as pl

from stages.tables.table import Schema

UNDECIDED: Schema = {
    "synonym": pl.String,  # a name of the records
    "reason": pl.String,
    "candidates": pl.String,  # accepted names with authors and ids, joined by "; "; null where there are none
    "images": pl.Int64,
}
