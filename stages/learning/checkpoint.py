"""Checkpoints: where an interrupted training goes on, outside of everything that DVC deletes.

DVC removes a stage's outputs before it runs the stage, and `dvc exp run --temp` runs it in a copy that is thrown away.
So checkpoints are in $CHECKPOINT_DIR, else in .dvc/tmp/checkpoints of the repo itself (DVC_ROOT points at it in every
case), in a folder named by a digest of all that makes the run: parameters, inputs and code. The same run finds its
checkpoint again, another one never does, and a 384 px run cannot trip over the leftovers of a 224 px run.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from stages.machine import machine_setting, repo_root, user_path
from stages.outputs import replacing, write_bytes
from stages.progress import say
from stages.provenance import code_digest

FILE = "last.pt"


def checkpoint_folder(*identity: str, code: Iterable[Path]) -> Path:
    """Name and make the folder of the run with this identity.

    Args:
        identity: the parameters and digests of the inputs, as text.
        code: the source files that make the result.

    Raises:
        OSError: nothing can be written there.
    """
    digest = hashlib.sha256()
    for part in identity:
        digest.update(f"{len(part)} {part}".encode())
    digest.update(code_digest(code).encode())
    setting = machine_setting("CHECKPOINT_DIR")
    root = user_path(setting) if setting else repo_root() / ".dvc/tmp/checkpoints"
    folder = root / digest.hexdigest()[:16]
    # Tried now: to find out after an epoch that nothing can be saved costs an hour.
    write_bytes(folder / ".writable", b"")
    (folder / ".writable").unlink()
    return folder


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint of a run; the one before is replaced only by a whole one."""
    with replacing(folder / FILE) as temporary:
        torch.save(state, temporary)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the checkpoint of a run; ``None`` where there is none, or where it is damaged, which is said.

    Every part is held against its CRC-32 first: torch.save writes them, torch.load does not look at them.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is None:
            return torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, EOFError, pickle.UnpicklingError, ValueError):
        damaged = path.name
    say(f"train: the checkpoint {path} is damaged ({damaged}): starting from the first epoch")
    return None
