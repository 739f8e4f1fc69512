"""What work tells the person who waits for it: its progress, and in one line what came out."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINE_EVERY_S = 30.0


def progress(
    items: Iterable[Item],
    *,
    what: str,
    total: int | None = None,
    unit: str = "images",
    also: Callable[[], str] | None = None,
) -> Iterator[Item]:
    """Pass ``items`` on and say how far it has come, with the rate and the time left, and what ``also`` says.

    On a terminal that is a bar, gone when the work is done. In a log it is a line every 30 s, which reads well with
    ``tail -f`` and holds no control characters; work that is done before says nothing.
    """
    if sys.stderr.isatty():
        bar = tqdm(items, desc=what, total=total, unit=f" {unit}", dynamic_ncols=True, leave=False)
        for item in bar:
            yield item
            if also:
                bar.set_postfix_str(also(), refresh=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            more = f", {also()}" if also else ""
            print(_line(what, unit, done, total, now - start) + more, file=sys.stderr, flush=True)  # noqa: T201


def say(line: str) -> None:
    """Print what a stage or command has done: one line, at once, also into a log."""
    print(line, flush=True)  # noqa: T201


def in_words(counts: Mapping[str, int]) -> str:
    """Give counts as `` (reason 12, other reason 3)``, the most first; nothing for none."""
    parts = [
        f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])) if count
    ]
    return f" ({', '.join(parts)})" if parts else ""


def size_in_words(size: float) -> str:
    """Give bytes in the unit that fits: ``12.3 MB``, ``4.56 GB``."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def _line(what: str, unit: str, done: int, total: int | None, elapsed_s: float) -> str:
    rate = done / elapsed_s
    if total is None:
        return f"{what}: {done:,} {unit}, {rate:,.1f} {unit}/s"
    left_min = (total - done) / rate / 60
    return f"{what}: {done:,} of {total:,} {unit}, {rate:,.1f} {unit}/s, {left_min:,.1f} min left"
