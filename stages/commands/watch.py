"""Command ``watch``: one screen of what goes on in this repo, from another terminal.

    python -m stages.commands.watch [--once] [--every SECONDS]

It shows stages and commands at work with their progress and time left, the epochs of a training, downloads host by
host, the image cache against its budget, GPUs and this machine; where nothing is at work, what was done last. It reads
what is written anyway, takes no lock and writes nothing. Ctrl-C ends it.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from stages.runtime.errors import UserError, run
from stages.watching.picture import Observer
from stages.watching.screen import draw

EVERY_S = 2.0
PATIENCE_S = 5.0  # for the first screen; later ones show what was seen before
NO_TERMINAL_COLUMNS = 100
UNKNOWN_SIZE = os.terminal_size((80, 24))  # of a terminal that does not say its own
_ENTER = "\x1b[?1049h\x1b[?25l"  # another screen, without a cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


def main() -> None:
    """Show one screen, or one after the other until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="print one screen and end, as without a terminal")
    parser.add_argument("--every", type=_seconds, default=EVERY_S, metavar="SECONDS", help="between two screens")
    arguments = parser.parse_args()
    if not Path("dvc.yaml").is_file():
        raise UserError("dvc.yaml is missing: run this from the root of the repo")
    observer, out = Observer(Path()), sys.stdout
    unicode = can_show("█░…°", out)
    if arguments.once or not out.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        width = columns(out)
        for line in draw(observer.look(PATIENCE_S), width, None, color=colors(out), unicode=unicode):
            print(line)  # noqa: T201
        return
    with another_screen(out), stopped_by_signals():
        patience_s = PATIENCE_S
        while True:
            picture = observer.look(patience_s)
            patience_s = min(arguments.every, 1.0)
            shown = None
            until_s = time.monotonic() + arguments.every
            while time.monotonic() < until_s:
                if (size := terminal_size(out)) != shown:  # a window that changes is drawn anew at once
                    shown = size
                    show(draw(picture, *size, color=colors(out), unicode=unicode), out)
                time.sleep(min(0.2, max(0.0, until_s - time.monotonic())))


def show(lines: list[str], out: TextIO) -> None:
    """Write lines over those of the screen before."""
    out.write(_HOME + "\n".join(f"{line}{_END_OF_LINE}" for line in lines) + _REST)
    out.flush()


@contextmanager
def another_screen(out: TextIO) -> Iterator[None]:
    """Use the terminal's other screen, and leave the terminal as it was, while Ctrl-Z suspends the process too."""

    def suspend(*_: object) -> None:
        # By os.write, as this may come in the middle of a write to ``out``.
        os.write(out.fileno(), _LEAVE.encode())
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, suspend)  # reached when it goes on
        os.write(out.fileno(), _ENTER.encode())

    out.write(_ENTER)
    out.flush()
    before = signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
        out.write(_LEAVE)
        out.flush()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """End the block at Ctrl-C, a kill or a terminal that goes, as at its end: that is how a watch is meant to end."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        return


def terminal_size(out: TextIO) -> os.terminal_size:
    """Give the size of a terminal; one that nobody has told its size, as in some containers, says 0.

    Raises:
        OSError, ValueError: it is no terminal.
    """
    found = os.get_terminal_size(out.fileno())
    return os.terminal_size(own or usual for own, usual in zip(found, UNKNOWN_SIZE, strict=True))


def columns(out: TextIO) -> int:
    """Give the width of a terminal; of anything else, COLUMNS or ``NO_TERMINAL_COLUMNS``."""
    try:
        return terminal_size(out).columns
    except (OSError, ValueError):
        text = os.environ.get("COLUMNS", "")
        return int(text) if text.isdecimal() and int(text) > 0 else NO_TERMINAL_COLUMNS


def colors(out: TextIO) -> bool:
    """Say whether colors are wanted, see no-color.org."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def can_show(letters: str, out: TextIO) -> bool:
    """Say whether an output can encode letters."""
    try:
        letters.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.5 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"must be a number from 0.5 to 3600 (found {text})")
    return number


if __name__ == "__main__":
    run(main)
