"""Taking sound images into the cache under their names, and keeping placeholders out."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stages.cache.directory import File, evicting
from stages.cache.eviction import Room, images_in_use
from stages.cache.index import ImageIndex, index_row
from stages.download.answer import Answer
from stages.download.ledger import Ledger
from stages.runtime.errors import UserError


class Taken(NamedTuple):
    """What became of an answer with an image: is it stored, in how many bytes, and what was withdrawn for it.

    ``in_the_way``: there is something in its place that is no file.
    """

    stored: bool
    withdrawn: list[str]
    size: int = 0
    in_the_way: bool = False


class Intake:
    """The way of an image into the cache."""

    def __init__(
        self,
        directory: Path,
        *,
        ledger: Ledger,
        index: ImageIndex,
        room: Room,
        placeholder_photos: int,
        photo_of: Callable[[str], str | None],
        tell: Callable[[str], None],
    ) -> None:
        """Prepare to fill ``directory``.

        Args:
            directory: the image cache.
            ledger: of the cache; the caller has opened a transaction on it.
            index: of the cache.
            room: of the cache.
            placeholder_photos: so many photos with the same bytes are a placeholder.
            photo_of: gives what is equal for two images of one photo, by an image's name; ``None`` where nobody knows.
            tell: takes a line for the log.
        """
        self._directory, self._ledger, self._index, self._room = directory, ledger, index, room
        self._placeholder_photos, self._photo_of, self._tell = placeholder_photos, photo_of, tell

    def take(self, image_name: str, answer: Answer, now_s: float) -> Taken:
        """Give a sound image its name, unless it is a placeholder.

        The file comes first, then the index, then the ledger: whatever is missing after a crash costs a second look
        and no image.
        """
        if answer.temporary is None or answer.measured is None:
            raise TypeError(f"an answer without an image: {answer}")
        sha256 = answer.measured.sha256
        if self._ledger.is_placeholder(sha256):
            answer.temporary.unlink()
            return Taken(False, [])
        others = [name for name in self._index.names_of_digest(sha256) if (self._directory / name).is_file()]
        if len({self._photo_of(name) for name in (image_name, *others)} - {None}) >= self._placeholder_photos:
            answer.temporary.unlink()
            self._ledger.add_placeholder(sha256)
            return Taken(False, self._withdraw(others))
        final = self._directory / image_name
        try:
            answer.temporary.replace(final)
        except IsADirectoryError:  # made since the cache was listed
            answer.temporary.unlink()
            self._tell(f"{final} is a directory: move it away; its image is left")
            return Taken(False, [], in_the_way=True)
        status = final.stat()
        file = File(image_name, status.st_size, status.st_mtime_ns)
        self._index.remember([index_row(file, answer.measured)], used_s=now_s)
        self._ledger.stored(image_name)
        self._room.stored(file)
        return Taken(True, [], status.st_size)

    def _withdraw(self, image_names: list[str]) -> list[str]:
        """Take images out of the cache that turned out to be a placeholder; those in use stay, and are named.

        They are asked for again in the next run, at the record's own URL, as nobody knows which route sent them.
        """
        try:
            with evicting(self._directory):
                in_use = images_in_use(missing_ok=True)
                withdrawn = [name for name in image_names if name not in in_use]
                for name in withdrawn:
                    (self._directory / name).unlink(missing_ok=True)
        except (BlockingIOError, UserError):
            withdrawn = []
        self._index.forget(withdrawn)
        for name in withdrawn:
            self._room.gone(name)
            self._ledger.leave(name, "original", 0, "placeholder")
        if staying := len(image_names) - len(withdrawn):
            self._tell(f"{staying:,} images in use are placeholders and stay, such as {image_names[-1]}")
        return withdrawn
