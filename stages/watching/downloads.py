"""How the download goes, host by host, by the ledger beside the images."""

from pathlib import Path
from typing import NamedTuple

from stages.cache.looking import looking_into
from stages.download.hosts import DAY_S, HOUR_S, MINUTE_S
from stages.download.ledger import LEDGER_NAME

RECENT_MINUTES = 5  # by which the present speed is told


class HostTraffic(NamedTuple):
    """What is known of a host.

    Attributes:
        host: its name.
        paused_until_s: in seconds since 1970; 0 where it was never paused.
        why: it pauses.
        images: sound ones that it has sent, ever.
        recent_bytes: of the last ``RECENT_MINUTES``.
        hour_bytes: of the last hour.
        day_bytes: of the last day.
    """

    host: str
    paused_until_s: float
    why: str
    images: int
    recent_bytes: int
    hour_bytes: int
    day_bytes: int


class Downloads(NamedTuple):
    """What the ledger says.

    Attributes:
        hosts: those that sent something in the last day, or are paused.
        refused: images that were refused for good, by reason, the commonest first.
        to_try_again: images whose last try failed.
    """

    hosts: list[HostTraffic]
    refused: dict[str, int]
    to_try_again: int


def read_ledger(directory: Path, now_s: float) -> Downloads | None:
    """Ask the ledger of a cache; ``None`` where nothing was ever downloaded.

    Raises:
        OSError, sqlite3.Error: it cannot be read now.
    """
    path = directory / LEDGER_NAME
    if not path.is_file():
        return None
    minute = int(now_s // MINUTE_S)
    since = [minute - RECENT_MINUTES, minute - HOUR_S // MINUTE_S, minute - DAY_S // MINUTE_S]
    with looking_into(path) as connection:
        # A host may have sent something and have no other entry, or the other way round.
        rows = connection.execute(
            "SELECT host, max(paused_until_s), max(why), max(images), max(recent), max(hour), max(day) FROM ("
            "SELECT host, paused_until_s, why, images, 0 AS recent, 0 AS hour, 0 AS day FROM hosts UNION ALL "
            "SELECT host, 0, '', 0, sum(bytes * (minute > ?)), sum(bytes * (minute > ?)), sum(bytes * (minute > ?)) "
            "FROM traffic GROUP BY host) GROUP BY host ORDER BY host",
            since,
        )
        hosts = [HostTraffic(*row) for row in rows]
        left = connection.execute(
            "SELECT refused, reason, count(*) FROM images WHERE refused OR failures GROUP BY refused, reason"
        ).fetchall()
    refused = {reason: number for is_refused, reason, number in left if is_refused}
    return Downloads(
        [host for host in hosts if host.day_bytes or host.paused_until_s > now_s],
        dict(sorted(refused.items(), key=lambda entry: (-entry[1], entry[0]))),
        sum(number for is_refused, _, number in left if not is_refused),
    )
