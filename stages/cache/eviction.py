"""The image cache's budget: what may be evicted, and in what order."""

from collections.abc import Callable, Collection, Container, Iterable
from pathlib import Path

from stages.cache.directory import File, evicting
from stages.cache.index import ImageIndex
from stages.runtime.errors import UserError
from stages.runtime.wording import size_in_words
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import Schema, read_table

TABLES_IN_USE: dict[Path, Schema] = {
    Path("data/available.parquet"): AVAILABLE,
    **{Path(f"data/splits/{split}.parquet"): SPLIT for split in SPLITS},
}


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


def evict(
    directory: Path, files: Iterable[File], index: ImageIndex, *, target_bytes: float, keep: Container[str]
) -> list[File]:
    """Remove images, the least recently used first, until the others are no larger than ``target_bytes``.

    Args:
        directory: the image cache.
        files: what it holds.
        index: knows when images were used; forgets those that go.
        target_bytes: what may stay.
        keep: names that stay in any case.

    Returns:
        The files that are gone; fewer than it takes, where the others are to be kept.

    Raises:
        UserError: another process reads the images: nothing is removed.
        OSError: the file system cannot say so: likewise.
    """
    files = list(files)
    excess = sum(file.bytes for file in files) - target_bytes
    if excess <= 0:
        return []
    used_s = index.used_s()
    oldest_first = sorted(
        (file for file in files if file.image_name not in keep),
        key=lambda file: (max(used_s.get(file.image_name, 0), file.mtime_ns / 1e9), file.image_name),
    )
    gone: list[File] = []
    try:
        with evicting(directory):
            for file in oldest_first:
                if excess <= 0:
                    break
                (directory / file.image_name).unlink(missing_ok=True)
                gone.append(file)
                excess -= file.bytes
    except BlockingIOError:
        raise UserError(
            f"{directory} is being read (`pack` or `compare_crops`) or evicted from: run it again when that is done"
        ) from None
    finally:
        index.forget(file.image_name for file in gone)
    return gone


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
    ) -> None:
        """Begin with the cache as it was found.

        Args:
            directory: the image cache.
            files: what it holds.
            index: of the cache.
            budget_bytes: what it may hold.
            wanted: names that are never evicted, as the next run would ask for them again.
            tell: takes a line for the log.
        """
        self._directory, self._index, self._wanted, self._tell = directory, index, wanted, tell
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
            keep = images_in_use() | set(self._wanted)
            gone = evict(self._directory, self._files.values(), self._index, target_bytes=target_bytes, keep=keep)
        except UserError as error:
            self._more_to_evict = False
            self._tell(f"nothing is evicted: {error}")
            return
        for file in gone:
            self.gone(file.image_name)
        self._more_to_evict = self._used_bytes <= target_bytes
        size = size_in_words(sum(file.bytes for file in gone))
        self._tell(f"{len(gone):,} images evicted that no record names ({size})")
