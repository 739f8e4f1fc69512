"""The time of a download, waiting in it, and how a moment is said to people."""

import time
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")


class Clock(Protocol):
    """The time, and waiting for an answer."""

    def now_s(self) -> float:
        """Give the time in seconds since 1970."""
        ...

    def wait(self, answers: "SimpleQueue[Answer]", seconds: float, *, busy: bool) -> "Answer | None":
        """Give the next answer, or ``None`` after so many seconds; ``busy`` says whether one can come."""


class SystemClock:
    """The time of this machine as it was when the clock was made, and what has passed since.

    Whoever sets the machine's clock meanwhile makes no wait longer or shorter.
    """

    def __init__(self) -> None:
        self._zero_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        """Give the time in seconds since 1970."""
        return self._zero_s + time.monotonic()

    def wait(self, answers: "SimpleQueue[Answer]", seconds: float, *, busy: bool) -> "Answer | None":
        """Wait for an answer, so many seconds at the most."""
        try:
            return answers.get(timeout=max(seconds, 0.001))
        except Empty:
            return None


def clock_time(moment_s: float, now_s: float) -> str:
    """Give the time of day as a clock here shows it, with its day where that is not today: ``Mon 30 Nov 11:20:05``."""
    moment, now = time.localtime(moment_s), time.localtime(now_s)
    same_day = moment[:3] == now[:3]
    return time.strftime("%H:%M:%S" if same_day else "%a %d %b %H:%M:%S", moment)
