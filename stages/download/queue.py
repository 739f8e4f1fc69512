"""What waits to be asked of one host, and what comes next."""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from stages.download.forbidden import ROW, Forbidden
from stages.download.hosts import Host
from stages.download.wanted import ROUTES

NEVER = math.inf
CONTROL = "control"  # the route of a request that only shows whether a host still answers


@dataclass
class Job:
    """An image to ask for.

    Attributes:
        image_name: its name in the cache.
        urls: by route, those that may be asked.
        route: which of them is asked now.
        url: what is asked now: that of the route, or where it redirected to.
        failures: of this route that may pass, in all runs.
        throttled: times that its host wanted a pause, in this run.
        hops: redirects followed.
        suspect: whether it said 403 in what looked like a ban.
    """

    image_name: str
    urls: dict[str, str]
    route: str
    url: str
    failures: int = 0
    throttled: int = 0
    hops: int = 0
    suspect: bool = False

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> "Job":
        """Make a job of a row of ``missing_images``."""
        urls = {route: row[route] for route in ROUTES if row[route] is not None}
        return cls(row["image_name"], urls, row["route"], urls[row["route"]], row["failures"])


class Later:
    """Jobs that wait for a moment each, the earliest first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._heap: list[tuple[float, int, Job]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, job: Job, not_before_s: float) -> None:
        """Let a job wait."""
        heapq.heappush(self._heap, (not_before_s, next(self._order), job))

    def next_s(self) -> float:
        """Say from when on there is one; ``NEVER`` without any."""
        return self._heap[0][0] if self._heap else NEVER

    def take(self) -> Job:
        """Give the earliest."""
        return heapq.heappop(self._heap)[2]

    def empty(self) -> list[Job]:
        """Give all."""
        jobs = [job for _, _, job in sorted(self._heap)]
        self._heap.clear()
        return jobs


@dataclass
class HostQueue:
    """A host, the threads that ask it, and the images that wait for it.

    Attributes:
        host: its limits and pauses.
        threads: carry out its requests.
        fresh: images that this run has not asked for, in the order that helps most.
        granted: so many of ``fresh`` this run may still ask for, see stages/download/quota.py.
        taken: so many of them it has asked for.
        first: go on here at another route or after a redirect.
        again: wait for another try.
        suspects: said 403 in what looked like a ban.
        forbidden: the 403 about which nobody knows yet.
        sent_url: of an image that the host has sent, if it has: what it answers tells a ban from photos that are gone.
        given_up: asked no more in this run.
        unreachable: why nothing gets to the host, as the last request said.
    """

    host: Host
    threads: ThreadPoolExecutor
    fresh: Iterator[Job]
    granted: int = 0
    taken: int = 0
    first: deque[Job] = field(default_factory=deque)
    again: Later = field(default_factory=Later)
    suspects: Later = field(default_factory=Later)
    forbidden: Forbidden[Job] = field(default_factory=Forbidden)
    sent_url: str = ""
    given_up: bool = False
    unreachable: str = ""

    def take(self, now_s: float) -> Job | None:
        """Give the next image to ask for; ``None`` while none may be."""
        if self.next_s(now_s) > now_s:
            return None
        if self._asks_control(now_s):
            return Job("", {}, CONTROL, self.sent_url)
        if self.first:
            return self.first.popleft()
        if self.granted:
            self.granted -= 1
            self.taken += 1
            return next(self.fresh)
        return (self.again if self.again.next_s() <= now_s else self.suspects).take()

    def next_s(self, now_s: float) -> float:
        """Say from when on there is something to ask for; ``NEVER`` where nothing waits, or only for an answer."""
        if self.given_up:
            return NEVER
        others_s = now_s if self.first or self.granted else self.again.next_s()
        suspects_s = self.suspects.next_s()
        if suspects_s <= now_s and self._row_is_full() and self.host.in_flight:
            suspects_s = NEVER
        next_s = min(others_s, suspects_s)
        return now_s if next_s == NEVER and self._last_row_needs_control() else max(now_s, next_s)

    def empty(self) -> list[Job]:
        """Give all that waits and has been asked before, and let nothing wait any more."""
        waiting = [*self.first, *self.again.empty(), *self.suspects.empty(), *self.forbidden.empty()]
        self.first.clear()
        self.granted = 0
        return waiting

    def has_a_last_row(self) -> bool:
        """Say whether nothing waits or is under way that could tell what the 403 that came are of."""
        if not self.forbidden:
            return False
        waits = self.first or self.granted or self.again or self.suspects or self.host.in_flight
        return self.given_up or not waits

    def last_403_is_final(self) -> bool:
        """Say whether a last row is one 403 alone, of a photo that has not said it before."""
        return [job.suspect for job in self.forbidden] == [False]

    def _last_row_needs_control(self) -> bool:
        return bool(self.sent_url) and self.has_a_last_row() and not self.last_403_is_final()

    def _row_is_full(self) -> bool:
        """Say whether a suspect more could leave it open what the 403 are of, and a control can tell."""
        return bool(self.sent_url) and len(self.forbidden) + self.host.in_flight >= ROW - 1

    def _asks_control(self, now_s: float) -> bool:
        """Say whether the next request asks for what the host has sent before.

        After a pause for 403, every second time: a photo that has gone meanwhile would say for ever that the ban goes
        on. Between suspects. And where nothing else is left to ask.
        """
        if not self.sent_url:
            return False
        others = bool(self.first or self.granted or self.again.next_s() <= now_s)
        if self.host.strikes:
            return self.forbidden.pauses > 0 and (not others or self.forbidden.pauses % 2 == 0)
        if others:
            return False
        return self._row_is_full() if self.suspects.next_s() <= now_s else self._last_row_needs_control()
