"""Checkpoints: where an interrupted training goes on, outside of everything that DVC deletes.

DVC removes a stage's outputs before it runs the stage, and `dvc exp run --temp` runs it in a copy that is thrown away.
So checkpoints are in $CHECKPOINT_DIR, else in .dvc/tmp/checkpoints of the repo itself (DVC_ROOT points at it in every
case), in a folder named by a digest of all that makes the run: parameters, inputs and code. The same run finds its
checkpoint again, another one never does, and a 384 px run cannot trip over the leftovers of a 224 px run.
"""

import hashlib
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from stages.machine import machine_setting, repo_root
from stages.outputs import replacing

FILE = "last.pt"


def checkpoint_folder(*identity: str, code: Iterable[Path]) -> Path:
    """Name the folder of the run with this identity.

    Args:
        identity: the parameters and digests of the inputs, as text.
        code: the source files that make the result.
    """
    digest = hashlib.sha256()
    for part in identity:
        digest.update(f"{len(part)} {part}".encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    setting = machine_setting("CHECKPOINT_DIR")
    root = Path(setting).expanduser() if setting else repo_root() / ".dvc/tmp/checkpoints"
    return root / digest.hexdigest()[:16]


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write the checkpoint of a run; the one before is replaced only by a whole one."""
    with replacing(folder / FILE) as temporary:
        torch.save(state, temporary)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the checkpoint of a run; ``None`` where there is none, or none that can be read."""
    try:
        return torch.load(folder / FILE, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except (RuntimeError, EOFError, pickle.UnpicklingError, OSError):
        return None
