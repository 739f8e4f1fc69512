"""Command ``evict``: bring the image cache back to its budget, what is worth least first.

    python -m stages.commands.evict [--dry-run] [--to-gb GB] [--also-in-use]

Images that data/available.parquet or a split names are in use: a run of the pipeline would stop for want of them.
They stay unless told otherwise, and while a process reads the cache (`pack`, `compare_crops`) nothing is evicted at
all. First go files that are no image, then images that no record names, then the others; at last photos that only a
limit of params.yaml rejected, as another limit may want them. Among equals the least recently used goes first: what was
last used is noted by `pack` and `fetch` in the index beside the images; where that is not known, the file's own time
counts. evicted.csv beside the images lists each file that went, and why.
"""

import argparse
from collections.abc import Collection
from pathlib import Path

import polars as pl

from stages.cache.directory import File, list_cache, obstacles_in_words, own_cache_directory
from stages.cache.eviction import (
    DRY_RUN_LIST,
    EVICTED_LOG,
    Leaving,
    Standing,
    choose,
    counts_in_words,
    evict,
    images_in_use,
    images_of_splits,
    list_dry_run,
)
from stages.cache.index import ImageIndex
from stages.config.reading import all_params
from stages.config.schema import Params
from stages.config.sources import inventory_path
from stages.images.standing import standing_of
from stages.runtime.errors import UserError, run
from stages.runtime.lock import locked_profile
from stages.runtime.progress import say
from stages.runtime.wording import size_in_words
from stages.tables.cache_filter import REJECTED
from stages.tables.export import RECORDS
from stages.tables.inventory import INVENTORY, MEASURES
from stages.tables.table import Schema, read_table

RECORDS_IN = Path("data/records.parquet")
REJECTED_IN = Path("data/rejected.parquet")


def main() -> None:
    """Evict down to the budget."""
    arguments = _arguments()
    params = all_params()
    directory = own_cache_directory(params.profile)
    target_gb = params.download.cache_budget_gb if arguments.to_gb is None else arguments.to_gb
    if not target_gb >= 0:
        raise UserError(f"--to-gb must be 0 or more (found {target_gb})")
    of_profile = tables_are_of(params.profile)
    if not (of_profile or arguments.also_in_use):
        raise UserError(
            f"the tables in data/ are of another profile than {params.profile}, so nobody knows what is in use: run "
            "`dvc repro split` first, or evict with --also-in-use"
        )
    in_use = images_in_use(missing_ok=arguments.also_in_use) if of_profile else set()
    keep: set[str] = set() if arguments.also_in_use else in_use

    target_bytes = target_gb * 1e9
    files, obstacles = list_cache(directory)
    if obstacles:
        say(f"evict: {obstacles_in_words(obstacles)}")
    notes: list[str] = []
    with ImageIndex(directory, look_only=arguments.dry_run) as index:
        standing = read_standing(files, index, params, in_use, notes, of_profile=of_profile)
        if arguments.dry_run:
            gone = choose(files, index.used_s(), target_bytes=target_bytes, keep=keep, standing=standing)
        else:
            gone = evict(directory, files, index, target_bytes=target_bytes, keep=keep, standing=standing)
    report(directory, files, gone, notes, dry_run=arguments.dry_run)
    left_bytes = sum(file.bytes for file in files) - sum(leaving.file.bytes for leaving in gone)
    if left_bytes > target_bytes:
        raise UserError(
            f"{size_in_words(left_bytes)} are in use, more than {size_in_words(target_bytes)}: raise the budget in "
            "params.yaml, or add --also-in-use"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="list what would go, and why; delete nothing")
    parser.add_argument("--to-gb", type=float, metavar="GB", help="instead of download.cache_budget_gb")
    parser.add_argument("--also-in-use", action="store_true", help="also images that the current tables name")
    return parser.parse_args()


def tables_are_of(profile: str) -> bool:
    """Say whether the tables in data/ are of a profile, as far as dvc.lock knows."""
    return {locked_profile(stage) for stage in ("export", "cache_filter", "split")} <= {None, profile}


def read_standing(
    files: list[File],
    index: ImageIndex,
    params: Params,
    in_use: Collection[str],
    notes: list[str],
    *,
    of_profile: bool,
) -> Standing:
    """Read the tables that say what files are worth, as far as they are there; ``notes`` gets what is missing."""
    inventory_file = inventory_path(params.profile)
    measures = ("image_name", "bytes", *MEASURES)
    known = inventory_file.is_file()  # else the index beside the images has to do
    return standing_of(
        files,
        index,
        params.inventory,
        allowed_licenses=params.licenses.allowed,
        records=_table(RECORDS_IN, RECORDS, ("image_name", "license"), notes) if of_profile else None,
        rejected=_table(REJECTED_IN, REJECTED, ("image_name", "verdict"), notes) if of_profile else None,
        inventory=_table(inventory_file, INVENTORY, measures, notes) if known else None,
        available=in_use,
        in_split=images_of_splits() if of_profile else (),
    )


def _table(path: Path, schema: Schema, columns: tuple[str, ...], notes: list[str]) -> pl.DataFrame | None:
    """Read a table that helps to find the order of eviction, and is not needed for it."""
    try:
        return read_table(path, schema, only=columns)
    except UserError as error:
        notes.append(f"the order is found without {path}: {error}")
        return None


def report(directory: Path, files: list[File], gone: list[Leaving], notes: list[str], *, dry_run: bool) -> None:
    """Say what went, or would go, what was not known for it, and where every file is listed."""
    gone_bytes = sum(leaving.file.bytes for leaving in gone)
    left = size_in_words(sum(file.bytes for file in files) - gone_bytes)
    of_all = f"{len(gone):,} of {len(files):,} images"
    if dry_run:
        say(f"evict --dry-run: {of_all} would be deleted ({size_in_words(gone_bytes)}); the cache would hold {left}")
    else:
        say(f"evict: {of_all} deleted ({size_in_words(gone_bytes)}); the cache holds {left}")
    for line in [*counts_in_words(gone), *notes] if gone else ():
        say(f"  {line}")
    if dry_run:
        try:
            say(f"  each file, and why: {list_dry_run(directory, gone)}")
        except OSError as error:  # a cache that can only be read: looking at it is no failure
            say(f"  not listed one by one, as {directory / DRY_RUN_LIST} cannot be written: {error.strerror}")
    elif gone:
        say(f"  each file, and why: {directory / EVICTED_LOG}")
        say("next: `make inventory` and `dvc add`, so that the table lists what is there")


if __name__ == "__main__":
    run(main)
