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
        source = self._next_source(now_s)
        if source is None:
            return None
        if source == CONTROL:
            return Job("", {}, CONTROL, self.sent_url)
        if source == "suspects":
            return self.suspects.take()
        if self.first:
            return self.first.popleft()
        if self.granted:
            self.granted -= 1
            self.taken += 1
            return next(self.fresh)
        return self.again.take()

    def next_s(self, now_s: float) -> float:
        """Say from when on there is something to ask for; ``NEVER`` where nothing waits, or only for an answer."""
        if self.given_up:
            return NEVER
        if self._next_source(now_s) is not None:
            return now_s
        moments_s = (later.next_s() for later in (self.again, self.suspects))
        return min((moment_s for moment_s in moments_s if moment_s > now_s), default=NEVER)

    def _next_source(self, now_s: float) -> str | None:
        """Say what is asked next: ``others`` (no suspects), ``suspects``, or what the host has sent before.

        That last one after a pause for 403, where a suspect has said it again: but only every second time, as a photo
        that has gone meanwhile would say for ever that the ban goes on. Between suspects. And where nothing else is
        left to ask, to tell what the last 403 are of.
        """
        if self.given_up:
            return None
        others = bool(self.first or self.granted or self.again.next_s() <= now_s) and "others"
        suspects = self.suspects.next_s() <= now_s and "suspects"
        control = bool(self.sent_url) and CONTROL
        if self.host.strikes and self.forbidden.pauses:
            if not self.forbidden:
                return suspects or others or None
            return (self.forbidden.pauses % 2 and control) or others or control or suspects or None
        if others:
            return others
        if suspects and control and len(self.forbidden) + self.host.in_flight >= ROW - 1:
            return None if self.host.in_flight else control  # one suspect more could leave it open what they are of
        if suspects:
            return suspects
        return control if control and self.has_a_last_row() and not self.last_403_is_final() else None

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
        """Say whether a last row is one 403 alone, of a photo that has not said it before, and of no ban."""
        is_suspect = any(job.suspect for job in self.forbidden)
        return not self.host.strikes and self.forbidden.is_one_alone() and not is_suspect
