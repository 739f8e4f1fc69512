"""The download itself: who is asked next, when, and what becomes of each answer.

One thread decides everything and owns all state; others only carry out requests. So there is nothing to lock, and what
was decided stands in the ledger before a request starts and again when its answer has been dealt with: killed at any
moment, the next run goes on from there.
"""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

import polars as pl

from stages.download.budget import Room
from stages.download.cache import File
from stages.download.client import Answer, Client, Kind, index_row, retry_after_s
from stages.download.hosts import Host
from stages.download.index import ImageIndex
from stages.download.ledger import HostRecord, Ledger
from stages.download.wanted import ROUTES, host_of
from stages.params import Download, Inventory

REDIRECTS = 5  # in a row
TICK_S = 1.0  # between two looks at the clock, also where nothing comes
NEVER = math.inf


@dataclass
class Job:
    """An image to ask for.

    Attributes:
        image_name: its name in the cache.
        photo: equal for two images of one photo.
        urls: by route, those that are left to ask.
        route: which of them is asked now.
        url: what is asked now: that of the route, or where it redirected to.
        failures: of this route that may pass, in all runs.
        throttled: times that its host wanted a pause, in this run.
        hops: redirects followed.
    """

    image_name: str
    photo: str
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
        return cls(row["image_name"], row["photo"], urls, row["route"], urls[row["route"]], row["failures"])


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

    def wait(self, answers: "SimpleQueue[Done]", seconds: float, *, busy: bool) -> "Done | None":
        """Give the next answer, or ``None`` after so many seconds; ``busy`` says whether one can come."""


class SystemClock:
    """The time of this machine."""

    def now_s(self) -> float:
        """Give the time in seconds since 1970."""
        return time.time()

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
    answer: Answer | OSError


@dataclass
class HostQueue:
    """A host, the threads that ask it, and the images that wait for it."""

    host: Host
    threads: ThreadPoolExecutor
    fresh: Iterator[Job] = field(default_factory=lambda: iter(()))  # in the order that helps most
    first: deque[Job] = field(default_factory=deque)  # goes on at another route or after a redirect
    again: deque[Job] = field(default_factory=deque)  # after all others
    exhausted: bool = False  # nothing waits

    def take(self) -> Job | None:
        """Give the next image to ask for."""
        job = self.first.popleft() if self.first else next(self.fresh, None)
        if job is None and self.again:
            job = self.again.popleft()
        self.exhausted = job is None
        return job


class Limits(NamedTuple):
    """When a run ends although there is more to ask for."""

    until_s: float = NEVER
    bytes: float = NEVER

    def reached(self, now_s: float, received_bytes: int) -> str:
        """Name the limit that is reached: ``time`` or ``bytes``; nothing for none."""
        return "time" if now_s >= self.until_s else "bytes" if received_bytes >= self.bytes else ""


class Scheduler:
    """A run of the download."""

    def __init__(
        self,
        asked: pl.DataFrame,
        directory: Path,
        params: Download,
        limits: Inventory,
        *,
        ledger: Ledger,
        index: ImageIndex,
        client: Client,
        clock: Clock,
        tell: Callable[[str], None],
        photo_of: Callable[[str], str],
        is_in_use: Callable[[str], bool],
        room: Room,
    ) -> None:
        """Prepare a run.

        Args:
            asked: the images to ask for, in order, as ``missing_images`` gives them; all of hosts that params name.
            directory: the image cache.
            params: section ``download``.
            limits: what counts as sound.
            ledger: of the cache.
            index: of the cache.
            client: carries out the requests.
            clock: the time.
            tell: takes a line for the log.
            photo_of: gives the photo of an image by its name.
            is_in_use: says whether a run of the pipeline names an image, so that it must not vanish.
            room: what the cache may still hold.
        """
        self._directory, self._params, self._limits = directory, params, limits
        self._ledger, self._index, self._client, self._clock = ledger, index, client, clock
        self._tell, self._photo_of, self._is_in_use, self._room = tell, photo_of, is_in_use, room
        self._answers: SimpleQueue[Done] = SimpleQueue()
        self._largest_bytes = int(params.max_image_mb * 1e6)
        self.in_flight = 0
        self.received_bytes = 0
        self.throttled_answers = 0
        self.ended_by = ""
        now_s = clock.now_s()
        remembered, traffic = ledger.hosts(), ledger.traffic(now_s)
        self._queues: dict[str, HostQueue] = {}
        for host_limits in params.hosts:
            name = host_limits.host
            host = Host(host_limits, largest_bytes=self._largest_bytes, pauses_s=params.pauses_s)
            record = remembered.get(name, HostRecord())
            host.restore(record.paused_until_s, record.strikes, record.why, traffic.get(name, ()), now_s)
            threads = ThreadPoolExecutor(host_limits.concurrent, thread_name_prefix=name)
            rows = asked.filter(pl.col("host") == name).iter_rows(named=True)
            self._queues[name] = HostQueue(host, threads, fresh=map(Job.of_row, rows))

    def run(self, limits: Limits) -> Iterator[Outcome | None]:
        """Yield what becomes of each image, and ``None`` now and then while there is nothing to say.

        Ends when all is done or a limit is reached. When the caller leaves early, requests under way are cut and
        the next run asks for them last.

        Raises:
            OSError: the cache cannot be written to.
        """
        try:
            while True:
                now_s = self._clock.now_s()
                self.ended_by = self.ended_by or limits.reached(now_s, self.received_bytes)
                wake_s = NEVER if self.ended_by else self._start_what_may(limits)
                if not self.in_flight:
                    if limits.until_s <= wake_s < NEVER:
                        self.ended_by = "time"  # nothing can start before the end
                    if self.ended_by or wake_s == NEVER:
                        return
                wait_s = min(max(wake_s - self._clock.now_s(), 0), TICK_S)
                done = self._clock.wait(self._answers, wait_s, busy=bool(self.in_flight))
                self._client.abort_overdue()
                if done is None:
                    yield None
                    continue
                self.in_flight -= 1
                if isinstance(done.answer, OSError):
                    raise done.answer
                with self._ledger.transaction():
                    outcomes = list(self._settle(done, done.answer))
                yield from outcomes
        finally:
            self._client.close()
            for queue in self._queues.values():
                queue.threads.shutdown(cancel_futures=True)

    def hosts(self) -> dict[str, Host]:
        """Give the hosts by name that are being asked, or for which images wait."""
        return {name: queue.host for name, queue in self._queues.items() if queue.host.in_flight or not queue.exhausted}

    def _start_what_may(self, limits: Limits) -> float:
        """Start all requests that may start now; say when the next one may (``NEVER``: only after an answer)."""
        next_s = NEVER
        for name, queue in self._queues.items():
            while True:
                now_s = self._clock.now_s()
                ready_s = queue.host.ready_at_s(now_s)
                if ready_s > now_s:
                    job = None if ready_s == NEVER else queue.take()
                    if job is not None:
                        queue.first.appendleft(job)
                        next_s = min(next_s, ready_s)
                    break
                job = queue.take()
                if job is None:
                    break
                if not self._room.has((self.in_flight + 1) * self._largest_bytes):
                    queue.first.appendleft(job)
                    self.ended_by = "cache_full"
                    return NEVER
                self._start(name, queue, job, now_s)
                if self.received_bytes + self.in_flight * self._largest_bytes >= limits.bytes:
                    return NEVER  # not to overshoot; the answers tell whether there is room for more
        return next_s

    def _start(self, name: str, queue: HostQueue, job: Job, now_s: float) -> None:
        self._ledger.ask(job.image_name, job.route, name)
        queue.host.start(now_s)
        self.in_flight += 1
        queue.threads.submit(self._carry_out, job, name, queue.host, now_s)

    def _carry_out(self, job: Job, name: str, host: Host, started_s: float) -> None:
        """Ask, in a thread of the host."""
        try:
            answer: Answer | OSError = self._client.ask(job.url, host.limits, job.image_name)
        except OSError as error:
            answer = error
        except BaseException as error:
            self._answers.put(Done(job, name, started_s, OSError(f"{job.url}: {error!r}")))
            raise
        self._answers.put(Done(job, name, started_s, answer))

    def _settle(self, done: Done, answer: Answer) -> Iterator[Outcome]:
        """Deal with an answer."""
        job, now_s = done.job, self._clock.now_s()
        host = self._queues[done.host].host
        host.end(now_s, answer.size)
        self.received_bytes += answer.size
        if answer.size:
            self._ledger.count_traffic(done.host, now_s, answer.size)
        if answer.kind in (Kind.SOUND, Kind.REDIRECT, Kind.FINAL) and host.answered(done.started_s):
            self._ledger.pause(done.host, 0, 0, "")
            self._tell(f"{done.host}: answers again")

        if answer.kind is Kind.SOUND:
            yield from self._store(job, done.host, answer, now_s)
        elif answer.kind is Kind.REDIRECT:
            yield from self._redirect(job, answer.location)
        elif answer.kind is Kind.THROTTLED:
            yield from self._throttle(job, done, answer, now_s)
        elif answer.kind is Kind.PASSING:
            yield from self._fail(job, done, answer, now_s)
        else:
            yield from self._refuse(job, answer.reason)

    def _store(self, job: Job, host: str, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Give a sound image its name, unless it is a placeholder."""
        temporary, judged = answer.temporary, answer.judged
        if temporary is None or judged is None:
            raise TypeError(f"a sound answer without an image: {answer}")
        if self._ledger.is_placeholder(judged.sha256):
            temporary.unlink()
            yield from self._refuse(job, "placeholder")
            return
        others = self._index.names_of_digest(judged.sha256)
        photos = {self._photo_of(name) for name in others} | {job.photo}
        if len(photos) >= self._params.placeholder_photos:
            temporary.unlink()
            self._ledger.add_placeholder(judged.sha256)
            yield from self._refuse(job, "placeholder")
            for name in others:
                yield from self._withdraw(name)
            return
        final = self._directory / job.image_name
        temporary.replace(final)
        status = final.stat()
        file = File(job.image_name, status.st_size, status.st_mtime_ns)
        self._index.remember([index_row(file, judged)], self._limits, used_s=now_s)
        self._ledger.stored(job.image_name)
        self._ledger.count_image(host, answer.size)
        self._room.add(answer.size)
        yield Outcome("stored", job.image_name, "sound", answer.size)

    def _withdraw(self, image_name: str) -> Iterator[Outcome]:
        """Take an image out of the cache that turned out to be a placeholder, unless it is in use."""
        if self._is_in_use(image_name):
            self._tell(f"{image_name} is a placeholder, but a split names it: it stays until the next `dvc repro`")
            return
        self._ledger.leave(image_name, "original", 0, "placeholder", refused=True)
        with suppress(FileNotFoundError):
            (self._directory / image_name).unlink()
        self._index.forget([image_name])
        yield Outcome("withdrawn", image_name, "placeholder")

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
        self._note_pause(done.host, host.throttled(now_s, done.started_s, wait_s, answer.reason))
        job.throttled += 1
        self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)
        if job.throttled < self._params.tries:
            self._ask_again(job)
        else:
            yield Outcome("left", job.image_name, answer.reason)

    def _fail(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Try again after the others, as often as params allow; then as if there were no image."""
        host = self._queues[done.host].host
        self._note_pause(done.host, host.failed(now_s, done.started_s, answer.reason))
        job.failures += 1
        if job.failures >= self._params.tries:
            yield from self._refuse(job, answer.reason)
        else:
            self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)
            self._ask_again(job)

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

    def _ask_again(self, job: Job) -> None:
        job.url, job.hops = job.urls[job.route], 0
        target = host_of(job.url)
        if target is None:
            raise ValueError(f"asked what is never asked: {job.url}")
        self._queues[target].again.append(job)

    def _note_pause(self, name: str, begins: bool) -> None:
        host = self._queues[name].host
        self._ledger.pause(name, host.paused_until_s, host.strikes, host.why)
        if begins:
            pause_s = host.paused_until_s - self._clock.now_s()
            until = time.strftime("%H:%M:%S", time.localtime(host.paused_until_s))
            self._tell(f"{name}: {host.why}, pauses {pause_s:,.0f} s, until {until}")


def remove_leftovers(directory: Path) -> None:
    """Delete what a killed run was writing; to be called by the only process that fills the cache."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(".jpg.tmp"):
                Path(entry.path).unlink(missing_ok=True)
