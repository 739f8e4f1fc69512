"""Command ``inventory``: measure every file of a profile's image cache -> data/sources/<profile>/inventory.parquet.

    python -m stages.commands.inventory

It is no stage, because the cache is no DVC dependency: the cache changes while images are downloaded, and hashing it
takes hours. The table stands for it. Files whose size and modification time are those of the last run are not read
again: the index beside the images remembers them.
"""

import argparse
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from stages.cache.directory import File, cache_directory, file_table, list_cache, obstacles_in_words
from stages.cache.index import OUTDATED_NS, REMEMBERED, ImageIndex, index_row
from stages.config.reading import all_params
from stages.config.sources import embedded_images, inventory_path
from stages.images.measure import NOT_DECODED, measure
from stages.images.verdict import VERDICTS, verdict
from stages.runtime.errors import UserError, run
from stages.runtime.machine import machine_setting
from stages.runtime.parallel import parallel_map
from stages.runtime.progress import progress, say
from stages.tables.inventory import INVENTORY, SOUND
from stages.tables.table import write_table

FILES_A_TASK = 32
FILES_A_SAVE = 8192  # files measured between two saves of the index


def main() -> None:
    """Take the inventory of the active profile's cache and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="read every file anew, remembered or not")
    arguments = parser.parse_args()
    params = all_params()
    directory = cache_directory(params.profile)
    table = inventory_path(params.profile)
    files, obstacles = list_cache(directory)
    if obstacles:
        say(f"inventory: {obstacles_in_words(obstacles)}")
    if not files:
        raise UserError(f"{directory} holds no image (is it mounted?): {table} stays as it was")
    with ImageIndex(directory) as index:
        inventory = take_inventory(
            directory, files, index, max_megapixels=params.inventory.max_megapixels, all_anew=arguments.all
        )

    counts = Counter(inventory.select(verdict(params.inventory)).to_series().to_list())
    if counts[SOUND] == 0:
        raise UserError(f"{directory} holds no sound image (is it mounted?): {table} stays as it was")
    write_table(inventory, INVENTORY, table)
    verdicts = ", ".join(f"{verdict} {counts[verdict]:,}" for verdict in VERDICTS if counts[verdict])
    used_gb = int(inventory["bytes"].sum()) / 1e9
    say(
        f"inventory: {inventory.height:,} files ({verdicts or 'none'}), {used_gb:.2f} of "
        f"{params.download.cache_budget_gb} GB -> {table}"
    )
    if directory != embedded_images(params.profile):
        say(f"next: `dvc add {table}`, which pins it to the commit, then `dvc repro`")


def take_inventory(
    directory: Path,
    files: list[File],
    index: ImageIndex,
    *,
    max_megapixels: float,
    all_anew: bool = False,
    workers: int = -1,
) -> pl.DataFrame:
    """Measure the files of an image cache.

    Args:
        directory: the image cache.
        files: as ``list_files`` gives them.
        index: what earlier runs found; it is brought up to date.
        max_megapixels: larger images are not decoded.
        all_anew: read also what the index knows.
        workers: processes, -1 for one a core.

    Returns:
        Columns of ``INVENTORY``, sorted by image_name; the same for any number of workers and whatever the index knew,
        but that an image decoded under a higher limit keeps its measures (its verdict is too_large all the same).

    Raises:
        UserError: a worker of a cluster does not see the image cache.
    """
    listed = file_table(files)
    index.forget(index.image_names().to_frame().join(listed, on="image_name", how="anti")["image_name"])
    remembered = index.remembered()
    if outdated := remembered.filter(pl.col("mtime_ns") == OUTDATED_NS).height:
        say(f"inventory: {outdated:,} files are read again, as this version measures more of them than the last one")
    larger = pl.col("width").cast(pl.Int64) * pl.col("height") > max_megapixels * 1_000_000
    remembered = remembered.filter((pl.col("state") != NOT_DECODED) | larger)
    known = remembered.clear() if all_anew else remembered.join(listed, on=listed.columns, how="semi")
    new = [File(*row) for row in listed.join(known, on="image_name", how="anti").sort("image_name").iter_rows()]

    tasks = [new[start : start + FILES_A_TASK] for start in range(0, len(new), FILES_A_TASK)]
    results = parallel_map(partial(_measure_files, directory.absolute(), max_megapixels), tasks, workers=workers)
    measured = progress((row for rows in results for row in rows), what="inventory", total=len(new))
    # Remembered piece by piece, so that an inventory of 900 GB can be stopped and goes on where it was.
    while rows := list(islice(measured, FILES_A_SAVE)):
        index.remember(rows)
        known = pl.concat([known, pl.DataFrame(rows, schema=REMEMBERED, orient="row")])
    if machine_setting("CLUSTER"):
        for name in listed.join(known, on="image_name", how="anti")["image_name"]:
            if (directory / name).exists():
                raise UserError(f"a worker of CLUSTER does not see {directory / name}: mount the image cache there too")
    return known.sort("image_name").select(INVENTORY.keys())


def _measure_files(directory: Path, max_megapixels: float, files: list[File]) -> list[tuple]:
    """Give a row of ``REMEMBERED`` for each file; one that was evicted since the directory was listed has none."""
    rows = []
    for file in files:
        try:
            data = (directory / file.image_name).read_bytes()
        except FileNotFoundError:
            continue
        rows.append(index_row(file, measure(data, max_megapixels=max_megapixels)))
    return rows


if __name__ == "__main__":
    run(main)
