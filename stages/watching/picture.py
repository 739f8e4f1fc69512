"""All that the screen shows, gathered at one time, from wherever it is found."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from stages.cache.directory import cache_directory
from stages.config.reading import PARAMS, all_params
from stages.config.schema import HostLimits, Params
from stages.config.sources import embedded_images
from stages.runtime.errors import UserError
from stages.runtime.machine import checkpoint_root
from stages.runtime.notes import Note, process_of, read_notes
from stages.runtime.peek import peek
from stages.watching.downloads import Downloads, read_ledger
from stages.watching.image_cache import CacheSize, measure_cache
from stages.watching.look import Look
from stages.watching.machine import Gpu, Machine, see_gpus, see_machine
from stages.watching.past import Past, see_past
from stages.watching.processes import Work, find_works, list_processes
from stages.watching.training import LIVE, Left, read_epochs, time_left

CACHE_EVERY_S = 30.0  # its size is asked for again
LEDGER_EVERY_S = 4.0


@dataclass(frozen=True)
class WorkPicture:
    """A work and how far it is.

    Attributes:
        work: itself.
        profile: that it works with; empty where that is not known.
        left: the time.
        epochs: of a training, those that ended, as ``read_epochs`` gives them.
    """

    work: Work
    profile: str
    left: Left
    epochs: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class CachePicture:
    """The image cache of the active profile.

    Attributes:
        size: of it.
        budget_bytes: it may have; ``None`` where it is part of the repo.
    """

    size: CacheSize
    budget_bytes: float | None


@dataclass(frozen=True)
class Picture:
    """What goes on, as far as it was seen; ``None`` for what was not.

    Attributes:
        now_s: when, in seconds since 1970.
        root: of the repo.
        profile: the active one.
        works: at work, the oldest first.
        killed: notes of processes that are over and did not say so, the latest first.
        downloads: what the ledger says.
        limits: of hosts.
        cache: the image cache.
        machine: how busy this one is.
        gpus: likewise.
        past: what was done last.
        complaints: what could not be seen, and why.
    """

    now_s: float
    root: Path
    profile: str = ""
    works: list[WorkPicture] | None = None
    killed: list[Note] = field(default_factory=list)
    downloads: Downloads | None = None
    limits: Mapping[str, HostLimits] = field(default_factory=dict)
    cache: CachePicture | None = None
    machine: Machine | None = None
    gpus: list[Gpu] = field(default_factory=list)
    past: Past | None = None
    complaints: list[str] = field(default_factory=list)


class Observer:
    """Looks at all of it, and remembers what took long to see."""

    def __init__(self, root: Path) -> None:
        """Begin.

        Args:
            root: of the repo, which is the current directory too.
        """
        self._root = root.resolve()
        self._params = Look(str(PARAMS), self._see_params)
        self._works = Look("processes", self._see_works)
        self._cache = Look("image cache", self._see_cache, every_s=CACHE_EVERY_S)
        self._downloads = Look("downloads", self._see_downloads, every_s=LEDGER_EVERY_S)
        self._machine = Look("machine", lambda: see_machine(self._root))
        self._gpus = Look("GPUs", see_gpus)
        self._past = Look("last runs", lambda: see_past(self._root, checkpoint_root()))

    def look(self, patience_s: float) -> Picture:
        """Look at all of it, and give what was seen within so many seconds, or earlier where that takes longer."""
        looks = (self._params, self._works, self._cache, self._downloads, self._machine, self._gpus, self._past)
        for one in looks:
            one.begin()
        until_s = time.monotonic() + patience_s
        for one in looks:
            one.wait(until_s)
        params = self._params.seen
        works, killed = self._works.seen or (None, [])
        return Picture(
            now_s=time.time(),
            root=self._root,
            profile=params.profile if params else "",
            works=works,
            killed=killed,
            downloads=self._downloads.seen,
            limits=params.download.hosts if params else {},
            cache=self._cache.seen,
            machine=self._machine.seen,
            gpus=self._gpus.seen or [],
            past=self._past.seen,
            complaints=list(dict.fromkeys(complaint for one in looks if (complaint := one.complaint()))),
        )

    def _see_works(self) -> tuple[list[WorkPicture], list[Note]]:
        works, killed = find_works(
            list_processes(),
            read_notes(self._root),
            self._root,
            pid_of=lambda note: process.pid if (process := process_of(note)) else None,
            now_s=time.time(),
        )
        return [_see_work(work) for work in works], killed

    def _see_params(self) -> Params:
        return _params_of(_stamp(self._root / PARAMS))

    def _see_cache(self) -> CachePicture:
        params = self._see_params()
        directory = cache_directory(params.profile)
        embedded = directory == embedded_images(params.profile)
        budget_bytes = None if embedded else params.download.cache_budget_gb * 1e9
        return CachePicture(measure_cache(directory), budget_bytes)

    def _see_downloads(self) -> Downloads | None:
        try:
            directory = cache_directory(self._see_params().profile)
        except (UserError, OSError):  # the look at the cache tells why
            return None
        return read_ledger(directory, time.time())


def _see_work(work: Work) -> WorkPicture:
    left = time_left(work.notes[0]) if work.notes else Left(None, None)
    epochs = read_epochs(work.folder) if work.name == "train" and _is_of(work) else []
    return WorkPicture(work, _profile_of(work.folder), left, epochs)


def _is_of(work: Work) -> bool:
    """Say whether the figures in its folder are of this training, or still of the one before."""
    try:
        return (work.folder / LIVE / "val/top1.tsv").stat().st_mtime >= work.since_s
    except OSError:
        return False


def _profile_of(folder: Path) -> str:
    try:
        found = re.search(r"^profile: *([\w.-]+)", peek(folder / PARAMS), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _params_of(_stamp: tuple[int, int]) -> Params:
    return all_params()
