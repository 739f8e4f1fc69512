"""The download itself: who is asked next, when, and what each answer leads to.

One thread decides everything and owns all state; others only carry out requests. So there is nothing to lock, and what
was decided stands in the ledger before a request starts and again when its answer has been dealt with: killed at any
moment, the next run goes on from there.
"""

import heapq
import math
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

import polars as pl

from stages.cache.eviction import Room
from stages.config.schema import Download
from stages.download.answer import Answer, Kind, retry_after_s
from stages.download.client import Client
from stages.download.hosts import Host
from stages.download.intake import Intake
from stages.download.ledger import HostRecord, Ledger
from stages.download.wanted import ROUTES, host_of

REDIRECTS = 5  # in a row
TICK_S = 1.0  # between two looks at the clock, also where nothing comes
NEVER = math.inf


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
    """

    image_name: str
    urls: dict[str, str]
    route: str
    url: str
    failures: int = 0
    throttled: int = 0
    hops: int = 0

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> "Job":
        """Make a job of a row of ``missing_images``."""
        urls = {route: row[route] for route in ROUTES if row[route] is not None}
        return cls(row["image_name"], urls, row["route"], urls[row["route"]], row["failures"])


class Outcome(NamedTuple):
    """What became of an image: ``stored``, ``refused`` for good, ``left`` for a later run, ``withdrawn`` again."""

    what: str
    image_name: str
    reason: str
    size: int = 0


class Clock(Protocol):
    """The time, and waiting for an answer."""

    def now_s(self) -> float:
        """Give the time in seconds since 1970."""
        ...

    def wait(self, answers: "SimpleQueue[Done]", seconds: float, *, busy: bool) -> "Done | None":
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

    def wait(self, answers: "SimpleQueue[Done]", seconds: float, *, busy: bool) -> "Done | None":
        """Wait for an answer, so many seconds at the most."""
        try:
            return answers.get(timeout=max(seconds, 0.001))
        except Empty:
            return None


class Done(NamedTuple):
    """A request that has ended."""

    job: Job
    host: str
    started_s: float
    answer: Answer | BaseException


WAKE_UP = Done(Job("", {}, "", ""), "", 0, InterruptedError())  # ends a wait, and is no answer


@dataclass
class HostQueue:
    """A host, the threads that ask it, and the images that wait for it."""

    host: Host
    threads: ThreadPoolExecutor
    fresh: Iterator[Job]  # in the order that helps most
    first: deque[Job] = field(default_factory=deque)  # go on at another route or after a redirect
    _again: list[tuple[float, int, Job]] = field(default_factory=list)  # not before a moment; a heap
    _order: Iterator[int] = field(default_factory=count)

    def ask_again(self, job: Job, not_before_s: float) -> None:
        """Let an image wait, for its moment and for all others."""
        heapq.heappush(self._again, (not_before_s, next(self._order), job))

    def take(self, now_s: float) -> Job | None:
        """Give the next image to ask for; ``None`` while none may be."""
        if self._fill_first():
            return self.first.popleft()
        return heapq.heappop(self._again)[2] if self._again and self._again[0][0] <= now_s else None

    def next_s(self, now_s: float) -> float:
        """Say from when on there is an image to ask for; ``NEVER`` where none waits."""
        if self._fill_first():
            return now_s
        return max(now_s, self._again[0][0]) if self._again else NEVER

    def _fill_first(self) -> bool:
        if not self.first:
            self.first.extend(job for job in [next(self.fresh, None)] if job is not None)
        return bool(self.first)


class Limits(NamedTuple):
    """When a run ends although there is more to ask for."""

    until_s: float = NEVER
    bytes: float = NEVER
    retries: bool = True  # whether to wait for another try of what failed

    def reached(self, now_s: float, received_bytes: int) -> str:
        """Name the limit that is reached: ``time`` or ``bytes``; nothing for none."""
        return "time" if now_s >= self.until_s else "bytes" if received_bytes >= self.bytes else ""


class Scheduler:
    """A run of the download."""

    def __init__(
        self,
        asked: pl.DataFrame,
        params: Download,
        *,
        ledger: Ledger,
        client: Client,
        intake: Intake,
        room: Room,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        """Prepare a run.

        Args:
            asked: the images to ask for, in order, as ``missing_images`` gives them; all of hosts that params name.
            params: section ``download``.
            ledger: of the cache.
            client: carries out the requests.
            intake: takes sound images into the cache.
            room: what the cache may still hold.
            clock: the time.
            tell: takes a line for the log.
        """
        self._params, self._ledger, self._client, self._intake = params, ledger, client, intake
        self._room, self._clock, self._tell = room, clock, tell
        self._answers: SimpleQueue[Done] = SimpleQueue()
        self._largest_bytes = int(params.max_image_mb * 1e6)
        self._in_flight = 0
        self.received_bytes = 0
        self.throttled_answers = 0
        self._retries = True
        self.pauses: dict[str, list[tuple[float, str]]] = {}  # of this run, by host: seconds and why
        self.ended_by = ""
        self._stopped = False  # set by a signal handler, at any moment, and by nothing else
        now_s = clock.now_s()
        remembered, traffic = ledger.hosts(), ledger.traffic(now_s)
        self._queues: dict[str, HostQueue] = {}
        for name, host_limits in params.hosts.items():
            host = Host(host_limits, largest_bytes=self._largest_bytes, pauses_s=params.pauses_s)
            record = remembered.get(name, HostRecord())
            host.restore(record.paused_until_s, record.strikes, record.why, traffic.get(name, ()), now_s)
            threads = ThreadPoolExecutor(host_limits.concurrent, thread_name_prefix=name)
            rows = asked.filter(pl.col("host") == name).iter_rows(named=True)
            self._queues[name] = HostQueue(host, threads, map(Job.of_row, rows))

    def run(self, limits: Limits) -> Generator[Outcome | None, None, None]:
        """Yield what becomes of each image, and ``None`` now and then while there is nothing to say.

        Ends when all is done, a limit is reached, or after ``stop``.

        Raises:
            OSError: the cache cannot be written to.
        """
        self._retries = limits.retries
        try:
            while True:
                now_s = self._clock.now_s()
                ended_by = self.ended_by or limits.reached(now_s, self.received_bytes)
                self.ended_by = "stopped" if self._stopped else ended_by
                wake_s = NEVER if self.ended_by else self._start_what_may(limits)
                if not self._in_flight:
                    if limits.until_s <= wake_s < NEVER:
                        self.ended_by = "time"  # nothing can start before the end
                    if self.ended_by or wake_s == NEVER:
                        return
                wait_s = min(max(wake_s - self._clock.now_s(), 0), TICK_S)
                done = self._clock.wait(self._answers, wait_s, busy=self._in_flight > 0)
                self._client.abort_overdue()
                if done is None or done is WAKE_UP:
                    yield None
                else:
                    yield from self._settle(done)
        finally:
            self._client.close()
            for queue in self._queues.values():
                queue.threads.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End the run: nothing more is asked, what is under way is cut, and what has come is still dealt with.

        To be called by a signal handler; it only leaves word.
        """
        self._stopped = True
        self._client.close()
        self._answers.put(WAKE_UP)

    def waiting(self) -> dict[str, tuple[Host, float]]:
        """Give by name the hosts that have images to be asked for, and from when on the next of these may be."""
        return {
            name: (queue.host, queue.next_s(0))
            for name, queue in self._queues.items()
            if queue.host.in_flight or queue.next_s(0) < NEVER
        }

    def host(self, name: str) -> Host:
        """Give a host by its name."""
        return self._queues[name].host

    def _start_what_may(self, limits: Limits) -> float:
        """Start all requests that may start now; say when the next one may (``NEVER``: only after an answer)."""
        next_s = NEVER
        for name, queue in self._queues.items():
            while True:
                now_s = self._clock.now_s()
                ready_s = max(queue.host.ready_at_s(now_s), queue.next_s(now_s))
                if ready_s > now_s:
                    next_s = min(next_s, ready_s)
                    break
                if not self._room.has((self._in_flight + 1) * self._largest_bytes):
                    self.ended_by = "cache_full"
                    return NEVER
                self._start(name, queue, now_s)
                if self.received_bytes + self._in_flight * self._largest_bytes >= limits.bytes:
                    return NEVER  # not to overshoot; the answers tell whether there is room for more
        return next_s

    def _start(self, name: str, queue: HostQueue, now_s: float) -> None:
        job = queue.take(now_s)
        if job is None:
            raise RuntimeError(f"{name} has nothing to ask for")
        self._ledger.ask(job.image_name, job.route, name)
        queue.host.start(now_s)
        self._in_flight += 1
        queue.threads.submit(self._carry_out, job, name, queue.host, now_s)

    def _carry_out(self, job: Job, name: str, host: Host, started_s: float) -> None:
        """Ask, in a thread of the host."""
        try:
            answer: Answer | BaseException = self._client.ask(job.url, host.limits, job.image_name)
        except BaseException as error:  # raised again by the thread that decides
            answer = error
        self._answers.put(Done(job, name, started_s, answer))

    def _settle(self, done: Done) -> list[Outcome]:
        """Deal with an answer, all of it in the ledger or nothing."""
        self._in_flight -= 1
        if isinstance(done.answer, BaseException):
            raise done.answer
        with self._ledger.transaction():
            return list(self._lead_on(done, done.answer))

    def _lead_on(self, done: Done, answer: Answer) -> Iterator[Outcome]:
        job, now_s = done.job, self._clock.now_s()
        host = self._queues[done.host].host
        host.end(now_s, answer.size)
        self.received_bytes += answer.size
        if answer.size:
            self._ledger.count_traffic(done.host, now_s, answer.size)
        if answer.kind in (Kind.IMAGE, Kind.REDIRECT, Kind.FINAL) and host.answered(done.started_s):
            self._ledger.pause(done.host, 0, 0, "")
            self._tell(f"{done.host}: answers again")

        if answer.kind is Kind.IMAGE:
            yield from self._take(job, done.host, answer, now_s)
        elif answer.kind is Kind.REDIRECT:
            yield from self._redirect(job, answer.location)
        elif answer.kind is Kind.THROTTLED:
            yield from self._throttle(job, done, answer, now_s)
        elif answer.kind is Kind.PASSING:
            yield from self._fail(job, done, answer, now_s)
        elif answer.kind is Kind.FINAL:
            yield from self._refuse(job, answer.reason)
        else:
            self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)

    def _take(self, job: Job, host: str, answer: Answer, now_s: float) -> Iterator[Outcome]:
        taken = self._intake.take(job.image_name, answer, now_s)
        if taken.stored:
            self._ledger.count_image(host, answer.size)
            yield Outcome("stored", job.image_name, answer.reason, answer.size)
            return
        yield from self._refuse(job, "placeholder")
        yield from (Outcome("withdrawn", name, "placeholder") for name in taken.withdrawn)

    def _redirect(self, job: Job, location: str) -> Iterator[Outcome]:
        """Ask where the host points to, by the rules of the host there."""
        job.hops += 1
        target = host_of(location)
        if job.hops > REDIRECTS:
            yield from self._refuse(job, "too_many_redirects")
        elif target not in self._queues:
            yield from self._refuse(job, "redirect_not_allowed")
        else:
            job.url = location
            self._ledger.leave(job.image_name, job.route, job.failures, "redirected")
            self._queues[target].first.append(job)

    def _throttle(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Let the host rest; the image is asked for again, after the others."""
        self.throttled_answers += 1
        wait_s = retry_after_s(answer.retry_after, now_s)
        host = self._queues[done.host].host
        self._note_pause(done.host, begins=host.throttled(now_s, done.started_s, wait_s, answer.reason))
        job.throttled += 1
        self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)
        if job.throttled < self._params.tries:
            self._ask_again(job, now_s)
        else:
            yield Outcome("left", job.image_name, answer.reason)

    def _fail(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Try again later, as often as params allow; then go on as if there were no image."""
        host = self._queues[done.host].host
        self._note_pause(done.host, begins=host.failed(now_s, done.started_s, answer.reason))
        job.failures += 1
        if job.failures >= self._params.tries:
            yield from self._refuse(job, answer.reason)
            return
        self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)
        if not self._retries:
            yield Outcome("left", job.image_name, answer.reason)
            return
        pauses_s = self._params.pauses_s
        self._ask_again(job, now_s + pauses_s[min(job.failures, len(pauses_s)) - 1])

    def _refuse(self, job: Job, reason: str) -> Iterator[Outcome]:
        """Go on with the next route that may be asked; without one, the image is refused for good."""
        for route in ROUTES[ROUTES.index(job.route) + 1 :]:
            target = host_of(job.urls[route]) if route in job.urls else None
            if target in self._queues and job.urls[route] != job.urls[job.route]:
                job.route, job.url, job.failures, job.hops = route, job.urls[route], 0, 0
                self._ledger.leave(job.image_name, route, 0, reason)
                self._queues[target].first.append(job)
                return
        self._ledger.leave(job.image_name, job.route, job.failures, reason, refused=True)
        yield Outcome("refused", job.image_name, reason)

    def _ask_again(self, job: Job, not_before_s: float) -> None:
        job.url, job.hops = job.urls[job.route], 0
        target = host_of(job.url)
        if target is None:
            raise RuntimeError(f"asked for what is never asked for: {job.url}")
        self._queues[target].ask_again(job, not_before_s)

    def _note_pause(self, name: str, *, begins: bool) -> None:
        host = self._queues[name].host
        self._ledger.pause(name, host.paused_until_s, host.strikes, host.why)
        if begins:
            pause_s = host.paused_until_s - self._clock.now_s()
            self.pauses.setdefault(name, []).append((pause_s, host.why))
            until = time.strftime("%H:%M:%S", time.localtime(host.paused_until_s))
            self._tell(f"{name}: {host.why}, pauses {pause_s:,.0f} s, until {until}")


def remove_leftovers(directory: Path) -> None:
    """Delete what a killed run was writing; to be called by the only process that fills the cache."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(".jpg.tmp"):
                Path(entry.path).unlink(missing_ok=True)
