"""A training that has ended: what of it is kept beside the weights, and finding it again instead of training anew.

DVC hashes files, so it runs the stage ``train`` for a comma in a docstring. models/run.json says of which identity the
weights are and how the epochs went, to the bit; all figures and curves are made of that. So a run whose identity is
that of the last one takes its weights over, from DVC's cache, and has the rest written anew in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.learning.model import DESCRIPTION, WEIGHTS
from stages.learning.state import TrainState
from stages.runtime.last_run import GoneError, last_run
from stages.tables.json_files import write_json

RUN = "run.json"


@dataclass(frozen=True)
class FinishedRun:
    """How a training went.

    Attributes:
        identity: of ``stages.learning.identity.run_identity``.
        history: a row of figures an epoch.
        best_epoch: whose weights were kept, from 1.
        weights: which of its weights: ``val``, or ``ema`` for their average.
        skipped: epoch, step and image names of the steps whose loss was not finite.
    """

    identity: dict[str, Any]
    history: list[dict[str, float]]
    best_epoch: int
    weights: str
    skipped: list[tuple[int, int, list[str]]]


def finished_run(identity: dict[str, Any], state: TrainState) -> FinishedRun:
    """Give what is kept of a training that has come to its end."""
    return FinishedRun(identity, state.history, state.kept.epoch, state.kept.weights, state.skipped)


def write_run(run: FinishedRun, folder: Path) -> None:
    """Write run.json; a figure that is NaN or infinite, which JSON cannot say, is written in words."""
    history = [{name: _in_json(value) for name, value in row.items()} for row in run.history]
    write_json(folder / RUN, vars(run) | {"history": history})


def take_over(identity: dict[str, Any], folder: Path) -> FinishedRun:
    """Put the weights of the last run into ``folder``, if it was this very one, and give how it went.

    Args:
        identity: of the run that is wanted.
        folder: where models are, as dvc.yaml names it.

    Raises:
        GoneError: it was another run, or DVC's cache does not hold it whole; the message says which.
    """
    with last_run() as last:
        saved = last.read_json(folder / RUN)
        found = saved.get("identity", {})
        if others := _differing(identity, found):
            raise GoneError(f"the last run had {_in_words(others)}")
        try:
            history = [{name: _from_json(value) for name, value in row.items()} for row in saved["history"]]
            skipped = [(epoch, step, names) for epoch, step, names in saved["skipped"]]
            run = FinishedRun(found, history, saved["best_epoch"], saved["weights"], skipped)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise GoneError(f"the last run's {folder / RUN} is of another version") from None
        for name in (WEIGHTS, DESCRIPTION):
            last.restore(folder / name, folder / name)
    return run


def _in_json(value: float) -> float | str:
    return value if value - value == 0 else str(value)


def _from_json(value: float | str) -> float:
    return float(value) if isinstance(value, str) else value


def _differing(one: dict[str, Any], other: dict[str, Any], place: Sequence[str] = ()) -> list[str]:
    """Name what differs between two identities, down to the key."""
    names = []
    for name in sorted(one.keys() | other.keys()):
        ours, theirs = one.get(name), other.get(name)
        if ours == theirs:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            names += _differing(ours, theirs, [*place, name])
        else:
            names.append(".".join([*place, name]))
    return names


def _in_words(names: Sequence[str]) -> str:
    return f"other {', '.join(names[:4])}" + (f" and {len(names) - 4} more" if len(names) > 4 else "")
