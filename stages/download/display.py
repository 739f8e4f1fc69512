"""What a download tells the person who waits for it: its progress, and a summary with what to do next."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from stages.download.clock import clock_time
from stages.download.hosts import Host
from stages.download.scheduler import Outcome, Scheduler
from stages.runtime.progress import ProgressLine, say
from stages.runtime.wording import duration_in_words, in_words, size_in_words

Waiting = Mapping[str, tuple[Host, float]]  # by name: a host, and from when on it has an image to be asked for


class Display:
    """Counts outcomes and shows them: a bar on a terminal, a line every 30 s in a log."""

    def __init__(self, total: int, start_s: float) -> None:
        """Begin with nothing done of ``total`` images."""
        self.counts: Counter[str] = Counter()  # by what became of an image
        self.reasons: dict[str, Counter[str]] = {"refused": Counter(), "left": Counter()}
        self.stored_bytes = 0
        self.total, self._start_s = total, start_s
        self._shown = ProgressLine("fetch", total=total, unit="images", start_s=start_s)

    @property
    def done(self) -> int:
        """Images that this run has dealt with."""
        return self.counts["stored"] + self.counts["refused"] + self.counts["left"]

    def take(self, outcome: Outcome | None, now_s: float, received_bytes: int, waiting: Callable[[], Waiting]) -> None:
        """Count an outcome and, if it is time, show how far the download has come."""
        if outcome is not None:
            self.counts[outcome.what] += 1
            self.stored_bytes += outcome.size
            if outcome.what in self.reasons:
                self.reasons[outcome.what][outcome.reason] += 1

        def also() -> str:
            mb_a_second = received_bytes / 1e6 / max(now_s - self._start_s, 1e-3)
            return f"{mb_a_second:,.2f} MB/s; {states_in_words(waiting(), now_s)}"

        self._shown.show(self.done, now_s, also, lambda: waits_in_words(waiting(), now_s))

    def line(self, text: str) -> None:
        """Write a line of the log, above the bar where there is one."""
        self._shown.line(text)

    def close(self) -> None:
        """Remove the bar."""
        self._shown.close()

    def summary(self, elapsed_s: float, received_bytes: int) -> str:
        """Say what came out."""
        of_all = f"{self.counts['stored']:,} images stored ({size_in_words(self.stored_bytes)})"
        withdrawn = f", {self.counts['withdrawn']:,} withdrawn (placeholder)" if self.counts["withdrawn"] else ""
        refused = f"{self.counts['refused']:,} refused{in_words(self.reasons['refused'])}"
        left = f"{self.total - self.counts['stored'] - self.counts['refused']:,} left{in_words(self.reasons['left'])}"
        speed = (
            f"{self.done / max(elapsed_s, 1e-3):,.2f} images/s, {received_bytes / 1e6 / max(elapsed_s, 1e-3):,.2f} MB/s"
        )
        return f"fetch: {of_all}{withdrawn}, {refused}, {left}; {duration_in_words(elapsed_s)}, {speed}"


class Options(NamedTuple):
    """The limits of a run as its command line names them."""

    images: int | None = None
    hours: float | None = None
    budget_gb: float | None = None
    probe: bool = False


def end_in_words(scheduler: Scheduler, options: Options, *, not_asked: int, cache_budget_gb: float) -> str:
    """Name the limit that ended a run; nothing where it did all that there was to do.

    Args:
        scheduler: of the run.
        options: of the run.
        not_asked: images beyond ``options.images``.
        cache_budget_gb: of params.
    """
    hours = f"{options.hours or 0:g}"
    named = {
        "time": f"the {hours} h of a probe (--hours)" if options.probe else f"--hours {hours}",
        "bytes": f"--budget-gb {options.budget_gb or 0:g}",
        "cache_full": f"download.cache_budget_gb {cache_budget_gb:g}",
        "disk_full": "a full disk",
        "stopped": "Ctrl-C or kill",
    }
    if scheduler.ended_by in named:
        return named[scheduler.ended_by]
    return f"{'--probe' if options.probe else '--limit'} {options.images}" if not_asked and options.images else ""


def advise(
    display: Display,
    scheduler: Scheduler,
    *,
    not_allowed: pl.DataFrame,
    refused: pl.DataFrame,
    not_asked: int,
    ended_by: str,
) -> list[str]:
    """Say what a person may want to do next.

    Args:
        display: what this run has done.
        scheduler: why it ended.
        not_allowed: images of hosts that params do not name.
        refused: images that earlier runs were refused, with their reason.
        not_asked: images beyond the number that this run was to ask for.
        ended_by: the limit that ended the run, if one did.
    """
    lines = []
    if ended_by and scheduler.ended_by in ("", "time", "bytes"):
        lines.append(f"a limit of this run was reached, {ended_by}: the same command goes on")
    elif ended_by:
        lines.append(f"ended by {ended_by}")
    if not_asked:
        lines.append(f"{not_asked:,} more images are missing, which this run was not to ask for")
    if not_allowed.height:
        lines.append(
            f"{not_allowed.height:,} images are at hosts that are not in download.hosts{hosts_in_words(not_allowed)}"
        )
    if refused.height:
        reasons = in_words(dict(refused.group_by("reason").len().iter_rows()))
        lines.append(
            f'{refused.height:,} were refused in earlier runs{reasons}: `make fetch ARGS="--again REASON"` asks again'
        )
    if display.reasons["refused"]["private_address"]:
        lines.append(
            "private_address: a host has an address of this machine or network; if it is yours, set `private: true` in "
            'download.hosts, then `make fetch ARGS="--again private_address"`'
        )
    if display.reasons["left"]["http_403"]:
        lines.append(
            "http_403 left: so many in a row may be a ban, so these images are not refused; a later run asks again"
        )
    if display.reasons["left"]["at_another_host"]:
        lines.append("at_another_host: these images go on at a host that --host does not name; a run without it asks")
    if display.counts["stored"] or display.counts["withdrawn"]:
        lines.append("next: `make inventory`, `dvc add` of the table that it names, `dvc repro`")
    elif not (display.total or not_allowed.height):
        lines.append("nothing to do: every record that can have an image has one")
    return lines


def probe_report(display: Display, scheduler: Scheduler, now_s: float) -> list[str]:
    """Give the figures of the rate-limit test: how many came, whether hosts wanted a pause, and what that did."""
    throttled = scheduler.throttled_answers
    usual = throttled["http_429"] + throttled["http_503"]
    came = f"a 429 or 503 came {usual:,} times" if usual else "no 429 came"
    if others := {reason: times for reason, times in throttled.items() if reason not in ("http_429", "http_503")}:
        came += f"; other answers that want a pause{in_words(others)}"
    lines = [f"probe: {display.counts['stored']:,} of {display.total:,} succeeded; {came}"]
    for name, pauses in scheduler.pauses.items():
        waits = ", ".join(f"{pause_s:,.0f} s for {why}" for pause_s, why in pauses)
        lines.append(f"{name}: paused {waits}; now {state_of(scheduler.host(name), now_s)}")
    return lines


def tell(summary: str, advice: list[str]) -> None:
    """Print the summary and what to do next."""
    say(summary)
    for line in advice:
        say(f"  {line}")


def hosts_in_words(images: pl.DataFrame) -> str:
    """Name the hosts of images with their number, the five with most of them."""
    by_host = dict(images.group_by(pl.col("host").fill_null("(no such URL)")).len().iter_rows())
    return in_words(dict(sorted(by_host.items(), key=lambda entry: (-entry[1], entry[0]))[:5]))


def states_in_words(waiting: Waiting, now_s: float) -> str:
    """Say of each host that is asked, or waits, what it does."""
    return ", ".join(f"{name} {state_of(host, now_s, next_s)}" for name, (host, next_s) in waiting.items())


def waits_in_words(waiting: Waiting, now_s: float) -> str:
    """Say why nothing is asked now, where that is so: then no rate tells how long the rest takes."""
    if not waiting or any(host.in_flight for host, _ in waiting.values()):
        return ""
    if all(host.paused_until_s > now_s for host, _ in waiting.values()):
        return "paused"
    waits = (host.paused_until_s > now_s or host.used_up(now_s) or next_s > now_s for host, next_s in waiting.values())
    return "waiting" if all(waits) else ""


def state_of(host: Host, now_s: float, next_s: float = 0) -> str:
    """Say what a host does: running, paused until when and why, or what else it waits for.

    Args:
        host: the host.
        now_s: the time.
        next_s: from when on it has an image to be asked for.
    """
    if host.paused_until_s > now_s:
        return f"paused until {clock_time(host.paused_until_s, now_s)} ({host.why})"
    if allowance := host.used_up(now_s):
        return f"has sent what it may in {'an hour' if allowance == 'hour' else 'a day'}"
    if next_s > now_s and not host.in_flight:
        return f"waits until {clock_time(next_s, now_s)} to try again what failed"
    return "running"
