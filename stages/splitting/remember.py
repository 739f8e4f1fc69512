"""Command ``remember``: note in which split each image is -> data/sources/<profile>/assignments/assignments.parquet.

    python -m stages.splitting.remember

From then on the split keeps them there, however the cache grows. It is no stage, because it would be its own input.
"""

from pathlib import Path

import polars as pl

from stages.errors import UserError, run
from stages.params import all_params
from stages.progress import say
from stages.records.pin import locked_profile
from stages.splitting.memory import assignments_path, extend_assignments, read_assignments
from stages.tables import ASSIGNMENTS, AVAILABLE, LEFT_OUT, SPLIT, SPLITS, read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
LEFT_OUT_IN = Path("data/left_out.csv")
SPLITS_IN = Path("data/splits")
SOURCES = Path("data/sources")


def main() -> None:
    """Add what the present split holds to what is remembered."""
    profile = all_params().profile
    of_profile = locked_profile("export")
    if of_profile not in (None, profile):
        raise UserError(f"{SPLITS_IN} is of profile {of_profile}, not {profile}: run `dvc repro split` first")
    path = assignments_path(SOURCES, profile)
    earlier = read_assignments(path)
    extended = extend_assignments(earlier, present_assignments())
    write_table(extended, ASSIGNMENTS, path)
    say(f"remember: {extended.height - earlier.height:,} new images, {extended.height:,} in all -> {path}")
    say(f"next: `dvc add {path}` and `git add {path}.dvc`, which pins it to the commit")


def present_assignments() -> pl.DataFrame:
    """Give the images of the present split, and those whose group stands in it though they do not: ``ASSIGNMENTS``."""
    used = [
        read_table(SPLITS_IN / f"{name}.parquet", SPLIT).with_columns(split=pl.lit(name)).select(ASSIGNMENTS.keys())
        for name in SPLITS
    ]
    left_out = read_table(LEFT_OUT_IN, LEFT_OUT).drop_nulls("split").select("image_name", "species", "split")
    of_a_group = read_table(AVAILABLE_IN, AVAILABLE).join(left_out, on=["image_name", "species"])
    return pl.concat([*used, of_a_group.select(ASSIGNMENTS.keys())])


if __name__ == "__main__":
    run(main)
