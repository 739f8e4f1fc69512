"""Command ``remember``: note in which split each image is -> data/sources/<profile>/assignments/assignments.parquet.

    python -m stages.commands.remember
    python -m stages.commands.remember --from FOLDER_OR_FILE ...

From then on the split keeps them there, however the cache grows. It is no stage, because it would be its own input.
With --from it notes a split that was made elsewhere, in dumps whose names say train, val or test.
"""

import argparse
from pathlib import Path

import polars as pl

from stages.config.reading import all_params
from stages.config.schema import Params
from stages.config.sources import assignments_path
from stages.runtime.errors import run
from stages.runtime.lock import check_profile
from stages.runtime.progress import say
from stages.splitting.given_split import find_files, read_given
from stages.splitting.memory import extend_assignments, read_assignments
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS, read_split
from stages.tables.links import LINKS
from stages.tables.remember import ASSIGNMENTS
from stages.tables.split import LEFT_OUT, SPLIT
from stages.tables.table import read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
LINKS_IN = Path("data/links.parquet")
LEFT_OUT_IN = Path("data/left_out.csv")
SPLITS_IN = Path("data/splits")


def main() -> None:
    """Add what the present split, or a given one, holds to what is remembered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--from", dest="given", type=Path, nargs="+", metavar="PLACE", help="files or folders of a split"
    )
    given = parser.parse_args().given
    params = all_params()
    path = assignments_path(params.profile)
    earlier = read_assignments(path)
    rows, linked = given_images(given, params) if given else present_images(params.profile)
    extended = extend_assignments(earlier, rows, linked)
    write_table(extended, ASSIGNMENTS, path)
    known, now = (table["image_name"].n_unique() for table in (earlier, extended))
    say(f"remember: {now - known:,} new images, {now:,} in all -> {path}")
    at = extended.select("image_name", kept="split").unique()
    if moved := rows.join(at, on="image_name").filter(pl.col("split") != pl.col("kept")).height:
        say(f"remember: {moved:,} images are remembered in another split already, and stay there")
    now_evaluated = pl.col("kept").is_in(["val", "test"]) & (pl.col("split") == "train")
    if seen := rows.join(at, on="image_name").filter(now_evaluated).height:
        say(
            f"remember: warning: {seen:,} images that this split trained on are remembered as of val or test: "
            "a model of it has seen them, and its figures on them are too good"
        )
    say(f"next: `dvc add {path}` and `git add {path}.dvc`, then `dvc repro` and a commit, which pins it")


def given_images(places: list[Path], params: Params) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the images of a split that was made elsewhere, and what links them, as ``present_images`` does.

    Returns:
        image_name, split and used; and all that they may be met again by: image_name, kind, value.

    Raises:
        UserError: as ``find_files`` and ``read_given``.
    """
    rows, links = read_given(find_files(places), params.documents)
    return rows, links.select("image_name", "kind", "value").drop_nulls().unique()


def present_images(profile: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give the images of the present split, and those whose group stands in it though they do not.

    Returns:
        image_name, sha256, split and used; and all that they may be met again by: image_name, kind, value.

    Raises:
        UserError: there is no split, or it is of another profile.
    """
    check_profile("split", profile, SPLITS_IN)
    used = [read_split(SPLITS_IN, name, SPLIT).with_columns(used=pl.lit(True)) for name in SPLITS]
    left_out = read_table(LEFT_OUT_IN, LEFT_OUT).drop_nulls("split").select("image_name", "species", "split")
    of_a_group = read_table(AVAILABLE_IN, AVAILABLE).join(left_out, on=["image_name", "species"])
    of_a_group = of_a_group.with_columns(used=pl.lit(False))
    rows = pl.concat(part.select("image_name", "sha256", "split", "used") for part in (*used, of_a_group))
    links = read_table(LINKS_IN, LINKS, only=("image_name", "kind", "value"))
    digests = rows.select("image_name", kind=pl.lit("sha256"), value="sha256")
    return rows, pl.concat([links.select("image_name", "kind", "value"), digests]).drop_nulls().unique()


if __name__ == "__main__":
    run(main)
