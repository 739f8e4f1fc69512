"""Which stages, commands and runs of DVC are at work in this repo, by the command lines of this machine's processes."""

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil

from stages.runtime.notes import Note

OTHER_HOST_S = 600.0  # without a word from another host: then it is over, as nobody can ask
_OF_DVC = {"repro", "exp", "add", "checkout", "commit", "fetch", "gc", "pull", "push"}
_OF_EXP = (["run"], ["exec-run"])
_NO_WORK = {"commands.watch"}


class Process(NamedTuple):
    """A process of this machine.

    Attributes:
        pid: its number.
        parent: that of the one that started it.
        since_s: when, in seconds since 1970.
        command: its command line.
        folder: that it runs in; ``None`` where nobody may know.
        state: running, sleeping, stopped, ... as psutil names it.
    """

    pid: int
    parent: int
    since_s: float
    command: tuple[str, ...]
    folder: Path | None
    state: str


@dataclass(frozen=True)
class Work:
    """A stage or command, or DVC itself between two stages, at work.

    Attributes:
        name: of it: ``train``, ``fetch``, ``dvc repro``.
        inside: the command of DVC that runs it; empty for none.
        folder: that it runs in: of the repo, or of an experiment's copy.
        since_s: when it began, in seconds since 1970.
        state: running, sleeping, stopped, ...
        host: another one than this, or empty.
        notes: of it, that of the first process first.
    """

    name: str
    inside: str
    folder: Path
    since_s: float
    state: str = ""
    host: str = ""
    notes: tuple[Note, ...] = ()


def list_processes() -> list[Process]:
    """Give the processes of this machine, with a folder for those that may be at work; others' are left out."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError), process.oneshot():
            command = tuple(process.cmdline())
            folder = None
            if stage_in(command) or dvc_in(command):
                with suppress(psutil.Error):
                    folder = Path(process.cwd())
            state = process.status()
            if state != psutil.STATUS_ZOMBIE:
                found.append(Process(process.pid, process.ppid(), process.create_time(), command, folder, state))
    return found


def stage_in(command: Sequence[str]) -> str:
    """Name the stage or command that a command line runs by ``-m``, as torchrun does too; empty for none."""
    for flag, module in pairwise(command):
        if flag in ("-m", "--module") and module.startswith("stages."):
            return module.removeprefix("stages.")
    return ""


def dvc_in(command: Sequence[str]) -> str:
    """Give the words of a command of DVC that works; empty for none, and for one that only shows something."""
    words = list(command)
    if words and Path(words[0]).name.startswith("python"):
        del words[0]
    if words[:1] == ["-m"]:
        del words[0]
    if not words or Path(words[0]).name != "dvc":
        return ""
    what = [word for word in words[1:] if not word.startswith("-")][:2]
    if not what or what[0] not in _OF_DVC or (what[0] == "exp" and what[1:] not in _OF_EXP):
        return ""
    return " ".join(["dvc", *words[1:]])


def find_works(
    processes: Iterable[Process],
    notes: Iterable[Note],
    root: Path,
    *,
    pid_of: Callable[[Note], int | None],
    now_s: float,
) -> tuple[list[Work], list[Note]]:
    """Put processes and notes together to what is at work in a repo.

    Processes that a work has started, as loaders of images or those that train together, are part of it.

    Args:
        processes: of this machine.
        notes: that lie in the repo.
        root: of the repo, absolute.
        pid_of: gives the process of a note, ``None`` where it is over.
        now_s: the time, in seconds since 1970.

    Returns:
        The works, the oldest first, and notes of processes that were killed, the latest first.
    """
    by_pid = {process.pid: process for process in processes}

    def ancestors(process: Process) -> Iterable[Process]:
        seen = {process.pid}
        while (parent := by_pid.get(process.parent)) and parent.pid not in seen:
            seen.add(parent.pid)
            yield (process := parent)

    def is_here(process: Process) -> bool:
        folder = process.folder
        return folder is not None and (folder == root or folder.is_relative_to(root / ".dvc/tmp"))

    stages = {
        process.pid: name
        for process in by_pid.values()
        if (name := stage_in(process.command)) and name not in _NO_WORK and is_here(process)
    }
    tops = {pid for pid in stages if not any(one.pid in stages for one in ancestors(by_pid[pid]))}
    runs = {pid: name for pid in by_pid if (name := dvc_in(by_pid[pid].command)) and is_here(by_pid[pid])}
    busy = {one.pid for pid in tops for one in ancestors(by_pid[pid])}
    inner = {one.pid for pid in runs for one in ancestors(by_pid[pid])}
    tops |= {pid for pid in runs if pid not in busy and pid not in inner}

    noted: dict[int, list[Note]] = {pid: [] for pid in tops}
    works, killed = [], []
    for note in notes:
        pid = pid_of(note)
        if pid is None and note.host != socket.gethostname() and now_s - note.heard_s < OTHER_HOST_S:
            works.append(_by_its_note(note))
        elif pid is None:
            killed.append(note)
        else:
            own = by_pid.get(pid)
            top = next((one.pid for one in (own, *ancestors(own)) if one.pid in tops), None) if own else None
            if top is None:  # a script, or a process of which nobody may know more
                works.append(_by_its_note(note, own))
            else:
                noted[top].append(note)
    for pid in tops:
        process = by_pid[pid]
        inside = next((words for one in ancestors(process) if (words := dvc_in(one.command))), "")
        name = stages.get(pid, runs.get(pid, ""))
        own_notes = tuple(sorted(noted[pid], key=lambda note: (note.rank, -note.heard_s)))
        folder = process.folder or root
        works.append(
            Work(name.removeprefix("commands."), inside, folder, process.since_s, process.state, "", own_notes)
        )
    return sorted(works, key=lambda work: (work.since_s, work.name)), sorted(killed, key=lambda note: -note.heard_s)


def _by_its_note(note: Note, process: Process | None = None) -> Work:
    since_s = process.since_s if process else note.heard_s - note.elapsed_s
    host = "" if note.host == socket.gethostname() else note.host
    return Work(_name(note), "", Path(note.folder), since_s, process.state if process else "", host, (note,))


def _name(note: Note) -> str:
    words = note.command.split()
    if stage := stage_in(words):
        return stage.removeprefix("commands.")
    if "-c" in words:
        return "python -c"
    script = next((word for word in words[1:] if not word.startswith("-")), note.command)
    return Path(script).stem
