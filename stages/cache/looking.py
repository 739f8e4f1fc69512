"""Looking into a SQLite file that another process may write to, so that it does not notice."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

AT_MOST_S = 10.0  # for all that is asked at once
_BETWEEN_CHECKS = 100_000  # of SQLite's instructions


@contextmanager
def looking_into(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file in WAL mode for a few short questions.

    Nothing is made, changed or waited for, and no writer waits: a reader in WAL mode sees the last whole transaction.
    ``readonly_shm`` keeps SQLite from writing to, or making, the file that connections share. Where no writer has left
    a log there is nothing to share, and ``immutable`` takes no lock at all.

    Raises:
        sqlite3.Error: it is no such file, damaged, busy in a way that only a writer can mend, or asked for too long.
    """
    log = path.with_name(f"{path.name}-wal")
    how = "mode=ro&readonly_shm=1" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    until_s = time.monotonic() + AT_MOST_S
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        connection.execute("PRAGMA temp_store = MEMORY")  # sorting writes no file, either
        connection.set_progress_handler(lambda: time.monotonic() > until_s, _BETWEEN_CHECKS)
        yield connection
