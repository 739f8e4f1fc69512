"""One reviewer's file of verdicts: written whole after each of them, and as it was before when one is undone.

Nothing that another program wrote meanwhile (git, a spreadsheet) is written over: the file is read again first.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.runtime.errors import UserError
from stages.runtime.outputs import write_bytes
from stages.tables.table import Ruled

LOCKS = Path(".dvc/tmp/reviews")

Key = tuple[str, ...]
Row = dict[str, Any]


@dataclass(frozen=True)
class _Before:
    """What undoes a change.

    Attributes:
        rows: as they were, none where there was none.
        content: of the file, where another program wrote it; ``None`` where this one did.
        existed: whether there was a file.
        about: what the caller wants back.
    """

    rows: dict[Key, Row | None]
    content: bytes | None
    existed: bool
    about: Any


class ReviewerFile:
    """The verdicts of one reviewer, and what others said.

    Attributes:
        path: of the CSV.
        rows: the reviewer's, by the names of the images.
        others: rows of all other reviewers.
    """

    def __init__(
        self,
        folder: Path,
        reviewer: str,
        schema: Ruled,
        read: Callable[[Path], pl.DataFrame],
        write: Callable[[pl.DataFrame, Path], None],
    ) -> None:
        """Read the folder, and keep other processes from being the same reviewer.

        Args:
            folder: of the files.
            reviewer: a name that is fit for a file.
            schema: of the file.
            read: gives all rows of a folder, with the column reviewer.
            write: writes rows to a path.

        Raises:
            UserError: another process has this file open for its reviewer; or as ``read``.
        """
        self.path = folder / f"{reviewer}.csv"
        self._reviewer, self._schema, self._read, self._write = reviewer, schema, read, write
        self._lock = _locked(self.path, reviewer)
        self._undo: list[_Before] = []
        self._content: bytes | None = None
        self._is_ours = False
        self.rows: dict[Key, Row] = {}
        self.others = pl.DataFrame()
        self._load()

    def close(self) -> None:
        """Let other processes be this reviewer."""
        os.close(self._lock)

    def refresh(self) -> bool:
        """Read the folder again if the reviewer's own file was changed; say whether it was.

        What came before can then not be undone: it would take the others' change back with it.

        Raises:
            UserError: it is no file of verdicts any more.
            OSError: it cannot be read.
        """
        if _bytes_of(self.path) == self._content:
            return False
        self._load()
        self._undo.clear()
        return True

    def put(self, changes: Mapping[Key, Row], about: Any = None) -> None:
        """Add or replace rows, and write the file.

        Args:
            changes: rows by their key.
            about: given back when this is undone.

        Raises:
            OSError: it cannot be written; rows and file are as before.
        """
        before = _Before(
            {key: self.rows.get(key) for key in changes},
            None if self._is_ours else self._content,
            self._content is not None,
            about,
        )
        self._save({**self.rows, **changes})
        self._undo.append(before)

    def can_undo(self) -> bool:
        """Say whether there is something to undo."""
        return bool(self._undo)

    def last_change(self) -> list[Key]:
        """Give the keys of the rows that ``undo`` would bring back.

        Raises:
            IndexError: there is nothing to undo.
        """
        return list(self._undo[-1].rows)

    def undo(self) -> Any:
        """Bring rows and file back as they were before the last ``put``; give what that was about.

        Raises:
            IndexError: there was none.
            OSError: the file cannot be written; all is as before.
        """
        before = self._undo[-1]
        rows = {key: row for key, row in self.rows.items() if key not in before.rows}
        rows |= {key: row for key, row in before.rows.items() if row is not None}
        if not before.existed:
            self.path.unlink(missing_ok=True)
            self.rows, self._content, self._is_ours = rows, None, False
        elif before.content is not None:
            write_bytes(self.path, before.content)
            self.rows, self._content, self._is_ours = rows, before.content, False
        else:
            self._save(rows)
        return self._undo.pop().about

    def _save(self, rows: dict[Key, Row]) -> None:
        self._write(pl.DataFrame(list(rows.values()), schema=dict(self._schema)), self.path)
        self.rows, self._content, self._is_ours = rows, self.path.read_bytes(), True

    def _load(self) -> None:
        content = _bytes_of(self.path)
        read = self._read(self.path.parent)
        own = read.filter(pl.col("reviewer") == self._reviewer).drop("reviewer")
        self.others = read.filter(pl.col("reviewer") != self._reviewer)
        self.rows = {tuple(row[name] for name in self._schema.unique): row for row in own.iter_rows(named=True)}
        self._content, self._is_ours = content, False


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _locked(path: Path, reviewer: str) -> int:
    """Give an open file whose lock is this process's, gone with it; where the file system has no locks, without one.

    It is not beside the verdicts: their folder is what DVC and git look at.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    descriptor = os.open(LOCKS / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"another review of {reviewer} is open ({path}): use its page, end it by Ctrl-C, or take another name by "
            'ARGS="--reviewer NAME"'
        ) from None
    except OSError:  # a file system without locks: what another process writes is found before it is written over
        pass
    return descriptor
