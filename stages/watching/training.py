"""How the epochs of a training went and how much time is left, by what it writes and notes."""

import re
from pathlib import Path
from typing import NamedTuple

from stages.runtime.notes import Note
from stages.runtime.peek import peek

LIVE = Path("plots/train/plots/metrics")  # where dvclive has a file a figure
FIGURES = ("train/loss", "train/top1", "val/loss", "val/top1", "val/top5", "learning_rate")

_EPOCH = re.compile(r"epoch (\d{1,9}) of (\d{1,9})(?: from step (\d[\d,]{0,14}))?$")


class Left(NamedTuple):
    """What time is left, in seconds, as far as that can be told.

    Attributes:
        work_s: of what is done now.
        run_s: of the whole training, validation included where one was seen.
    """

    work_s: float | None
    run_s: float | None


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """Give a row of ``FIGURES`` for each epoch that dvclive's files in a folder have in full, first to last."""
    columns = {name: read_column(folder / LIVE / f"{name}.tsv") for name in FIGURES}
    rows = []
    while all(len(rows) in column for column in columns.values()):
        rows.append({name: column[len(rows)] for name, column in columns.items()})
    return rows


def read_column(path: Path) -> dict[int, float]:
    """Give the figures of one of dvclive's files by step, from 0; a line that is half-written is none."""
    try:
        lines = peek(path).split("\n")
    except OSError:
        return {}
    column = {}
    for line in lines[1:-1]:  # behind the last line break nothing is whole
        step, _, value = line.partition("\t")
        try:
            column[int(step)] = float(value)
        except ValueError:
            continue
    return column


def time_left(note: Note) -> Left:
    """Estimate from a note what time is left: at the pace of the work so far, and as long for each epoch to come.

    Nothing is told of a work that stands still.
    """
    if note.waits or not (note.total and note.done and note.elapsed_s > 0):
        return Left(None, None)
    each_s = note.elapsed_s / note.done
    work_s = max(0, note.total - note.done) * each_s
    if not (found := _EPOCH.match(note.what)):
        return Left(work_s, None)
    epoch, epochs = int(found[1]), int(found[2])
    skipped = int(found[3].replace(",", "")) - 1 if found[3] else 0
    after_s = _after_an_epoch_s(note.ended)
    epoch_s = (note.total + skipped) * each_s
    return Left(work_s, work_s + (epochs - epoch) * epoch_s + (epochs - epoch + 1) * after_s)


def _after_an_epoch_s(ended: tuple[tuple[str, float], ...]) -> float:
    """Give what was done since the last epoch before this one: the scores of both splits."""
    seconds = 0.0
    for what, took_s in reversed(ended):
        if _EPOCH.match(what):
            return seconds
        seconds += took_s
    return 0.0
