"""Command ``remember``: note in which split each image is -> data/sources/<profile>/assignments/assignments.parquet.

    python -m stages.commands.remember

From then on the split keeps them there, however the cache grows. It is no stage, because it would be its own input.
"""

import argparse
from pathlib import Path

import polars as pl

from stages.config.reading import all_params
from stages.config.sources import assignments_path
from stages.runtime.errors import UserError, run
from stages.runtime.lock import locked_profile
from stages.runtime.progress import say
from stages.splitting.memory import extend_assignments, read_assignments
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS
from stages.tables.remember import ASSIGNMENTS
from stages.tables.split import LEFT_OUT, SPLIT
from stages.tables.table import read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
LEFT_OUT_IN = Path("data/left_out.csv")
SPLITS_IN = Path("data/splits")


def main() -> None:
    """Add what the present split holds to what is remembered."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    profile = all_params().profile
    of_profile = locked_profile("split")
    if of_profile not in (None, profile):
        raise UserError(f"{SPLITS_IN} is of profile {of_profile}, not {profile}: run `dvc repro split` first")
    path = assignments_path(profile)
    earlier = read_assignments(path)
    extended = extend_assignments(earlier, present_assignments())
    write_table(extended, ASSIGNMENTS, path)
    known, now = (table["image_name"].n_unique() for table in (earlier, extended))
    say(f"remember: {now - known:,} new images, {now:,} in all -> {path}")
    say(f"next: `dvc add {path}` and `git add {path}.dvc`, then `dvc repro` and a commit, which pins it")


def present_assignments() -> pl.DataFrame:
    """Give the images of the present split, and those whose group stands in it though they do not: ``ASSIGNMENTS``."""
    used = [
        read_table(SPLITS_IN / f"{name}.parquet", SPLIT).with_columns(split=pl.lit(name), used=pl.lit(True))
        for name in SPLITS
    ]
    left_out = read_table(LEFT_OUT_IN, LEFT_OUT).drop_nulls("split").select("image_name", "species", "split")
    of_a_group = read_table(AVAILABLE_IN, AVAILABLE).join(left_out, on=["image_name", "species"])
    of_a_group = of_a_group.with_columns(used=pl.lit(False))
    return pl.concat(part.select(ASSIGNMENTS.keys()) for part in (*used, of_a_group))


if __name__ == "__main__":
    run(main)
