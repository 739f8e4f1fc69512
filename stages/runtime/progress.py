"""What work tells the person who waits for it: its progress, and in one line what came out."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

from stages.runtime.notes import NotedWork, said
from stages.runtime.plain_text import LONGEST_MESSAGE, plain, shortened
from stages.runtime.wording import duration_in_words

Item = TypeVar("Item")

LINE_EVERY_S = 30.0
POSTFIX_EVERY_S = 1.0
BAR_THAT_WAITS = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, WAITS{postfix}]"


class ProgressLine:
    """How far a work has come, with the rate and the time left.

    On a terminal that is a bar, gone when the work is done. In a log it is a line every 30 s, which reads well with
    ``tail -f`` and holds no control characters; work that is done before says nothing. In both cases it is noted for
    `make watch`, see ``stages.runtime.notes``.
    """

    def __init__(self, what: str, *, total: int | None, unit: str, start_s: float) -> None:
        """Begin with nothing done.

        Args:
            what: the work.
            total: how many there are, where that is known.
            unit: of what, in the plural.
            start_s: the time, by the clock whose times ``show`` gets.
        """
        self._what, self._total, self._unit = what, total, unit
        self._start_s = self._last_s = start_s
        self._noted = NotedWork(what, unit, total)
        self._bar = (
            tqdm(total=total, desc=plain(what), unit=f" {plain(unit)}", dynamic_ncols=True, leave=False)
            if sys.stderr.isatty()
            else None
        )

    def show(
        self,
        done: int,
        now_s: float,
        also: Callable[[], str] | None = None,
        waits: Callable[[], str] | None = None,
    ) -> None:
        """Say that so many are done, if it is time to.

        Args:
            done: so many.
            now_s: the time.
            also: what else is said.
            waits: says in a word why the work stands still, or nothing; the word takes the place of the time left,
                as a rate tells nothing of it then.
        """
        self._noted.show(done, also, waits)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            if also and now_s - self._last_s >= POSTFIX_EVERY_S:
                self._last_s = now_s
                word = waits() if waits else ""
                self._bar.bar_format = BAR_THAT_WAITS.replace("WAITS", plain(word)) if word else None
                self._bar.set_postfix_str(plain(also()))
        elif now_s - self._last_s >= LINE_EVERY_S:
            self._last_s = now_s
            more = f"; {also()}" if also else ""
            self.line(self._line(done, now_s - self._start_s, waits() if waits else "") + more)

    def line(self, text: str) -> None:
        """Write a line of the log, above the bar where there is one."""
        if self._bar is None:
            print(_shown(text), file=sys.stderr, flush=True)  # noqa: T201
        else:
            self._bar.write(_shown(text), file=sys.stderr)

    def close(self) -> None:
        """Remove the bar."""
        self._noted.close()
        if self._bar is not None:
            self._bar.close()

    def _line(self, done: int, elapsed_s: float, waits: str) -> str:
        rate = done / elapsed_s if elapsed_s > 0 else 0.0
        # Of some downloads a host takes one in twenty seconds.
        rate_in_words = f"{rate:,.1f}" if rate >= 10 else f"{rate:,.2f}"
        of_all = "" if self._total is None else f" of {self._total:,}"
        left = f", {duration_in_words((self._total - done) / rate)} left" if self._total is not None and rate else ""
        left = f", {waits}" if waits else left
        return f"{self._what}: {done:,}{of_all} {self._unit}, {rate_in_words} {self._unit}/s{left}"


def progress(
    items: Iterable[Item],
    *,
    what: str,
    total: int | None = None,
    unit: str = "images",
    also: Callable[[], str] | None = None,
) -> Iterator[Item]:
    """Pass ``items`` on and say how far it has come, as ``ProgressLine`` does."""
    shown = ProgressLine(what, total=total, unit=unit, start_s=time.monotonic())
    try:
        for done, item in enumerate(items, start=1):
            yield item
            shown.show(done, time.monotonic(), also)
    finally:
        shown.close()


def say(line: str) -> None:
    """Print what a stage or command has done: one line, at once, also into a log."""
    print(_shown(line), flush=True)  # noqa: T201
    said(line)


def _shown(text: str) -> str:
    return "\n".join(shortened(line, LONGEST_MESSAGE) for line in plain(text).split("\n"))
