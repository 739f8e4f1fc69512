"""Doing something with each original of the image cache: in parallel, each read once and held against its digest."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from stages.images.decode import DecodeError
from stages.runtime.errors import UserError
from stages.runtime.parallel import WorkerDiedError, parallel_map

Result = TypeVar("Result")

IMAGES_A_TASK = 16


def map_originals(
    function: Callable[..., Result], rows: Sequence[tuple[Any, ...]], cache: Path, *, workers: int = -1
) -> Iterator[Result]:
    """Yield ``function(data, *row)`` for each row, in the rows' order.

    Args:
        function: takes the file's bytes and the row's values; something that pickles.
        rows: image_name, sha256 and whatever else the function takes.
        cache: the image cache's directory.
        workers: processes, -1 for one a core; the results are the same for any number.

    Raises:
        UserError: an image is missing, its bytes are not those of its digest, it does not decode, or the process that
            works on it dies of it; it is named.
    """
    tasks = (rows[start : start + IMAGES_A_TASK] for start in range(0, len(rows), IMAGES_A_TASK))
    # Absolute, as workers of a cluster stand in folders of their own.
    do = partial(_task, function, cache.absolute())
    try:
        for results in parallel_map(do, tasks, workers=workers):
            yield from results
    except WorkerDiedError as death:
        for row in death.item:
            try:
                list(parallel_map(do, [[row]], workers=1))
            except WorkerDiedError:
                raise UserError(
                    f"{cache / row[0]} kills the process that works on it (for want of memory?): see to the file, or "
                    "leave it out by inventory.max_megapixels"
                ) from None
        raise


def read_image(directory: Path, image_name: str, sha256: str) -> bytes:
    """Read an image of the cache and hold its bytes against the digest of the inventory.

    Raises:
        UserError: the file is missing, or its bytes are others than those that the inventory judged.
    """
    path = directory / image_name
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing though the inventory lists it: run `make inventory`") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(
            f"{path}: its bytes changed since the inventory was taken: run `python -m stages.commands.inventory --all`"
        )
    return data


def _task(function: Callable[..., Result], cache: Path, rows: Sequence[tuple[Any, ...]]) -> list[Result]:
    results = []
    for image_name, sha256, *others in rows:
        data = read_image(cache, image_name, sha256)
        try:
            results.append(function(data, image_name, sha256, *others))
        except DecodeError as error:
            raise UserError(f"{cache / image_name} does not decode ({error}): run `make inventory`") from None
    return results
