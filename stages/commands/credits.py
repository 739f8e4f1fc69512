"""Command ``credits``: who made the images of each split, under which license -> data/credits.csv.

python -m stages.commands.credits
"""

import argparse
from pathlib import Path

import polars as pl

from stages.config.reading import all_params
from stages.records.credits import credit, what_is_not_said
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


if __name__ == "__main__":
    run(main)
