"""What tests let worker processes do."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from stages.cache.directory import File
from stages.commands.inventory import _measure_files
from stages.runtime.errors import UserError


def square(number: int) -> int:
    return number * number


def die(_item: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marks: Path, item: int) -> int:
    """Kill the own process for every third item, the first time."""
    mark = marks / str(item)
    if item % 3 == 0 and not mark.exists():
        mark.touch()
        die(item)
    return item


def die_of(poison: int, item: int) -> int:
    if item == poison:
        die(item)
    return item


def refuse(item: int) -> int:
    if item == 5:
        raise UserError("five is right out")
    return item


def kill_by_name(data: bytes, image_name: str, _sha256: str, poison: str) -> str:
    if image_name == poison:
        die(data)
    return image_name


def measure_nothing(directory: Path, max_megapixels: float, files: list[File]) -> list[tuple]:
    """What a worker without the mount makes of files."""
    return _measure_files(directory / "not mounted here", max_megapixels, files)


def each_or_die(task: Sequence[int], poison: int) -> list[int]:
    """Give the items of a task; the own process dies of one."""
    return [die_of(poison, item) for item in task]


def large_of_this_process(number: int) -> tuple[int, bytes]:
    """Give the id of this process with more bytes than a pipe holds, so that it waits for who reads them."""
    return os.getpid(), bytes(4_000_000)
