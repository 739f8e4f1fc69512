"""Checkpoints: where an interrupted training goes on, outside of everything that DVC deletes.

DVC removes a stage's outputs before it runs the stage, and `dvc exp run --temp` runs it in a copy that is thrown away.
So checkpoints are in $CHECKPOINT_DIR, else in .dvc/tmp/checkpoints of the repo itself (DVC_ROOT points at it in every
case), in a folder named by a digest of the run's identity. The same run finds its checkpoint again, another one never
does, and a 384 px run cannot trip over the leftovers of a 224 px run.
"""

import fcntl
import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from stages.learning.processes import all_reduce_max
from stages.learning.state import TrainState
from stages.runtime.errors import UserError
from stages.runtime.machine import checkpoint_root
from stages.runtime.outputs import replacing, write_bytes
from stages.runtime.progress import say
from stages.runtime.signals import StopRequest

FILE = "last.pt"
BEFORE = "before.pt"  # the one before: the last may be damaged
LOCK = "lock"  # of the process that makes the run, whose number it holds


def checkpoint_folder(identity: dict[str, Any]) -> Path:
    """Name and make the folder of the run with this identity.

    Args:
        identity: of ``stages.learning.identity.run_identity``.

    Raises:
        UserError: nothing can be written there, or CHECKPOINT_DIR is in the home of an unknown user.
    """
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    root = checkpoint_root()
    folder = root / digest.hexdigest()[:16]
    # Tried now: to find out after an epoch that nothing can be saved costs an hour.
    trial = folder / f".writable.{os.getpid()}"  # other processes of the run try it, too
    try:
        write_bytes(trial, b"")
        trial.unlink()
    except OSError as error:
        raise UserError(
            f"no checkpoint can be written to {root} ({error.strerror}): give CHECKPOINT_DIR a folder that can be "
            "written to and has some gigabytes free"
        ) from None
    return folder


@contextmanager
def running_alone(folder: Path) -> Iterator[None]:
    """Be the only process that makes the run of a checkpoint folder: two would write over each other's curves.

    A DVC that is killed may leave its training at work, and DVC then begins another one. The lock is of this process
    and is gone with it, however that ends; children do not hold it.

    Raises:
        UserError: another process does.
    """
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            number = file.read().strip()
            raise UserError(
                f"this very run is being made by another process, {number}, perhaps left behind by a DVC that was "
                f"killed: wait for it, or stop it (`kill {number}`), then run this again"
            ) from None
        except OSError as error:  # a file system without locks
            say(f"train: {folder} cannot be locked ({error.strerror}): see that no other process makes this run")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


class Stopped(KeyboardInterrupt):
    """A training was asked to stop; the message says whether its state is saved."""


_DUE, _STOP = 1, 2  # what a process may want after a step; the greatest wish of all counts


class Checkpointer:
    """Saves a run as it goes: every so many seconds, at the end of an epoch, and when it is asked to stop.

    Also after a step that was skipped: what is wrong with its images shall be known after the run as well.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, request: StopRequest, *, every_s: float) -> None:
        """Start to count the time.

        Args:
            folder: of ``checkpoint_folder``.
            accelerator: of several processes one writes, when all have come to the same step.
            request: asks to stop.
            every_s: seconds between two checkpoints, at the least.
        """
        self._folder = folder
        self._accelerator = accelerator
        self._request = request
        self._every_s = every_s
        self._saved_at = time.monotonic()

    def after_step(self, state: TrainState) -> None:
        """Save the run if that is due.

        Raises:
            Stopped: somebody asked to stop.
        """
        skipped = bool(state.skipped) and tuple(state.skipped[-1][:2]) == (state.epoch, state.step - 1)
        due = skipped or time.monotonic() - self._saved_at >= self._every_s
        wish = all_reduce_max(_STOP if self._request else _DUE if due else 0, self._accelerator)
        saved = self.save(state) if wish else None
        if wish == _STOP:
            name = self._request.name() if self._request else "another process"
            if not saved:
                raise Stopped(
                    f"stopped by {name} after epoch {state.epoch}, step {state.step} of the next one; this could not "
                    "be saved: the same command goes on from the checkpoint before, or from the start"
                )
            raise Stopped(
                f"stopped by {name} after epoch {state.epoch}, step {state.step} of the next one; saved in "
                f"{self._folder}: the same command goes on from there"
            )

    def save(self, state: TrainState) -> bool:
        """Save the run; where that fails, say so and go on with the last good checkpoint.

        Returns:
            Whether it was saved; a process that does not write believes it.
        """
        content = state.state_dict(state.meter.of_all(self._accelerator))
        try:
            if self._accelerator.is_main_process:
                save_checkpoint(self._folder, content)
        except (OSError, RuntimeError) as error:  # torch writes with its own code, which raises what it likes
            say(f"train: no checkpoint could be written to {self._folder} ({error}): the one before stays")
            return False
        finally:
            self._saved_at = time.monotonic()
        return True


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint of a run; the one before stays beside it, and is replaced only by a whole one."""
    last = folder / FILE
    with replacing(last) as temporary:
        torch.save(state, temporary)
        with temporary.open("rb") as written:  # on the disk before anything else is given up
            os.fsync(written.fileno())
        if last.exists() and damage_of(last) is None:
            last.replace(folder / BEFORE)


def drop_spare(folder: Path) -> None:
    """Delete the checkpoint before the last one: a run that has ended needs no second."""
    if (folder / FILE).exists():
        (folder / BEFORE).unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the last whole checkpoint of a run; ``None`` where there is none. A damaged one is passed over, and said."""
    for path in (folder / FILE, folder / BEFORE):
        if not path.exists():
            continue
        if (damage := damage_of(path)) is None:
            return torch.load(path, map_location="cpu", weights_only=True)
        say(f"train: the checkpoint {path} is damaged ({damage}): going back to the one before, or to the start")
    return None


def damage_of(path: Path) -> str | None:
    """Name the part of a checkpoint that is damaged; ``None`` if it is whole.

    Every part is held against its CRC-32: torch.save writes them, torch.load does not look at them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError):
        return path.name
