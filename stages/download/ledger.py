"""What was asked of whom, and what came of it: a small SQLite file beside the images.

It is why a download can be killed at any time and go on: it holds the refusals, the tries, the pauses that hosts asked
for and the bytes that came from each. Deleting it forgets all that, the allowances of the day among it.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.cache.database import DamagedError, Database
from stages.download.hosts import DAY_S, MINUTE_S
from stages.runtime.errors import UserError

LEDGER_NAME = ".downloads.sqlite"
HISTORY = {
    "image_name": pl.String,
    "route": pl.String,  # where the next try is to ask, see stages/download/wanted.py
    "failures": pl.Int64,  # of that route, that may pass
    "interrupted": pl.Int64,  # requests that were under way when a run was killed
    "reason": pl.String,
    "refused": pl.Int64,  # 1: for good
}

_VERSION = 2
_MIGRATIONS = {1: "ALTER TABLE hosts ADD COLUMN sent_url TEXT NOT NULL DEFAULT ''"}
# asking: the host of a request under way, or null.
_SCHEMA = """
CREATE TABLE images (
    image_name TEXT PRIMARY KEY, route TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', refused INTEGER NOT NULL DEFAULT 0,
    asking TEXT
) WITHOUT ROWID;
CREATE INDEX images_being_asked ON images (asking) WHERE asking IS NOT NULL;
CREATE TABLE placeholders (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE hosts (
    host TEXT PRIMARY KEY, paused_until_s REAL NOT NULL DEFAULT 0, strikes INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '', images INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    sent_url TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE traffic (host TEXT, minute INTEGER, bytes INTEGER NOT NULL, PRIMARY KEY (host, minute)) WITHOUT ROWID;
"""


class HostRecord(NamedTuple):
    """What is remembered of a host: its pause, the sound images that it has sent, and the URL of the last of them."""

    paused_until_s: float = 0.0
    strikes: int = 0
    why: str = ""
    images: int = 0
    bytes: int = 0
    sent_url: str = ""


class Ledger(Database):
    """The tables of requests and answers of one cache."""

    # It is not made anew unasked, as it keeps hosts from being asked too much.
    ADVICE = "delete it a day from now, as only it knows what came from each host"

    def __init__(self, directory: Path, *, look_only: bool = False) -> None:
        """Open the ledger of a cache.

        Args:
            directory: the cache.
            look_only: change no byte in it: the ledger, which must be there, is copied into memory.

        Raises:
            UserError: it is damaged.
        """
        path = directory / LEDGER_NAME
        try:
            super().__init__(None if look_only else path, _SCHEMA, _VERSION, _MIGRATIONS)
            if look_only:
                self.take_over(path)
        except DamagedError as error:
            raise UserError(f"{path} cannot be used ({error}): {self.ADVICE}") from None

    def settle_interrupted(self, now_s: float, largest_bytes: int) -> None:
        """Count what was under way when the last run was killed: as tried, and as the largest image each.

        Nobody knows how much of it came, and the allowances must hold.
        """
        with self.transaction():
            for host, requests in self.execute(
                "SELECT asking, count(*) FROM images WHERE asking IS NOT NULL GROUP BY asking"
            ):
                self.count_traffic(host, now_s, requests * largest_bytes)
            self.execute("UPDATE images SET interrupted = interrupted + 1, asking = NULL WHERE asking IS NOT NULL")

    def history(self) -> pl.DataFrame:
        """Give what is known of images that are not stored: columns of ``HISTORY``."""
        rows = self.execute(f"SELECT {', '.join(HISTORY)} FROM images")
        return pl.DataFrame(rows, schema=HISTORY, orient="row")

    def ask(self, image_name: str, route: str, host: str) -> None:
        """Note that a request is about to start."""
        self.execute(
            "INSERT INTO images (image_name, route, asking) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET route = excluded.route, asking = excluded.asking",
            [image_name, route, host],
        )

    def leave(self, image_name: str, route: str, failures: int, reason: str, *, refused: bool = False) -> None:
        """Note what came of a request that stored nothing: where the next one is to go, or that there is none."""
        self.execute(
            "INSERT INTO images (image_name, route, failures, reason, refused) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO "
            "UPDATE SET route = excluded.route, failures = excluded.failures, reason = excluded.reason, "
            "refused = excluded.refused, asking = NULL",
            [image_name, route, failures, reason, refused],
        )

    def stored(self, image_name: str) -> None:
        """Forget an image: it is in the cache, or is asked for no more."""
        self.execute("DELETE FROM images WHERE image_name = ?", [image_name])

    def forget_refusals(self, reasons: Iterable[str]) -> int:
        """Let images that were refused be asked for again, all or those of some reasons; give their number."""
        reasons = list(reasons)
        if not reasons or "placeholder" in reasons:
            self.execute("DELETE FROM placeholders")
        which = f"AND reason IN ({', '.join('?' * len(reasons))})" if reasons else ""
        return len(self.execute(f"DELETE FROM images WHERE refused {which} RETURNING image_name", reasons))

    def add_placeholder(self, sha256: str) -> None:
        """Note the digest of what a host sends in place of an image."""
        self.execute("INSERT OR IGNORE INTO placeholders VALUES (?)", [sha256])

    def is_placeholder(self, sha256: str) -> bool:
        """Say whether a digest is known to be that of a placeholder."""
        return bool(self.execute("SELECT 1 FROM placeholders WHERE sha256 = ?", [sha256]))

    def hosts(self) -> dict[str, HostRecord]:
        """Give what is remembered of each host."""
        rows = self.execute("SELECT host, paused_until_s, strikes, why, images, bytes, sent_url FROM hosts")
        return {host: HostRecord(*values) for host, *values in rows}

    def pause(self, host: str, until_s: float, strikes: int, why: str) -> None:
        """Note the pause of a host, or by zeros that it has ended."""
        self.execute(
            "INSERT INTO hosts (host, paused_until_s, strikes, why) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "paused_until_s = excluded.paused_until_s, strikes = excluded.strikes, why = excluded.why",
            [host, until_s, strikes, why],
        )

    def count_image(self, host: str, size: int, url: str) -> None:
        """Count a sound image of so many bytes: it tells what the next ones will weigh."""
        self.execute(
            "INSERT INTO hosts (host, images, bytes, sent_url) VALUES (?, 1, ?, ?) ON CONFLICT DO UPDATE SET "
            "images = images + 1, bytes = bytes + excluded.bytes, sent_url = excluded.sent_url",
            [host, size, url],
        )

    def count_traffic(self, host: str, now_s: float, size: int) -> None:
        """Count bytes that came from a host."""
        self.execute(
            "INSERT INTO traffic VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
            [host, int(now_s // MINUTE_S), size],
        )

    def traffic(self, now_s: float) -> dict[str, list[tuple[int, int]]]:
        """Give (minute, bytes) of the last day by host, in order; older ones are dropped."""
        self.execute("DELETE FROM traffic WHERE minute < ?", [(now_s - DAY_S) // MINUTE_S - 1])
        # What a clock that was ahead has noted counts as of now.
        ahead = self.execute("DELETE FROM traffic WHERE minute > ? RETURNING host, bytes", [now_s // MINUTE_S])
        for host, size in ahead:
            self.count_traffic(host, now_s, size)
        traffic = defaultdict(list)
        for host, minute, size in self.execute("SELECT host, minute, bytes FROM traffic ORDER BY host, minute"):
            traffic[host].append((minute, size))
        return traffic
