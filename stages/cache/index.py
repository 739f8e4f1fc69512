"""What is known of each image of the cache: a small SQLite file beside the images.

It spares a second look at what has not changed, and keeps when an image was last used. It can be deleted at any time:
`make inventory` makes it anew.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from stages.cache.database import DamagedError, Database
from stages.cache.directory import File
from stages.runtime.errors import UserError
from stages.runtime.progress import say
from stages.tables.inventory import INVENTORY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INDEX_NAME = ".index.sqlite"
REMEMBERED = INVENTORY | {"mtime_ns": pl.Int64}

_VERSION = 5
OUTDATED_NS = -1  # a modification time that no file has: of what an earlier version measured less of
_MIGRATIONS = {
    2: "ALTER TABLE images RENAME COLUMN grey_std TO gray_std",
    # Measures came that take pixels, and files are decoded that were not. The column entropy_bits stays behind, unused.
    3: f"""
ALTER TABLE images ADD COLUMN banding REAL;
ALTER TABLE images ADD COLUMN level_peaks REAL;
ALTER TABLE images ADD COLUMN flatness REAL;
ALTER TABLE images ADD COLUMN filled_share REAL;
UPDATE images SET mtime_ns = {OUTDATED_NS} WHERE state NOT IN ('empty', 'not_decoded');
""",
    # Levels of JPEGs of a low quality are counted by their steps; PNGs are whole that were not, and WebPs are not.
    4: f"UPDATE images SET mtime_ns = {OUTDATED_NS} WHERE state NOT IN ('empty', 'not_decoded');",
}
# used_s: seconds since 1970, null where nobody has said so.
_SCHEMA = """
CREATE TABLE images (
    image_name TEXT PRIMARY KEY, bytes INTEGER, sha256 TEXT, state TEXT, width INTEGER, height INTEGER, gray_std REAL,
    even_share REAL, sharpness REAL, banding REAL, level_peaks REAL, flatness REAL, filled_share REAL, phash BLOB,
    mtime_ns INTEGER, used_s REAL
) WITHOUT ROWID;
CREATE INDEX images_by_digest ON images (sha256);
"""


class ImageIndex(Database):
    """The table of images of one cache."""

    def __init__(self, directory: Path, *, look_only: bool = False) -> None:
        """Open the index of a cache; one that is damaged is made anew, as it only spares work.

        Args:
            directory: the cache.
            look_only: change no byte in it: what the index knows is copied into memory, and what is noted is forgotten.
                So it is of a cache that can only be read, too.
        """
        path = directory / INDEX_NAME
        if look_only or not os.access(directory, os.W_OK):
            super().__init__(None, _SCHEMA, _VERSION, _MIGRATIONS)
            self._copy(path)
            return
        try:
            super().__init__(path, _SCHEMA, _VERSION, _MIGRATIONS)
        except DamagedError as error:
            say(f"{path} could not be used ({error}): it is made anew")
            for suffix in ("", "-wal", "-shm"):
                (directory / f"{INDEX_NAME}{suffix}").unlink(missing_ok=True)
            super().__init__(path, _SCHEMA, _VERSION, _MIGRATIONS)

    def _copy(self, path: Path) -> None:
        """Take over what an index knows, if it can be read."""
        if not path.exists():
            return
        try:
            self.take_over(path)
        except (DamagedError, OSError, UserError) as error:
            why = getattr(error, "strerror", None) or error
            say(f"{path} could not be read ({why}): what it knows of images is left out")

    def remembered(self) -> pl.DataFrame:
        """Give what was measured: columns of ``REMEMBERED``, in no order."""
        rows = self.execute(f"SELECT {', '.join(REMEMBERED)} FROM images")
        return pl.DataFrame(rows, schema=REMEMBERED, orient="row")

    def remember(self, images: Iterable[tuple[Any, ...]], *, used_s: float | None = None) -> None:
        """Note what was measured of files (columns of ``REMEMBERED``), and perhaps when they were last used."""
        columns = [*REMEMBERED, "used_s"]
        updates = ", ".join(f"{name} = excluded.{name}" for name in REMEMBERED if name != "image_name")
        self.execute_many(
            f"INSERT INTO images ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT DO UPDATE SET {updates}, used_s = coalesce(excluded.used_s, used_s)",
            ((*image, used_s) for image in images),
        )

    def image_names(self) -> pl.Series:
        """Name all images that anything is known of."""
        rows = self.execute("SELECT image_name FROM images")
        return pl.Series("image_name", [name for (name,) in rows], pl.String)

    def forget(self, image_names: Iterable[str]) -> None:
        """Drop what is known of images that are gone."""
        self.execute_many("DELETE FROM images WHERE image_name = ?", ([name] for name in image_names))

    def names_of_digest(self, sha256: str) -> list[str]:
        """Name the images with these bytes."""
        return [name for (name,) in self.execute("SELECT image_name FROM images WHERE sha256 = ?", [sha256])]

    def used_s(self) -> dict[str, float]:
        """Say when each image was last used, in seconds since 1970, where that is known."""
        return dict(self.execute("SELECT image_name, used_s FROM images WHERE used_s IS NOT NULL"))


def index_row(file: File, measured: "DataclassInstance") -> tuple[Any, ...]:
    """Give the row of ``REMEMBERED`` for a file and its ``Measurement``.

    That class is not imported: `pack` notes through this module what it used, and does not depend on how images are
    measured.
    """
    values = asdict(measured) | {"image_name": file.image_name, "mtime_ns": file.mtime_ns}
    return tuple(values[name] for name in REMEMBERED)


def note_use(directory: Path, image_names: Iterable[str]) -> None:
    """Note in the cache's index that images were used just now, so that they are evicted last.

    It spoils no work that is done: where it cannot be noted, the files' times have to do.
    """
    if not (os.access(directory, os.W_OK) and (directory / INDEX_NAME).is_file()):
        return
    now_s = time.time()
    try:
        with ImageIndex(directory) as index:
            index.execute_many(
                "UPDATE images SET used_s = ? WHERE image_name = ?", ((now_s, name) for name in image_names)
            )
    except (UserError, OSError) as error:
        say(f"not noted that the images were used ({error})")
