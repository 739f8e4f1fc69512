"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINE_EVERY_S = 30.0


def progress(items: Iterable[Item], *, what: str, total: int | None = None, unit: str = "images") -> Iterator[Item]:
    """Pass ``items`` on and say how far it has come.

    On a terminal that is a bar. In a log it is a line every 30 s and one at the end, which reads well with
    ``tail -f`` and holds no control characters.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, unit=f" {unit}", unit_scale=True, dynamic_ncols=True)
        return
    start = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            _say(what, unit, done, total, now - start)
    _say(what, unit, done, total, time.monotonic() - start)


def _say(what: str, unit: str, done: int, total: int | None, elapsed_s: float) -> None:
    rate = done / elapsed_s if elapsed_s else 0.0
    of_all = f" of {total:,}" if total else ""
    left = f", {(total - done) / rate / 60:.1f} min left" if total and rate and done < total else ""
    print(f"{what}: {done:,}{of_all} {unit}, {rate:,.1f} {unit}/s{left}", file=sys.stderr, flush=True)  # noqa: T201
