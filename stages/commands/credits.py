"""Command ``credits``: who made the images of each split, under which license -> data/credits.csv.

python -m stages.commands.credits
"""

import argparse
from pathlib import Path

import polars as pl

from stages.config.reading import all_params
from stages.records.licenses import license_codes
from stages.runtime.errors import run
from stages.runtime.lock import check_profile
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.tables.classes import SPLITS, read_split
from stages.tables.credits import CREDITS
from stages.tables.split import SPLIT
from stages.tables.table import write_table

SPLITS_IN = Path("data/splits")
OUT = Path("data/credits.csv")


def main() -> None:
    """Write a line an image: split, photographer, license, URL."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    check_profile("split", all_params().profile, SPLITS_IN)
    splits = {name: read_split(SPLITS_IN, name, SPLIT) for name in SPLITS}
    table = credit(pl.concat(splits.values()))
    write_table(table, CREDITS, OUT)
    sizes = ", ".join(f"{name} {rows.height:,}" for name, rows in splits.items())
    by_license = dict(table.group_by("license_code").len().iter_rows())
    unsaid = what_is_not_said(table)
    said = ", ".join(f"of {count:,} images no source {what}" for what, count in unsaid.items() if count)
    say(
        f"credits: {table.height:,} images{in_words(by_license)} of the splits ({sizes}) -> {OUT}; "
        f"{said or 'all name photographer and license'}"
    )


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


if __name__ == "__main__":
    run(main)
