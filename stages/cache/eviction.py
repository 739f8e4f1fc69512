"""The image cache's budget: what may be evicted, in what order, and the note of what went.

Least worth first: files that are no image, images that no record names, the others by their last use, and at last
photos that only a limit of params.yaml rejected: a limit is an experiment, and another one may want them.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stages.cache.directory import File, evicting
from stages.cache.index import ImageIndex
from stages.runtime.errors import UserError
from stages.runtime.outputs import replacing
from stages.runtime.progress import say
from stages.runtime.wording import in_words, size_in_words
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import Schema, read_table

TABLES_IN_USE: dict[Path, Schema] = {
    Path("data/available.parquet"): AVAILABLE,
    **{Path(f"data/splits/{split}.parquet"): SPLIT for split in SPLITS},
}

NO_IMAGE, NO_RECORD, NOT_USED, LIMIT = "no_image", "no_record", "not_used", "limit"
LEFT_OUT, IN_SPLIT = "left_out", "in_split"
# In the order in which they go. The last two go only when told so.
WHY = {
    NO_IMAGE: "files that are no image",
    NO_RECORD: "images that no record names",
    NOT_USED: "images that a record names and no table uses",
    LIMIT: "photos that only a limit of params.yaml rejected",
    LEFT_OUT: "images that can be used and stand in no split",
    IN_SPLIT: "images of a split",
}
_PLACE = {why: place for place, why in enumerate(WHY)}

EVICTED_LOG = "evicted.csv"
DRY_RUN_LIST = "evict-dry-run.csv"
BATCH = 200  # files that go between two notes of it: no more are missing in the log of an eviction that was killed
_LOG_HEAD = "at,image_name,bytes,last_used,why\n"


def images_of_splits() -> set[str]:
    """Name the images of the splits of the last run, as far as there are any."""
    paths = [path for path, schema in TABLES_IN_USE.items() if schema is SPLIT and path.is_file()]
    return {name for path in paths for name in read_table(path, SPLIT)["image_name"]}


def images_in_use(*, missing_ok: bool = False) -> set[str]:
    """Name the images that the tables of the last run name.

    Args:
        missing_ok: go by the tables that are there.

    Raises:
        UserError: one of the tables is missing, so that nobody knows.
    """
    missing = [path for path in TABLES_IN_USE if not path.is_file()]
    if missing and not missing_ok:
        raise UserError(
            f"{missing[0]} is missing, which says what images are in use: bring it back with `dvc checkout` or "
            "`dvc repro split`, or run evict with --also-in-use"
        )
    return {
        name
        for path, schema in TABLES_IN_USE.items()
        if path not in missing
        for name in read_table(path, schema)["image_name"]
    }


@dataclass(frozen=True)
class Standing:
    """What is known of the worth of a cache's images, by names.

    Attributes:
        no_image: of files of which no image can be made, whatever the limits.
        limited: of photos that a limit of params.yaml rejects, and nothing else.
        recorded: those that records name; ``None`` where nobody knows.
        available: those that can be used.
        in_split: those that a split has.
    """

    no_image: Collection[str] = field(default_factory=set)
    limited: Collection[str] = field(default_factory=set)
    recorded: Collection[str] | None = None
    available: Collection[str] = field(default_factory=set)
    in_split: Collection[str] = field(default_factory=set)

    def why(self, image_name: str) -> str:
        """Say why an image may go: one of ``WHY``."""
        if image_name in self.in_split:
            return IN_SPLIT
        if image_name in self.available:
            return LEFT_OUT
        if image_name in self.no_image:
            return NO_IMAGE
        if self.recorded is not None and image_name not in self.recorded:
            return NO_RECORD
        return LIMIT if image_name in self.limited else NOT_USED


NOTHING_KNOWN = Standing()


class Leaving(NamedTuple):
    """A file that goes: why, and when it was last used (seconds since 1970)."""

    file: File
    why: str
    used_s: float


def choose(
    files: Iterable[File],
    used_s: Mapping[str, float],
    *,
    target_bytes: float,
    keep: Collection[str],
    standing: Standing = NOTHING_KNOWN,
) -> list[Leaving]:
    """Say what goes, first to last, so that the others are no larger than ``target_bytes``.

    Args:
        files: what the cache holds.
        used_s: when images were last used, in seconds since 1970, where that is known; else the file's time counts.
        target_bytes: what may stay.
        keep: names that stay in any case.
        standing: what is known of their worth; without it the last use alone decides.
    """
    files = list(files)
    excess = sum(file.bytes for file in files) - target_bytes
    candidates = [
        Leaving(file, standing.why(file.image_name), max(used_s.get(file.image_name, 0), file.mtime_ns / 1e9))
        for file in files
        if excess > 0 and file.image_name not in keep
    ]
    candidates.sort(key=lambda leaving: (_PLACE[leaving.why], leaving.used_s, leaving.file.image_name))
    chosen = []
    for leaving in candidates:
        if excess <= 0:
            break
        chosen.append(leaving)
        excess -= leaving.file.bytes
    return chosen


def evict(
    directory: Path,
    files: Iterable[File],
    index: ImageIndex,
    *,
    target_bytes: float,
    keep: Collection[str],
    standing: Standing = NOTHING_KNOWN,
) -> list[Leaving]:
    """Remove images, those of least worth first, until the others are no larger than ``target_bytes``.

    What goes is added to ``EVICTED_LOG`` beside the images, a line a file.

    Args:
        directory: the image cache.
        files: what it holds.
        index: knows when images were used; forgets those that go.
        target_bytes: what may stay.
        keep: names that stay in any case.
        standing: what is known of their worth.

    Returns:
        What is gone; fewer than it takes, where the others are to be kept, or another file has come in place of one.

    Raises:
        UserError: another process reads the images: nothing is removed.
        OSError: the file system cannot say so: likewise.
    """
    chosen = choose(files, index.used_s(), target_bytes=target_bytes, keep=keep, standing=standing)
    if not chosen:
        return []
    gone: list[Leaving] = []
    try:
        with evicting(directory):
            for start in range(0, len(chosen), BATCH):
                gone += _remove(directory, index, chosen[start : start + BATCH])
    except BlockingIOError:
        raise UserError(
            f"{directory} is being read (`pack` or `compare_crops`) or evicted from: run it again when that is done"
        ) from None
    return gone


def _remove(directory: Path, index: ImageIndex, leaving: Iterable[Leaving]) -> list[Leaving]:
    """Remove files and note it, what was removed before an error too; give those that are gone."""
    gone: list[Leaving] = []
    try:
        for one in leaving:
            if _is_another_by_now(directory, one.file):
                continue
            (directory / one.file.image_name).unlink(missing_ok=True)
            gone.append(one)
    finally:
        if gone:
            _note(directory / EVICTED_LOG, gone)
            index.forget(one.file.image_name for one in gone)
    return gone


def _is_another_by_now(directory: Path, file: File) -> bool:
    """Say whether there is another file than was listed, as a download may have put one in place of a broken one."""
    try:
        status = (directory / file.image_name).stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) != (file.bytes, file.mtime_ns)


def list_dry_run(directory: Path, chosen: Iterable[Leaving]) -> Path:
    """Write what an eviction would take, in place of what was written before; give the file.

    Raises:
        OSError: it cannot be written.
    """
    path = directory / DRY_RUN_LIST
    with replacing(path) as temporary:
        temporary.write_text(_LOG_HEAD + _lines(chosen), encoding="utf-8")
    return path


def counts_in_words(leaving: Sequence[Leaving]) -> list[str]:
    """Give a line for each reason: how many, how large, what they are."""
    lines = []
    for why, meaning in WHY.items():
        sizes = [each.file.bytes for each in leaving if each.why == why]
        if sizes:
            lines.append(f"{why}: {len(sizes):,} {meaning} ({size_in_words(sum(sizes))})")
    return lines


def _note(path: Path, gone: Iterable[Leaving]) -> None:
    """Add what went to the log; that the disk is full, of all things, must not stop an eviction."""
    try:
        with path.open("a", encoding="utf-8") as log:
            if os.fstat(log.fileno()).st_size == 0:
                log.write(_LOG_HEAD)
            log.write(_lines(gone))
    except OSError as error:
        say(f"{path}: {error.strerror}: what was evicted is not listed there")


def _lines(leaving: Iterable[Leaving]) -> str:
    at = _utc(time.time())
    return "".join(f"{at},{file.image_name},{file.bytes},{_utc(used_s)},{why}\n" for file, why, used_s in leaving)


def _utc(moment_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment_s))


class Room:
    """Keeps the cache within its budget while it fills."""

    def __init__(
        self,
        directory: Path,
        files: Iterable[File],
        index: ImageIndex,
        *,
        budget_bytes: float,
        wanted: Collection[str],
        tell: Callable[[str], None],
        standing: Callable[[], Standing] = lambda: NOTHING_KNOWN,
    ) -> None:
        """Begin with the cache as it was found.

        Args:
            directory: the image cache.
            files: what it holds.
            index: of the cache.
            budget_bytes: what it may hold.
            wanted: names of images that are never evicted, as the next run would ask for them again.
            tell: takes a line for the log.
            standing: finds out what is known of the worth of what it holds; asked when room is wanted.
        """
        self._directory, self._index, self._wanted, self._tell = directory, index, wanted, tell
        self._standing = standing
        self._files = {file.image_name: file for file in files}
        self._budget_bytes = budget_bytes
        self._used_bytes = sum(file.bytes for file in self._files.values())
        self._more_to_evict = True

    def stored(self, file: File) -> None:
        """Take note of an image that came, perhaps in place of another one."""
        self.gone(file.image_name)
        self._files[file.image_name] = file
        self._used_bytes += file.bytes

    def gone(self, image_name: str) -> None:
        """Take note of an image that went."""
        if image_name in self._files:
            self._used_bytes -= self._files.pop(image_name).bytes

    def has(self, size: int) -> bool:
        """Say whether so many more bytes fit; evict what nothing names if they do not."""
        excess_bytes = self._used_bytes + size - self._budget_bytes
        if excess_bytes > 0 and self._more_to_evict:
            self._evict(excess_bytes)
        return self._used_bytes + size <= self._budget_bytes

    def _evict(self, excess_bytes: float) -> None:
        # One per cent of the budget more than is needed now, so that there is room for a while.
        target_bytes = self._used_bytes - excess_bytes - 0.01 * self._budget_bytes
        try:
            standing = self._standing()
            keep = images_in_use() | (set(self._wanted) - set(standing.no_image))
            gone = evict(
                self._directory,
                self._files.values(),
                self._index,
                target_bytes=target_bytes,
                keep=keep,
                standing=standing,
            )
        except UserError as error:
            self._more_to_evict = False
            self._tell(f"nothing is evicted: {error}")
            return
        for leaving in gone:
            self.gone(leaving.file.image_name)
        self._more_to_evict = self._used_bytes <= target_bytes
        size = size_in_words(sum(leaving.file.bytes for leaving in gone))
        counts = in_words(Counter(leaving.why for leaving in gone))
        listed = f", listed in {self._directory / EVICTED_LOG}" if gone else ""
        self._tell(f"{len(gone):,} images evicted{counts}, {size}{listed}")
