"""What was done last, where nothing is at work."""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from stages.runtime.lock import LOCK
from stages.runtime.peek import peek

RUN = Path("models/run.json")


class Past(NamedTuple):
    """What was done last.

    Attributes:
        locked_s: when dvc.lock was written, in seconds since 1970; ``None`` where there is none.
        trained_s: when the model was.
        epochs: that its training had.
        best_epoch: of these, from 1.
        best: the figures of that epoch.
        checkpoint_s: when the last checkpoint was.
        checkpoint: its folder.
    """

    locked_s: float | None
    trained_s: float | None
    epochs: int
    best_epoch: int
    best: dict[str, float]
    checkpoint_s: float | None
    checkpoint: Path | None


def see_past(root: Path, checkpoints: Path) -> Past:
    """Look for what was done last: by dvc.lock, by models/run.json and by the checkpoints."""
    trained_s = _written_s(root / RUN)
    epochs, best_epoch, best = 0, 0, {}
    with suppress(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        run = json.loads(peek(root / RUN))
        best_epoch = int(run["best_epoch"])
        row, epochs = run["history"][best_epoch - 1], len(run["history"])
        best = {name: float(row[name]) for name in ("val_top1", "val_top5")}
    saved = [(_written_s(path), path.parent) for path in checkpoints.glob("*/*.pt")]
    last = max(((when, folder) for when, folder in saved if when is not None), default=(None, None))
    return Past(_written_s(root / LOCK), trained_s if best else None, epochs, best_epoch, best, *last)


def _written_s(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
