"""Command ``credits``: who made the images of the splits, under which license -> data/credits.csv.

python -m stages.commands.credits
"""

import argparse
from pathlib import Path

import polars as pl

from stages.records.licenses import license_codes
from stages.runtime.errors import run
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.tables.classes import SPLITS, read_split
from stages.tables.credits import CREDITS
from stages.tables.split import SPLIT
from stages.tables.table import write_table

SPLITS_IN = Path("data/splits")
OUT = Path("data/credits.csv")


def main() -> None:
    """Write a line an image: photographer, license, URL."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = credit(pl.concat(read_split(SPLITS_IN, name, SPLIT) for name in SPLITS))
    write_table(table, CREDITS, OUT)
    by_license = dict(table.group_by("license_code").len().iter_rows())
    say(f"credits: {table.height:,} images{in_words(by_license)} -> {OUT}")
    if unknown := int(table["photographer"].is_null().sum()):
        say(f"credits: of {unknown:,} images no source names the photographer")


def credit(images: pl.DataFrame) -> pl.DataFrame:
    """Give the credits of images: columns of ``CREDITS``, sorted by species and URL."""
    credited = images.with_columns(license_codes(images["license"]), photographer="observer", url="image_url")
    return credited.select(CREDITS.keys()).sort("species", "url")


if __name__ == "__main__":
    run(main)
