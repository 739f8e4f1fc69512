"""What a process at work leaves for whoever looks from outside: a small file in .dvc/tmp, gone with the process.

It says what is on the progress line, which otherwise only the terminal has that the work was started from. `make watch`
reads it. It is written anew once a second at the most, on average, whole under another name and then renamed; where it
cannot be, the work goes on without. The file of a process that was killed stays, and tells by process id and start that
it is over.
"""

import atexit
import os
import re
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from stages.runtime.machine import repo_root
from stages.runtime.peek import peek
from stages.runtime.plain_text import plain, without_secrets

FOLDER = Path(".dvc/tmp/notes")
EVERY_S = 1.0
IN_A_ROW = 8  # notes of works that begin and end, at the most; for each of them EVERY_S must pass before or after
ENDED_KEPT = 8  # works of a process that have ended, the last ones
SWEPT_AFTER_S = 7 * 86_400  # what killed processes left
MOST_BYTES = 262_144  # of a note that is read
MOST_LETTERS = 1000  # of one of its lines
MOST = 10**15  # of any number in it

_END = "end"  # the last line: without it a note is cut off


@dataclass(frozen=True)
class Note:
    """What a process says of its work.

    Attributes:
        host: it runs on.
        pid: its number there.
        born_s: its start, in seconds since that host's: with the number it names a process for good.
        rank: its number among processes that train together.
        command: its command line.
        folder: that it runs in.
        what: it does; empty between two works.
        unit: of what, in the plural.
        done: so many.
        total: of so many, where that is known.
        elapsed_s: since the work began.
        also: what the work says besides.
        waits: why it stands still, in a word; empty while it does not.
        said: the last line that the process printed.
        heard_s: when this was written, in seconds since 1970.
        ended: works that have ended and what they took in seconds, the last one last.
    """

    host: str
    pid: int
    born_s: float
    rank: int
    command: str
    folder: str
    what: str = ""
    unit: str = ""
    done: int = 0
    total: int | None = None
    elapsed_s: float = 0.0
    also: str = ""
    waits: str = ""
    said: str = ""
    heard_s: float = 0.0
    ended: tuple[tuple[str, float], ...] = ()


def _count(text: str) -> int:
    """Read a number that this module can have written; others break whoever reckons with them."""
    number = int(text)
    if not 0 <= number <= MOST:
        raise ValueError(text)
    return number


def _words(text: str) -> str:
    return text[:MOST_LETTERS]


def _seconds(text: str) -> float:
    number = float(text)
    if not abs(number) <= MOST:
        raise ValueError(text)
    return number


_READERS: MappingProxyType[str, Callable[[str], Any]] = MappingProxyType(
    {
        "pid": _count,
        "rank": _count,
        "done": _count,
        "total": lambda text: _count(text) if text else None,
        "born_s": _seconds,
        "elapsed_s": _seconds,
        "heard_s": _seconds,
    }
)


def write_note(note: Note) -> str:
    """Give a note as text: a line for each of its values, and one for each work that has ended."""
    values = {one.name: getattr(note, one.name) for one in fields(note) if one.name != "ended"}
    lines = [f"{name}: {'' if value is None else _one_line(str(value))}" for name, value in values.items()]
    lines += [f"ended: {seconds} {_one_line(what)}" for what, seconds in note.ended]
    return "\n".join([*lines, _END, ""])


def read_note(text: str) -> Note | None:
    """Give the note that ``write_note`` wrote; ``None`` of what is cut off, or can be none of this version's."""
    lines = text.split("\n")
    if lines[-2:] != [_END, ""]:
        return None
    values: dict[str, Any] = {}
    ended = []
    try:
        for line in lines[:-2]:
            name, _, value = line.partition(": ")
            if name == "ended":
                seconds, _, what = value.partition(" ")
                ended.append((what, _seconds(seconds)))
            else:
                values[name] = _READERS.get(name, _words)(value)
        return Note(**values, ended=tuple(ended))
    except (ValueError, TypeError):
        return None


def read_notes(root: Path) -> Iterator[Note]:
    """Yield the notes that lie in a repo; what is gone meanwhile, or cannot be read, is passed over."""
    for path in sorted((root / FOLDER).glob("*.txt")):
        with suppress(OSError):
            if note := read_note(peek(path, most_bytes=MOST_BYTES)):
                yield note


def process_of(note: Note) -> psutil.Process | None:
    """Give the process that a note is of, as long as it runs; ``None`` where it is over, or on another host."""
    if note.host != socket.gethostname():
        return None
    try:
        process = psutil.Process(note.pid)
        same = abs(_born_s(process) - note.born_s) < 0.05  # ticks of a hundredth
        over = process.status() == psutil.STATUS_ZOMBIE or note.heard_s < psutil.boot_time()
    except psutil.Error:
        return None
    return process if same and not over else None


@dataclass
class NotedWork:
    """A work whose progress is noted.

    Attributes:
        what: it is, in words.
        unit: of what, in the plural.
        total: how many there are, where that is known.
    """

    what: str
    unit: str
    total: int | None
    _start_s: float = field(default_factory=time.monotonic)
    _done: int = 0
    _open: bool = True

    def __post_init__(self) -> None:
        """Note that it has begun."""
        self._notebook = _notebook()
        self._write()

    def show(self, done: int, also: Callable[[], str] | None = None, waits: Callable[[], str] | None = None) -> None:
        """Note that so many are done, if it is time to, what ``also`` says and why it stands still."""
        self._done = done
        if self._notebook and self._notebook.is_due():
            self._write(also() if also else "", waits() if waits else "")

    def close(self) -> None:
        """Note that it has ended."""
        if not self._open:
            return
        self._open = False
        if self._notebook:
            elapsed_s = time.monotonic() - self._start_s
            self._notebook.ended.append((self.what, round(elapsed_s, 3)))
            if elapsed_s >= EVERY_S:  # else what comes next is soon enough
                self._notebook.write()

    def _write(self, also: str = "", waits: str = "") -> None:
        if self._notebook:
            self._notebook.write(
                what=self.what, unit=self.unit, done=self._done, total=self.total,
                elapsed_s=round(time.monotonic() - self._start_s, 3), also=also, waits=waits,
            )  # fmt: skip


def said(line: str) -> None:
    """Note a line that the process has printed, with the next note."""
    if _Notebook.own:
        _Notebook.own.said = line


class _Notebook:
    """The file of this process."""

    own: "_Notebook | None" = None

    def __init__(self, root: Path) -> None:
        self.folder, self.pid = root / FOLDER, os.getpid()
        self.ended: deque[tuple[str, float]] = deque(maxlen=ENDED_KEPT)
        self.said = ""
        self._written_s = self._counted_s = time.monotonic()
        self._left = float(IN_A_ROW)  # notes that may be written now
        self._process = {
            "host": socket.gethostname(),
            "pid": self.pid,
            "born_s": _born_s(psutil.Process()),
            "rank": _rank(),
            "command": _one_line(" ".join(_command())),
            "folder": _one_line(str(Path.cwd())),
        }
        self._path = self.folder / _file_name(socket.gethostname(), self.pid)
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep(root)
        atexit.register(self.remove)

    def is_due(self) -> bool:
        return time.monotonic() - self._written_s >= EVERY_S

    def write(self, **of_work: Any) -> None:
        """Write the note, unless too many were written just before."""
        now_s = time.monotonic()
        gained = (now_s - self._counted_s) / EVERY_S if EVERY_S else IN_A_ROW
        self._left, self._counted_s = min(IN_A_ROW, self._left + gained), now_s
        if self._left < 1:
            return
        self._left -= 1
        self._written_s = now_s
        note = Note(**self._process, **of_work, said=self.said, heard_s=round(time.time(), 3), ended=tuple(self.ended))
        # Neither flushed nor told where it fails: it is worth nothing after a crash, and no work ends for want of it.
        temporary = self._path.with_suffix(".tmp")
        with suppress(OSError):
            temporary.write_text(write_note(note), encoding="utf-8")
            temporary.replace(self._path)

    def remove(self) -> None:
        if self.pid == os.getpid():  # not a fork of it
            for path in (self._path, self._path.with_suffix(".tmp")):
                with suppress(OSError):
                    path.unlink()

    def _sweep(self, root: Path) -> None:
        """Delete what killed processes left: after some days, and what they left of the work that begins now."""
        for path in self.folder.iterdir():
            with suppress(OSError):
                if path.suffix in (".txt", ".tmp") and time.time() - path.stat().st_mtime > SWEPT_AFTER_S:
                    path.unlink()
        for note in read_notes(root):
            # An experiment's copy of the repo is another one each time, and gone after it.
            its_place = note.folder == self._process["folder"] or not Path(note.folder).is_dir()
            its_own = (note.host, note.command) == (self._process["host"], self._process["command"])
            if its_own and its_place and process_of(note) is None:
                with suppress(OSError):
                    (self.folder / _file_name(note.host, note.pid)).unlink()


def _notebook() -> _Notebook | None:
    """Give that of this process in the repo where it works; none where that is no repo of DVC's."""
    try:
        root = repo_root().absolute()
        own = _Notebook.own
        if own and (own.folder != root / FOLDER or own.pid != os.getpid()):
            own.remove()
            own = _Notebook.own = None
        if own is None and (root / ".dvc").is_dir():
            own = _Notebook.own = _Notebook(root)
    except (OSError, psutil.Error):  # the current folder is gone, or processes cannot be asked
        return None
    return own


def _file_name(host: str, pid: int) -> str:
    return f"{re.sub('[^a-zA-Z0-9_.-]', '_', host)}-{pid}.txt"


def _born_s(process: psutil.Process) -> float:
    """Give a process's start in seconds since that of the host, so that a clock that is set changes nothing."""
    return round(process.create_time() - psutil.boot_time(), 2)


def _command() -> list[str]:
    """Give this process's command line, with the module that `python -m` runs by its name; no program after ``-c``."""
    words = ["python", *sys.orig_argv[1:]]
    return [*words[: words.index("-c") + 1], "..."] if "-c" in words and "-m" not in words else words


def _rank() -> int:
    text = os.environ.get("RANK", "0")  # as torchrun and accelerate set it
    return int(text) if text.isdecimal() else 0


def _one_line(text: str) -> str:
    return " ".join(without_secrets(plain(text)).splitlines())[:MOST_LETTERS]
