"""When a host may be asked again: its rate, its allowances of bytes, and the pauses that it asks for.

All of it is arithmetic on a time that is handed in (seconds since 1970), so that it can be tested without waiting.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence

from stages.config.schema import HostLimits

HOUR_S, DAY_S = 3_600, 86_400
MINUTE_S = 60
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1, DAY_S  # of what a Retry-After may ask for
FAILURES_TO_PAUSE = 5  # in a row: then the host is down or refuses in disguise, and pauses as after a 429


class Allowance:
    """Bytes that may come within any window of so many seconds; they are counted by the minute."""

    def __init__(self, limit_bytes: float, window_s: int) -> None:
        self.limit_bytes = limit_bytes
        self._window_s = window_s
        self._minutes: deque[tuple[int, int]] = deque()
        self._used_bytes = 0

    def add(self, minute: int, size: int) -> None:
        """Count bytes of a minute since 1970; minutes come in order."""
        if self._minutes and self._minutes[-1][0] == minute:
            size_before = self._minutes.pop()[1]
            self._minutes.append((minute, size_before + size))
        else:
            self._minutes.append((minute, size))
        self._used_bytes += size

    def used_bytes(self, now_s: float) -> int:
        """Give the bytes that still count."""
        while self._minutes and self._ends_s(self._minutes[0][0]) <= now_s:
            self._used_bytes -= self._minutes.popleft()[1]
        return self._used_bytes

    def free_at_s(self, now_s: float, size: int) -> float:
        """Say from when on ``size`` more bytes fit, if none come meanwhile; infinity where they never do."""
        over = self.used_bytes(now_s) + size - self.limit_bytes
        for minute, counted in self._minutes:
            if over <= 0:
                break
            over -= counted
            now_s = self._ends_s(minute)
        return now_s if over <= 0 else math.inf

    def _ends_s(self, minute: int) -> float:
        """Say when the last byte of a minute leaves the window."""
        return (minute + 1) * MINUTE_S + self._window_s


class Host:
    """One host: what it is being asked, and when it may be asked for more."""

    def __init__(self, limits: HostLimits, *, largest_bytes: int, pauses_s: Sequence[float]) -> None:
        """Begin with a host that has never been asked; ``largest_bytes`` is set aside for each request under way."""
        self.limits = limits
        self.in_flight = 0
        self.paused_until_s = 0.0
        self.strikes = 0  # pauses in a row, without an answer between them
        self.why = ""
        self._largest_bytes = largest_bytes
        self._pauses_s = pauses_s
        self._failures = 0  # in a row
        self._next_start_s = 0.0
        self._allowances = {
            name: Allowance(round(allowed_gb * 1e9), window_s)
            for name, allowed_gb, window_s in (
                ("hour", limits.gb_an_hour, HOUR_S),
                ("day", limits.gb_a_day, DAY_S),
            )
            if allowed_gb is not None
        }

    def restore(
        self, paused_until_s: float, strikes: int, why: str, traffic: Iterable[tuple[int, int]], now_s: float
    ) -> None:
        """Take over what an earlier run left behind; ``traffic`` holds (minute, bytes) in order."""
        # Whatever the clock did meanwhile, no pause is longer than the longest.
        self.paused_until_s = min(paused_until_s, now_s + LONGEST_PAUSE_S)
        self.strikes, self.why = strikes, why
        for minute, size in traffic:
            self._count(minute, size)

    def ready_at_s(self, now_s: float) -> float:
        """Say from when on the next request may start; infinity means: when one under way has ended."""
        # After a pause one request tries whether it is over.
        if self.in_flight >= (1 if self.strikes else self.limits.concurrent):
            return math.inf
        needed = (self.in_flight + 1) * self._largest_bytes
        free_s = max((entry.free_at_s(now_s, needed) for entry in self._allowances.values()), default=now_s)
        if free_s > now_s and self.in_flight:
            return math.inf
        return max(now_s, self._next_start_s, self.paused_until_s, free_s)

    def start(self, now_s: float) -> None:
        """Count a request that starts."""
        self.in_flight += 1
        if self.limits.requests_per_s is not None:
            self._next_start_s = max(now_s, self._next_start_s) + 1 / self.limits.requests_per_s

    def end(self, now_s: float, size: int) -> None:
        """Count a request that has ended, and the bytes that came."""
        self.in_flight -= 1
        self._count(int(now_s // MINUTE_S), size)

    def answered(self, started_s: float) -> bool:
        """Take note of a proper answer, be it an image or a 404; say whether it ends a time of pauses."""
        self._failures = 0
        if not self.strikes or started_s < self.paused_until_s:
            return False
        self.strikes, self.why = 0, ""
        return True

    def failed(self, now_s: float, started_s: float, reason: str) -> bool:
        """Take note of a failure that may pass; say whether the host pauses for it."""
        self._failures += 1
        # Where the last pause brought no answer, one more failure shows that it was too short.
        pauses = self.strikes or self._failures >= FAILURES_TO_PAUSE
        return bool(pauses) and self.throttled(now_s, started_s, None, reason)

    def throttled(self, now_s: float, started_s: float, retry_after_s: float | None, reason: str) -> bool:
        """Take note that the host wants a pause; say whether this is a new one.

        A request that had started before the pause under way did not know of it: it may lengthen the pause by what
        its Retry-After says, and is no strike of its own.
        """
        asked_s = None if retry_after_s is None else min(max(retry_after_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        if started_s < self.paused_until_s:
            if asked_s is not None:
                self.paused_until_s = max(self.paused_until_s, now_s + asked_s)
            return False
        pause_s = self._pauses_s[min(self.strikes, len(self._pauses_s) - 1)] if asked_s is None else asked_s
        self.paused_until_s, self.why = now_s + pause_s, reason
        self.strikes += 1
        self._failures = 0
        return True

    def used_up(self, now_s: float) -> str | None:
        """Name the allowance (``hour``, ``day``) that keeps the host from being asked now, if one does."""
        needed = self._largest_bytes
        blocking = [name for name, entry in self._allowances.items() if entry.free_at_s(now_s, needed) > now_s]
        return blocking[-1] if blocking else None

    def _count(self, minute: int, size: int) -> None:
        if size:
            for allowance in self._allowances.values():
                allowance.add(minute, size)
