"""An image cache of small files whose times are known."""

import os
from pathlib import Path

import polars as pl

from stages.cache.directory import list_files
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.support.tables import available_rows

FILE_BYTES = 1_000


def name(number: int) -> str:
    return f"{number:032x}.jpg"


def fill(folder: Path) -> Path:
    """Make a folder with ten images, the first the oldest."""
    folder.mkdir()
    for number in range(10):
        (folder / name(number)).write_bytes(bytes(FILE_BYTES))
        os.utime(folder / name(number), (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def names(cache: Path) -> list[str]:
    return sorted(file.image_name for file in list_files(cache))


def write_tables(workspace: Path, in_use: list[str]) -> None:
    rows = available_rows([{"image_name": image} for image in in_use])
    write_table(rows.head(2), AVAILABLE, workspace / "data/available.parquet")
    for split in SPLITS:
        of_split = rows.with_columns(group=pl.lit("g"), split=pl.lit(split))
        write_table(of_split, SPLIT, workspace / f"data/splits/{split}.parquet")
