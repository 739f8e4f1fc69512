"""How large the image cache is: by its index, as counting 900,000 files would keep the disk busy."""

import shutil
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stages.cache.directory import list_files
from stages.cache.index import INDEX_NAME
from stages.cache.looking import looking_into

MOST_COUNTED = 20_000  # files, where there is no index


class CacheSize(NamedTuple):
    """What a cache holds.

    Attributes:
        images: their number; ``None`` where nobody knows.
        bytes: theirs.
        free_bytes: of the disk.
        by_index: whether the index says so, and not the directory itself.
    """

    images: int | None
    bytes: int
    free_bytes: int
    by_index: bool


def measure_cache(directory: Path) -> CacheSize:
    """Say how large a cache is: by its index, else by its files if these are no more than ``MOST_COUNTED``.

    Raises:
        OSError: the directory or the index cannot be read.
        sqlite3.Error: the index cannot be read now.
    """
    free_bytes = shutil.disk_usage(directory).free
    index = directory / INDEX_NAME
    if index.is_file():
        with looking_into(index) as connection:
            images, size = connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM images").fetchone()
        return CacheSize(images, size, free_bytes, True)
    sizes = [file.bytes for file in islice(list_files(directory), MOST_COUNTED + 1)]
    return CacheSize(len(sizes) if len(sizes) <= MOST_COUNTED else None, sum(sizes), free_bytes, False)
