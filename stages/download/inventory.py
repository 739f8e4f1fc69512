"""Command ``inventory``: judge every file of a profile's image cache -> data/sources/<profile>/inventory.parquet.

    python -m stages.download.inventory

It is no stage, because the cache is no DVC dependency: the cache changes while images are downloaded, and hashing it
takes hours. The table stands for it. Files whose size and modification time are those of the last run are not read
again; that memory is kept under .dvc/tmp, as it is true for this machine only.
"""

import argparse
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.download.cache import IMAGE_NAME, SOURCES, cache_directory
from stages.errors import UserError, run
from stages.images.verdict import VERDICTS, judge
from stages.parallel import parallel_map
from stages.params import Inventory, all_params
from stages.progress import progress, say
from stages.tables import INVENTORY, SOUND, read_table, write_table

MEMORY = Path(".dvc/tmp/inventory")
REMEMBERED = INVENTORY | {"mtime_ns": pl.Int64}
FILES = {name: REMEMBERED[name] for name in ("image_name", "bytes", "mtime_ns")}
FILES_A_TASK = 32
FILES_A_SAVE = 8192  # files judged between two saves of the memory


class File(NamedTuple):
    """A file of the cache as the directory shows it."""

    image_name: str
    bytes: int
    mtime_ns: int


def main() -> None:
    """Take the inventory of the active profile's cache and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="judge every file anew, remembered or not")
    arguments = parser.parse_args()
    params = all_params()
    directory = cache_directory(params.profile)
    table = SOURCES / params.profile / "inventory.parquet"
    # Other limits give other verdicts: what was judged under them is not taken over.
    key = hashlib.sha256(f"{directory.resolve()} {params.inventory.model_dump_json()}".encode()).hexdigest()[:16]

    memory = MEMORY / f"{key}.parquet"
    if arguments.all:
        memory.unlink(missing_ok=True)
    inventory = take_inventory(directory, params.inventory, memory=memory)

    counts = Counter(inventory["verdict"].to_list())
    if counts[SOUND] == 0:
        raise UserError(f"{directory} holds no sound image (is it mounted?): {table} stays as it was")
    write_table(inventory, INVENTORY, table)
    verdicts = ", ".join(f"{verdict} {counts[verdict]:,}" for verdict in VERDICTS if counts[verdict])
    used_gb = (inventory["bytes"].sum() or 0) / 1e9
    say(
        f"inventory: {inventory.height:,} files ({verdicts or 'none'}), {used_gb:.2f} of "
        f"{params.download.cache_budget_gb} GB -> {table}"
    )


def take_inventory(directory: Path, limits: Inventory, *, memory: Path, workers: int = -1) -> pl.DataFrame:
    """Judge the files of ``directory`` that are named like images of the cache.

    Args:
        directory: the image cache.
        limits: what counts as sound.
        memory: a table of what earlier runs found, with modification times; made or brought up to date.
        workers: processes, -1 for one a core.

    Returns:
        Columns of ``INVENTORY``, sorted by image_name; the same for any number of workers and with or without memory.
    """
    files = pl.DataFrame(list_files(directory), schema=FILES)
    remembered = _read_memory(memory)
    # Kept for files that are not there now: a disk that was not mounted costs no second judging.
    elsewhere = remembered.join(files, on="image_name", how="anti")
    known = remembered.join(files, on=list(FILES), how="semi")
    new = [File(*row) for row in files.join(known, on="image_name", how="anti").sort("image_name").iter_rows()]

    tasks = [new[start : start + FILES_A_TASK] for start in range(0, len(new), FILES_A_TASK)]
    results = parallel_map(partial(_judge_files, directory, limits), tasks, workers=workers)
    judged = progress((row for rows in results for row in rows), what="inventory", total=len(new))
    # Remembered piece by piece, so that an inventory of 900 GB can be stopped and goes on where it was.
    while rows := list(islice(judged, FILES_A_SAVE)):
        known = pl.concat([known, pl.DataFrame(rows, schema=REMEMBERED, orient="row")]).sort("image_name")
        write_table(pl.concat([elsewhere, known]), REMEMBERED, memory)
    return known.sort("image_name").select(INVENTORY.keys())


def list_files(directory: Path) -> Iterator[File]:
    """Yield the files of the cache; what is named otherwise (a download under way, a note) is passed over."""
    named_like_an_image = re.compile(IMAGE_NAME).match
    with os.scandir(directory) as entries:
        for entry in entries:
            if named_like_an_image(entry.name) and entry.is_file():
                status = entry.stat()
                yield File(entry.name, status.st_size, status.st_mtime_ns)


def _judge_files(directory: Path, limits: Inventory, files: list[File]) -> list[tuple]:
    """Give a row of ``REMEMBERED`` for each file; one that was evicted since the directory was listed has none."""
    rows = []
    for file in files:
        try:
            data = (directory / file.image_name).read_bytes()
        except FileNotFoundError:
            continue
        rows.append((file.image_name, *astuple(judge(data, limits)), file.mtime_ns))
    return rows


def _read_memory(memory: Path) -> pl.DataFrame:
    try:
        return read_table(memory, REMEMBERED)
    except UserError:  # none yet, damaged, or of an older version: everything is read anew
        return pl.DataFrame(schema=REMEMBERED)


if __name__ == "__main__":
    run(main)
