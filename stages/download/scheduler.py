"""The download itself: who is asked next, when, and what each answer leads to.

One thread decides everything and owns all state; others only carry out requests. So there is nothing to lock, and what
was decided stands in the ledger before a request starts and again when its answer has been dealt with: killed at any
moment, the next run goes on from there.
"""

import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from stages.cache.eviction import Room
from stages.config.schema import Download
from stages.download.answer import NO_ROUTE, REFUSED_CONNECTION, UNKNOWN_HOST, Answer, Kind, retry_after_s
from stages.download.client import Client
from stages.download.clock import Clock, clock_time
from stages.download.forbidden import PAUSES_TO_GIVE_UP, Forbidden
from stages.download.hosts import Host
from stages.download.intake import Intake
from stages.download.ledger import HostRecord, Ledger
from stages.download.queue import CONTROL, NEVER, HostQueue, Job
from stages.download.quota import Quota
from stages.download.wanted import ROUTES, host_of

REDIRECTS = 5  # in a row
FORBIDDEN = "http_403"
# For these a host pauses in the run alone where they came: it has seen no request that it could want a pause from.
_NEVER_ASKED = {UNKNOWN_HOST, NO_ROUTE}
TICK_S = 1.0  # between two looks at the clock, also where nothing comes


class Outcome(NamedTuple):
    """What became of an image: ``stored``, ``refused`` for good, ``left`` for a later run, ``withdrawn`` again."""

    what: str
    image_name: str
    reason: str
    size: int = 0


class Done(NamedTuple):
    """A request that has ended; ``number`` says the how many-th of the run it was, from 1 on."""

    job: Job
    host: str
    number: int
    started_s: float
    answer: Answer | BaseException


WAKE_UP = Done(Job("", {}, "", ""), "", 0, 0, InterruptedError())  # ends a wait, and is no answer


class Limits(NamedTuple):
    """When a run ends although there is more to ask for."""

    until_s: float = NEVER
    bytes: float = NEVER
    retries: bool = True  # whether to wait for another try of what failed

    def reached(self, now_s: float, received_bytes: int) -> str:
        """Name the limit that is reached: ``time`` or ``bytes``; nothing for none."""
        return "time" if now_s >= self.until_s else "bytes" if received_bytes >= self.bytes else ""


def _without_a_key(url: str) -> str:
    """Give a URL that may be kept; nothing for one whose query may be a key, which is nobody else's and expires."""
    query = urlsplit(url).query
    return url if not query or query.isdecimal() else ""


def _is_proper(answer: Answer, host: str) -> bool:
    """Say whether an answer shows that the host does not ban.

    A redirect within the host does not: it may lead to a page that says so, and what comes of it will tell.
    """
    if answer.kind is Kind.REDIRECT:
        return host_of(answer.location) != host
    return answer.kind in (Kind.IMAGE, Kind.FINAL)


class Scheduler:
    """A run of the download."""

    def __init__(
        self,
        wanted: pl.DataFrame,
        params: Download,
        *,
        ledger: Ledger,
        client: Client,
        intake: Intake,
        room: Room,
        clock: Clock,
        tell: Callable[[str], None],
        images: int | None = None,
        only: Collection[str] | None = None,
    ) -> None:
        """Prepare a run.

        Args:
            wanted: the images that may be asked for, in order, as ``missing_images`` gives them; all of hosts that
                params name.
            params: section ``download``.
            ledger: of the cache.
            client: carries out the requests.
            intake: takes sound images into the cache.
            room: what the cache may still hold.
            clock: the time.
            tell: takes a line for the log.
            images: ask for so many of ``wanted`` at the most.
            only: the hosts that may be asked in this run; by default all that params name.
        """
        self._params, self._ledger, self._client, self._intake = params, ledger, client, intake
        self._room, self._clock, self._tell = room, clock, tell
        self._only = set(params.hosts) if only is None else set(only)
        self._answers: SimpleQueue[Done] = SimpleQueue()
        self._largest_bytes = int(params.max_image_mb * 1e6)
        self._in_flight = 0
        self._requests = 0  # started so far
        self._answered = False  # whether anything came from any host in this run
        self.received_bytes = 0
        self.throttled_answers: Counter[str] = Counter()  # by reason
        self._retries = True
        self.pauses: dict[str, list[tuple[float, str]]] = {}  # of this run, by host: seconds and why
        self.ended_by = ""
        self._stopped = False  # set by a signal handler, at any moment, and by nothing else
        now_s = clock.now_s()
        remembered, traffic = ledger.hosts(), ledger.traffic(now_s)
        self._queues: dict[str, HostQueue] = {}
        ranked = wanted.with_row_index("place")
        places = {}
        for name, host_limits in params.hosts.items():
            host = Host(host_limits, largest_bytes=self._largest_bytes, pauses_s=params.pauses_s)
            record = remembered.get(name, HostRecord())
            if record.why in _NEVER_ASKED:
                record = record._replace(paused_until_s=0.0, strikes=0, why="")
            host.restore(record.paused_until_s, record.strikes, record.why, traffic.get(name, ()), now_s)
            threads = ThreadPoolExecutor(host_limits.concurrent, thread_name_prefix=name)
            of_host = ranked.filter(pl.col("host") == name)
            places[name] = of_host["place"].to_numpy().astype(np.int64)
            fresh = map(Job.of_row, of_host.iter_rows(named=True))
            forbidden: Forbidden[Job] = Forbidden(record.strikes if record.why == FORBIDDEN else 0)
            self._queues[name] = HostQueue(host, threads, fresh, forbidden=forbidden, sent_url=record.sent_url)
        self._quota = Quota(places, images)
        self._quota.begin(self._queues, self._open_hosts(now_s))

    def run(self, limits: Limits) -> Generator[Outcome | None, None, None]:
        """Yield what becomes of each image, and ``None`` now and then while there is nothing to say.

        Ends when all is done, a limit is reached, no host can be reached, or after ``stop``.

        Raises:
            OSError: the cache cannot be written to.
        """
        self._retries = limits.retries
        try:
            while True:
                yield from self._decide_last_rows()
                now_s = self._clock.now_s()
                ended_by = self.ended_by or limits.reached(now_s, self.received_bytes)
                self.ended_by = "stopped" if self._stopped else ended_by
                wake_s = NEVER if self.ended_by else self._start_what_may(limits)
                if not self._in_flight:
                    if limits.until_s <= wake_s < NEVER:
                        self.ended_by = "time"  # nothing can start before the end
                    if not self.ended_by and self.unreachable():
                        self.ended_by = "unreachable"
                    if self.ended_by or wake_s == NEVER:
                        break
                wait_s = min(max(wake_s - self._clock.now_s(), 0), TICK_S)
                done = self._clock.wait(self._answers, wait_s, busy=self._in_flight > 0)
                self._client.abort_overdue()
                if done is None or done is WAKE_UP:
                    yield None
                else:
                    yield from self._settle(done)
            for queue in self._queues.values():
                yield from (Outcome("left", job.image_name, FORBIDDEN) for job in queue.forbidden.empty())
        except OSError as error:
            self.ended_by = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else self.ended_by
            raise
        finally:
            self._client.close()
            for queue in self._queues.values():
                queue.threads.shutdown(cancel_futures=True)

    def _ends_a_run(self) -> set[str]:
        """Name the reasons for which a run ends where no host can be reached."""
        return _NEVER_ASKED if self._retries else _NEVER_ASKED | {REFUSED_CONNECTION}

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

    def unreachable(self) -> dict[str, str]:
        """Say by host why nothing can be reached, where that is so of all hosts that were asked or have images to ask.

        Not where anything has come from any host in this run: then the network is there, and this may pass. A probe
        does not wait for a host to take connections again either.
        """
        if self._answered:
            return {}
        waiting = self.waiting()
        why = {name: queue.unreachable for name, queue in self._queues.items() if queue.unreachable or name in waiting}
        return why if why and self._ends_a_run().issuperset(why.values()) else {}

    def host(self, name: str) -> Host:
        """Give a host by its name."""
        return self._queues[name].host

    def _open_hosts(self, now_s: float) -> set[str]:
        """Name the hosts that may be asked now, but for their rate and number at once."""
        return {
            name
            for name, queue in self._queues.items()
            if not queue.given_up and queue.host.paused_until_s <= now_s and queue.host.used_up(now_s) is None
        }

    def _start_what_may(self, limits: Limits) -> float:
        """Start all requests that may start now; say when the next one may (``NEVER``: only after an answer)."""
        next_s = NEVER
        now_s = self._clock.now_s()
        if self._quota.is_shared:
            self._quota.hand_over(self._queues, self._open_hosts(now_s))
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
        if job.route == CONTROL:
            job.image_name = f"control-{name}.jpg"
        self._ledger.ask(job.image_name, job.route, name)
        queue.host.start(now_s)
        self._in_flight += 1
        self._requests += 1
        queue.threads.submit(self._carry_out, job, name, queue.host, self._requests, now_s)

    def _carry_out(self, job: Job, name: str, host: Host, number: int, started_s: float) -> None:
        """Ask, in a thread of the host."""
        try:
            answer: Answer | BaseException = self._client.ask(job.url, host.limits, job.image_name)
        except BaseException as error:  # raised again by the thread that decides
            answer = error
        self._answers.put(Done(job, name, number, started_s, answer))

    def _settle(self, done: Done) -> list[Outcome]:
        """Deal with an answer, all of it in the ledger or nothing."""
        self._in_flight -= 1
        if isinstance(done.answer, BaseException):
            raise done.answer
        with self._ledger.transaction():
            return list(self._lead_on(done, done.answer))

    def _lead_on(self, done: Done, answer: Answer) -> Iterator[Outcome]:
        job, now_s = done.job, self._clock.now_s()
        queue = self._queues[done.host]
        queue.host.end(now_s, answer.size)
        self.received_bytes += answer.size
        if answer.size:
            self._ledger.count_traffic(done.host, now_s, answer.size)
        self._note_reached(queue, answer)
        if answer.kind in (Kind.THROTTLED, Kind.PASSING):
            queue.forbidden.troubled()
        elif _is_proper(answer, done.host):
            yield from self._decide_row(done, queue, now_s)

        if answer.kind is Kind.FORBIDDEN:
            yield from self._suspect(job, done, answer, now_s)
        elif answer.kind is Kind.THROTTLED:
            yield from self._throttle(job, done, answer, now_s)
        elif answer.kind is Kind.PASSING:
            yield from self._fail(job, done, answer, now_s)
        elif job.route == CONTROL:
            self._end_control(job, done.host, answer)
        elif answer.kind is Kind.IMAGE:
            yield from self._take(job, done.host, answer, now_s)
        elif answer.kind is Kind.REDIRECT:
            yield from self._redirect(job, answer.location)
        elif answer.kind is Kind.FINAL:
            yield from self._refuse(job, answer.reason)
        else:
            self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)

    def _decide_row(self, done: Done, queue: HostQueue, now_s: float) -> Iterator[Outcome]:
        """Take note that a host answers properly, and deal with the 403 that this tells of."""
        if queue.host.answered(done.started_s):
            queue.forbidden.ban_ended()
            self._ledger.pause(done.host, 0, 0, "")
            self._tell(f"{done.host}: answers again")
        no_ban = not queue.forbidden.may_be_a_ban
        for forbidden, alone in queue.forbidden.answered(done.number):
            yield from self._forbid(forbidden, now_s, no_ban=no_ban, alone=alone)

    def _note_reached(self, queue: HostQueue, answer: Answer) -> None:
        """Take note whether anything came from a host, or why nothing gets there."""
        if answer.reason in (UNKNOWN_HOST, NO_ROUTE, REFUSED_CONNECTION):
            queue.unreachable = answer.reason
        elif answer.kind is not Kind.STOPPED:
            queue.unreachable = ""
            self._answered |= answer.reason != "timeout" or answer.size > 0  # silence is no answer

    def _take(self, job: Job, host: str, answer: Answer, now_s: float) -> Iterator[Outcome]:
        taken = self._intake.take(job.image_name, answer, now_s)
        if taken.stored:
            # Where a redirect leads may be good for some minutes only, and would tell nothing later.
            self._queues[host].sent_url = self._queues[host].sent_url if job.hops else job.url
            self._ledger.count_image(host, answer.size, _without_a_key(self._queues[host].sent_url))
            yield Outcome("stored", job.image_name, answer.reason, taken.size)
            return
        if taken.in_the_way:
            self._ledger.leave(job.image_name, job.route, job.failures, "in_the_way")
            yield Outcome("left", job.image_name, "in_the_way")
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
            yield from self._go_on_at(target, job)

    def _go_on_at(self, target: str, job: Job) -> Iterator[Outcome]:
        """Ask another host next, unless this run is not to ask it."""
        if target in self._only:
            self._queues[target].first.append(job)
        else:
            yield Outcome("left", job.image_name, "at_another_host")

    def _throttle(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Let the host rest; the image is asked for again, after the others."""
        self.throttled_answers[answer.reason] += 1
        wait_s = retry_after_s(answer.retry_after, now_s)
        host = self._queues[done.host].host
        self._note_pause(done.host, begins=host.throttled(now_s, done.started_s, wait_s, answer.reason))
        yield from self._wait_for_its_pause(job, answer.reason, now_s)

    def _wait_for_its_pause(self, job: Job, reason: str, not_before_s: float) -> Iterator[Outcome]:
        """Let an image wait for a host that pauses, at most so often in a run."""
        if job.route == CONTROL:
            self._ledger.stored(job.image_name)
            return
        job.throttled += 1
        self._ledger.leave(job.image_name, job.route, job.failures, reason)
        if job.throttled >= self._params.tries:
            yield Outcome("left", job.image_name, reason)
        elif not self._quota.replaces(self._queues, self._open_hosts(self._clock.now_s())):
            self._ask_again(job, not_before_s)

    def _fail(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Try again later, as often as params allow; then go on as if there were no image."""
        host = self._queues[done.host].host
        self._note_pause(done.host, begins=host.failed(now_s, done.started_s, answer.reason))
        if job.route == CONTROL:
            self._queues[done.host].sent_url = ""  # tells nothing more in this run
            self._ledger.stored(job.image_name)
        else:
            # Where nothing answers at all, the fault is on this side, and is none of the image's.
            counts = self._answered or answer.reason not in self._ends_a_run()
            yield from self._try_later(job, answer.reason, now_s, failures=int(counts))

    def _try_later(self, job: Job, reason: str, now_s: float, *, failures: int = 1) -> Iterator[Outcome]:
        job.failures += failures
        if job.failures >= self._params.tries:
            yield from self._refuse(job, reason)
            return
        self._ledger.leave(job.image_name, job.route, job.failures, reason)
        if not self._retries:
            yield Outcome("left", job.image_name, reason)
            return
        pauses_s = self._params.pauses_s
        self._ask_again(job, now_s + pauses_s[min(max(job.failures, 1), len(pauses_s)) - 1])

    def _suspect(self, job: Job, done: Done, answer: Answer, now_s: float) -> Iterator[Outcome]:
        """Leave a 403 undecided; where it looks like a ban, let the host rest and ask for the whole row again."""
        queue = self._queues[done.host]
        if job.route == CONTROL:
            self._ledger.stored(job.image_name)
            is_ban = True
        else:
            self._ledger.leave(job.image_name, job.route, job.failures, answer.reason)
            is_ban = queue.forbidden.add(job, self._requests, after_a_pause=bool(queue.host.strikes))
        asked_before_the_pause = queue.host.strikes > 0 and done.started_s < queue.host.paused_until_s
        if is_ban or asked_before_the_pause or answer.retry_after is not None:
            wait_s = retry_after_s(answer.retry_after, now_s)
            yield from self._rest_for_ban(done.host, now_s, done.started_s, wait_s)

    def _rest_for_ban(self, name: str, now_s: float, started_s: float, wait_s: float | None) -> Iterator[Outcome]:
        """Let a host rest that seems to ban, and let its row of 403 wait for that."""
        queue = self._queues[name]
        begins = queue.host.throttled(now_s, started_s, wait_s, FORBIDDEN)
        self._note_pause(name, begins=begins)
        for job in queue.forbidden.take_back(begins=begins):
            self.throttled_answers[FORBIDDEN] += 1
            job.suspect = True
            yield from self._wait_for_its_pause(job, FORBIDDEN, queue.host.paused_until_s)
        if queue.forbidden.pauses >= PAUSES_TO_GIVE_UP and not queue.given_up:
            yield from self._give_up(name, queue)

    def _give_up(self, name: str, queue: HostQueue) -> Iterator[Outcome]:
        """Ask a host no more in this run, whose ban does not end."""
        queue.given_up = True
        self._tell(
            f"{name}: answers 403 after each of {queue.forbidden.pauses} pauses, as in a ban that does not end: it is "
            "asked no more in this run, and its images are left for a later one"
        )
        yield from (Outcome("left", job.image_name, FORBIDDEN) for job in queue.empty())

    def _forbid(self, job: Job, now_s: float, *, no_ban: bool, alone: bool) -> Iterator[Outcome]:
        """Deal with a 403 after which the host has answered properly: see stages/download/forbidden.py."""
        if no_ban and alone and not job.suspect:
            yield from self._refuse(job, FORBIDDEN)
            return
        job.suspect = True
        if no_ban:
            yield from self._try_later(job, FORBIDDEN, now_s)
        else:
            yield from self._wait_for_its_pause(job, FORBIDDEN, now_s + self._params.pauses_s[0])

    def _decide_last_rows(self) -> list[Outcome]:
        """Deal with 403 that nothing else at their host can tell of any more.

        One alone is the photo's own. Of several nobody knows: the host rests as after a ban, and is asked again.
        """
        outcomes: list[Outcome] = []
        for name, queue in self._queues.items():
            now_s = self._clock.now_s()
            if self._stopped or not queue.has_a_last_row() or queue.next_s(now_s) < NEVER:
                continue
            with self._ledger.transaction():
                if queue.last_403_is_final():
                    outcomes += [outcome for job in queue.forbidden.empty() for outcome in self._refuse(job, FORBIDDEN)]
                elif self._retries and not queue.given_up:
                    outcomes += self._rest_for_ban(name, now_s, now_s, None)
                else:
                    outcomes += [Outcome("left", job.image_name, FORBIDDEN) for job in queue.forbidden.empty()]
        return outcomes

    def _end_control(self, job: Job, host: str, answer: Answer) -> None:
        if not _is_proper(answer, host):
            self._queues[host].sent_url = ""  # it has moved, or is hidden: it tells nothing more in this run
        if answer.temporary is not None:
            answer.temporary.unlink()
        self._ledger.stored(job.image_name)

    def _refuse(self, job: Job, reason: str) -> Iterator[Outcome]:
        """Go on with the next route that may be asked; without one, the image is refused for good."""
        for route in ROUTES[ROUTES.index(job.route) + 1 :]:
            target = host_of(job.urls[route]) if route in job.urls else None
            if target in self._queues and job.urls[route] != job.urls[job.route]:
                job.route, job.url, job.failures, job.hops, job.suspect = route, job.urls[route], 0, 0, False
                self._ledger.leave(job.image_name, route, 0, reason)
                yield from self._go_on_at(target, job)
                return
        self._ledger.leave(job.image_name, job.route, job.failures, reason, refused=True)
        yield Outcome("refused", job.image_name, reason)

    def _ask_again(self, job: Job, not_before_s: float) -> None:
        job.url, job.hops = job.urls[job.route], 0
        target = host_of(job.url)
        if target is None:
            raise RuntimeError(f"asked for what is never asked for: {job.url}")
        queue = self._queues[target]
        (queue.suspects if job.suspect else queue.again).add(job, not_before_s)

    def _note_pause(self, name: str, *, begins: bool) -> None:
        host = self._queues[name].host
        self._ledger.pause(name, host.paused_until_s, host.strikes, host.why)
        if begins:
            now_s = self._clock.now_s()
            pause_s = host.paused_until_s - now_s
            self.pauses.setdefault(name, []).append((pause_s, host.why))
            self._tell(f"{name}: {host.why}, pauses {pause_s:,.0f} s, until {clock_time(host.paused_until_s, now_s)}")


def remove_leftovers(directory: Path) -> None:
    """Delete what a killed run was writing; to be called by the only process that fills the cache."""
    with os.scandir(directory) as entries:
        for entry in entries:
            is_one = entry.name.startswith(".") and entry.name.endswith(".jpg.tmp")
            if is_one and not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)
