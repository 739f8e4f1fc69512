"""Rows of tables, with what a test does not care about filled in."""

import polars as pl

from stages.tables.cache_filter import AVAILABLE
from stages.tables.links import LINKS


def available_rows(rows: list[dict]) -> pl.DataFrame:
    """A table of available images; what a row does not say is filled in."""
    full = [
        dict.fromkeys(AVAILABLE)
        | {"image_url": f"https://host.example/{n}.jpg", "image_name": f"{n:032x}.jpg", "species": "A", "source": "s"}
        | {"document_id": str(n), "bytes": 1000, "sha256": f"{n:064x}", "width": 100, "height": 100}
        | row
        for n, row in enumerate(rows)
    ]
    return pl.DataFrame(full, schema=AVAILABLE)


def links_of_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The links that documents of these rows would have given: columns of ``LINKS``."""
    kinds = ("observation_id", "photo_id")
    long = rows.unpivot(on=kinds, index="image_name", variable_name="kind", value_name="value").drop_nulls("value")
    links = long.with_columns(source=pl.lit("s"), raw=pl.col("value"), problem=pl.lit(None, pl.String))
    return links.select(LINKS.keys()).unique().sort("image_name", "kind", "value")
