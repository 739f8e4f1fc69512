"""Looking at something now and then that may take long, or never answer: a file system that hangs, a driver."""

import time
from collections.abc import Callable
from threading import Thread
from typing import Generic, TypeVar

Seen = TypeVar("Seen")

SHARE = 0.02  # of the time is spent on looking at one thing, at the most
SLOW_S = 3.0  # without an answer: then it is told


class Look(Generic[Seen]):
    """The last that was seen of something. Each look is a thread of its own, one at a time, so nobody waits for it.

    Attributes:
        what: is looked at, in words.
        seen: the last time; ``None`` before the first.
        trouble: why the last look saw nothing; empty where it did.
    """

    def __init__(self, what: str, see: Callable[[], Seen], *, every_s: float = 0.0) -> None:
        """Begin with nothing seen.

        Args:
            what: is looked at, in words.
            see: looks; what it raises is told.
            every_s: so long nobody looks again; longer after a look that took long, see ``SHARE``.
        """
        self.what, self.seen, self.trouble = what, None, ""
        self.seen: Seen | None
        self._see, self._every_s = see, every_s
        self._thread: Thread | None = None
        self._began_s, self._next_s = 0.0, 0.0

    def begin(self) -> None:
        """Look, if it is time to and the last look has ended."""
        if self._thread and self._thread.is_alive():
            return
        if time.monotonic() >= self._next_s:
            self._began_s = time.monotonic()
            self._thread = Thread(target=self._run, daemon=True)
            self._thread.start()

    def wait(self, until_s: float) -> None:
        """Wait until the look under way has ended, or until then by ``time.monotonic``."""
        if self._thread:
            self._thread.join(max(0.0, until_s - time.monotonic()))

    def complaint(self) -> str:
        """Say why what was seen is old, or nothing; empty where all is well."""
        if self._thread and self._thread.is_alive():
            waited_s = time.monotonic() - self._began_s
            return f"{self.what}: no answer for {waited_s:.0f} s" if waited_s >= SLOW_S else ""
        return f"{self.what}: {self.trouble}" if self.trouble else ""

    def _run(self) -> None:
        try:
            self.seen, self.trouble = self._see(), ""
        except Exception as error:  # whatever it is: a screen shall stay
            self.trouble = f"{getattr(error, 'strerror', None) or error or type(error).__name__}"
        took_s = time.monotonic() - self._began_s
        self._next_s = time.monotonic() + max(self._every_s, took_s / SHARE)
