"""Photos as they come to a model: read, decoded and cropped by all cores, in the order in which they were named.

A photo that cannot be read stops nothing, nor does one of which a process dies: each comes with its trouble in words.
"""

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
from PIL import Image

from stages.answering.cropped import Cropped, PhotoError, crop_photo
from stages.answering.photo_files import NoPhotoError, ReadingError, Source, read_photo
from stages.images.decode import decode_rgb, read_header, reduction
from stages.runtime.parallel import WorkerDiedError, parallel_map
from stages.tables.preprocessing import Preprocessing

PHOTOS_A_TASK = 8
FEW = 8  # so many photos are sooner read here than other processes have started

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PreparedPhoto:
    """A photo that the model can be asked about, or why not.

    Attributes:
        source: where it is.
        cropped: the photo; None where there is trouble.
        shown: a JPEG of all of it, upright, where that was asked for and there is no trouble.
        trouble: a word for what is wrong; empty where nothing is.
        message: what is wrong, in a line.
        is_photo: not so where a file of a folder is something else, which is no trouble.
    """

    source: Source
    cropped: Cropped | None = None
    shown: bytes = b""
    trouble: str = ""
    message: str = ""
    is_photo: bool = True


def prepare_photos(
    sources: Sequence[Source], preprocessing: Preprocessing, *, shown_px: int | None = None, workers: int | None = None
) -> Iterator[PreparedPhoto]:
    """Read and crop photos, and give them in their order; only so many are held as processes can be busy with.

    Args:
        sources: where they are.
        preprocessing: of the model.
        shown_px: the longer side of the JPEG of the whole photo that comes along; None: none does.
        workers: processes; -1 is one a core, 0 none but this; None leaves a few photos to this one.
    """
    if workers is None:
        workers = 0 if len(sources) <= FEW else -1
    prepare = partial(_prepare_task, preprocessing=preprocessing, shown_px=shown_px)
    # An address has a task to itself: while a host is slow, nothing else shall wait for it that is done.
    for task in surviving_map(prepare, _tasks(sources), died=_died_of, workers=workers):
        yield from task


def surviving_map(
    function: Callable[[Sequence[Item]], list[Result]],
    tasks: Iterable[Sequence[Item]],
    *,
    died: Callable[[Item], Result],
    workers: int,
) -> Iterator[list[Result]]:
    """Work on tasks as ``parallel_map`` does, but for items of which processes die: ``died`` gives their results.

    Args:
        function: takes a task and gives a result for each of its items; something that pickles.
        tasks: a few items each.
        died: gives the result of an item that killed the process that had it to itself, again and again.
        workers: as for ``parallel_map``.
    """
    waiting: deque[Sequence[Item]] = deque()  # tasks without results, in their order: the first is the one that died

    def noted(tasks: Iterable[Sequence[Item]]) -> Iterator[Sequence[Item]]:
        for task in tasks:
            waiting.append(task)
            yield task

    left = iter(tasks)
    while True:
        again = list(waiting)
        waiting.clear()
        try:
            for results in parallel_map(function, noted(chain(again, left)), workers=workers, on_cluster=False):
                waiting.popleft()
                yield results
        except WorkerDiedError:
            yield [result for item in waiting.popleft() for result in _alone(function, item, died)]
        else:
            return


def _alone(
    function: Callable[[Sequence[Item]], list[Result]], item: Item, died: Callable[[Item], Result]
) -> list[Result]:
    try:
        return next(parallel_map(function, [[item]], workers=1, on_cluster=False))
    except WorkerDiedError:
        return [died(item)]


def _tasks(sources: Sequence[Source]) -> Iterator[Sequence[Source]]:
    files: list[Source] = []
    for source in sources:
        if source.path is not None:
            files.append(source)
        if files and (source.path is None or len(files) == PHOTOS_A_TASK):
            yield files
            files = []
        if source.path is None:
            yield [source]
    if files:
        yield files


def _died_of(source: Source) -> PreparedPhoto:
    return PreparedPhoto(source, trouble="killed", message="the process that reads it dies of it (for want of memory?)")


def _prepare_task(
    sources: Sequence[Source], *, preprocessing: Preprocessing, shown_px: int | None
) -> list[PreparedPhoto]:
    return [_prepare(source, preprocessing, shown_px) for source in sources]


def _prepare(source: Source, preprocessing: Preprocessing, shown_px: int | None) -> PreparedPhoto:
    try:
        data = read_photo(source)
        cropped = crop_photo(data, preprocessing)
        shown = shown_whole(data, shown_px) if shown_px else b""
    except NoPhotoError:
        return PreparedPhoto(source, is_photo=False)
    except (ReadingError, PhotoError) as error:
        return PreparedPhoto(source, trouble=error.trouble, message=str(error))
    except MemoryError:
        return PreparedPhoto(source, trouble="killed", message="there is not enough memory for it: shrink it")
    return PreparedPhoto(source, cropped, shown)


def shown_whole(data: bytes, side_px: int) -> bytes:
    """Give all of a photo, upright, as a JPEG whose longer side has at most ``side_px``.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    width, height, _ = read_header(data)
    pixels = decode_rgb(data, factor=reduction(max(width, height), side_px))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
