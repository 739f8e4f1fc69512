"""Stage ``cache_filter``: the records whose image is in the cache and sound -> data/available.parquet.

It reads the inventory, never the cache: what a commit trains on does not depend on the machine's disk.
"""

from pathlib import Path
from typing import Any

import polars as pl

from stages.errors import UserError, run
from stages.outputs import write_json
from stages.params import stage_params
from stages.progress import in_words, say
from stages.tables import AVAILABLE, INVENTORY, RECORDS, SOUND, read_table, write_table

RECORDS_IN = Path("data/records.parquet")
SOURCES = Path("data/sources")
OUT = Path("data/available.parquet")
METRICS = Path("metrics/cache_filter.json")
NOT_IN_CACHE = "not_in_cache"


def main() -> None:
    """Join records and inventory, keep the sound ones, count the others by reason."""
    params = stage_params("cache_filter")
    records = read_table(RECORDS_IN, RECORDS)
    inventory_path = SOURCES / params.profile / "inventory.parquet"
    inventory = read_table(inventory_path, INVENTORY)

    judged = join_verdicts(records, inventory)
    available = judged.filter(pl.col("verdict") == SOUND)
    if available.is_empty():
        raise UserError(f"no record's image is sound by {inventory_path}: fill the cache, then run `make inventory`")

    write_table(available, AVAILABLE, OUT)
    figures = summarise(judged, available)
    write_json(METRICS, figures)
    say(f"cache_filter: {available.height:,} of {judged.height:,} images can be used{in_words(figures['by_verdict'])}")


def join_verdicts(records: pl.DataFrame, inventory: pl.DataFrame) -> pl.DataFrame:
    """Give each record the inventory's columns; the verdict is ``not_in_cache`` where it does not list the image."""
    return records.join(inventory, on="image_name", how="left", maintain_order="left").with_columns(
        pl.col("verdict").fill_null(NOT_IN_CACHE)
    )


def summarise(judged: pl.DataFrame, available: pl.DataFrame) -> dict[str, Any]:
    """Count the records by verdict, and what is left of images and species."""
    verdicts = judged.group_by("verdict").len().sort("verdict")
    return {
        "records": judged.height,
        "by_verdict": dict(verdicts.iter_rows()),
        "images": available.height,
        "species": available["species"].n_unique(),
        "species_without_image": judged["species"].n_unique() - available["species"].n_unique(),
    }


if __name__ == "__main__":
    run(main)
