"""Small SQLite files beside the images: opened, checked and, where something is wrong with the disk, said in a line."""

import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from stages.cache.looking import looking_into
from stages.runtime.errors import UserError

WAITS_S = 60.0  # for another process that writes
_AS_OS_ERROR = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class DamagedError(Exception):
    """The file is no SQLite database, is damaged, or is of another version of the schema."""


class Database:
    """A SQLite file with one schema.

    Each statement outside ``transaction`` is one of its own. Killed at any time, the file holds whole transactions; a
    power cut may cost the last ones, as they are not flushed to the disk one by one.
    """

    ADVICE = "delete it, then run this again"  # to a user whose file is damaged

    def __init__(
        self, path: Path | None, schema: str, version: int, migrations: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """Open ``path``, and make it if it is missing; ``None`` keeps it in memory.

        Args:
            path: of the file.
            schema: statements that make its tables.
            version: of the schema.
            migrations: the statements that bring a file of an earlier version to the next one.

        Raises:
            DamagedError: the file cannot be used.
            OSError: the disk is full, read-only, or refuses.
        """
        self.path = path
        self._made_by = schema, version, migrations
        with self._in_words():
            self._connection = sqlite3.connect(path or ":memory:", timeout=WAITS_S, isolation_level=None)
        try:
            with self._in_words():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._prepare(schema, version, migrations)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, schema: str, version: int, migrations: Mapping[int, str]) -> None:
        # In one transaction, as another process may open the new file at the same moment.
        self._connection.execute("BEGIN IMMEDIATE")
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        while found in migrations:
            self._execute_each(migrations[found])
            found += 1
            self._connection.execute(f"PRAGMA user_version = {found}")
        if found not in (0, version):
            raise DamagedError(f"it is of version {found}, this is version {version}")
        if found == 0:
            self._execute_each(schema)
            self._connection.execute(f"PRAGMA user_version = {version}")
        self._connection.execute("COMMIT")

    def _execute_each(self, statements: str) -> None:
        for statement in filter(str.strip, statements.split(";")):
            self._connection.execute(statement)

    def take_over(self, path: Path) -> None:
        """Have in memory what another file of this schema or an earlier version holds, without a change to that.

        Raises:
            DamagedError, UserError, OSError: as in the constructor; then this one is as it was.
        """
        copied = sqlite3.connect(":memory:", isolation_level=None)
        own, self._connection = self._connection, copied
        try:
            with self._in_words(path), looking_into(path) as other:
                other.backup(copied)
                self._prepare(*self._made_by)
        except BaseException:
            self._connection = own
            copied.close()
            raise
        own.close()

    def execute(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and give its rows.

        Raises:
            UserError: the file is damaged.
            OSError: as in the constructor.
        """
        with self._in_words(mid_way=True):
            return self._connection.execute(statement, tuple(values)).fetchall()

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each of ``rows``, all or none."""
        with self._in_words(mid_way=True), self.transaction():
            self._connection.executemany(statement, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what the block does one transaction: all of it is kept, or nothing where it raises."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with suppress(OSError, UserError):
                self.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file; without it, nothing that was committed is lost either."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _in_words(self, path: Path | None = None, *, mid_way: bool = False) -> Iterator[None]:
        path = path or self.path
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it says more than is needed
            if code in _AS_OS_ERROR:
                number = _AS_OS_ERROR[code]
                raise OSError(number, os.strerror(number), str(path)) from error
            if code not in _DAMAGED:
                raise UserError(f"{path}: {error}: run it again, and alone") from error
            if mid_way:
                raise UserError(f"{path} is damaged ({error}): {self.ADVICE}") from None
            raise DamagedError(str(error)) from None
