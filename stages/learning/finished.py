"""A training that has ended: what of it is kept beside the weights, and finding it again instead of training anew.

DVC hashes files, so it runs the stage ``train`` for a comma in a docstring. models/run.json says of which identity the
weights are and how the epochs went, to the bit; all figures and curves are made of that. So a run whose identity is
that of the last one takes its model over, from DVC's cache, and has the rest written anew in seconds. What it was
trained on comes with it: groups may have other names by now, and it has seen what it has seen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.config.schema import Sha256
from stages.learning.origin import DESCRIPTION
from stages.learning.saved_model import WEIGHTS, check_saved
from stages.learning.state import TrainState
from stages.learning.trained_on import TRAINED_ON_FILE
from stages.runtime.digests import sha256_of
from stages.runtime.errors import UserError
from stages.runtime.last_run import GoneError, differing, last_run
from stages.tables.json_files import parse_json, write_json

RUN = "run.json"
_FILES = (WEIGHTS, DESCRIPTION, TRAINED_ON_FILE)


@dataclass(frozen=True)
class FinishedRun:
    """How a training went.

    Attributes:
        identity: of ``stages.learning.identity.run_identity``.
        history: a row of figures an epoch.
        best_epoch: whose weights were kept, from 1.
        weights: which of its weights: ``val``, or ``ema`` for their average.
        skipped: epoch, step and image names of the steps whose loss was not finite.
        files: SHA-256 of the weights and what belongs to them, by name: they are of this run.
    """

    identity: dict[str, Any]
    history: list[dict[str, float]]
    best_epoch: int
    weights: str
    skipped: list[tuple[int, int, list[str]]]
    files: dict[str, str]


def finished_run(identity: dict[str, Any], state: TrainState, folder: Path) -> FinishedRun:
    """Give what is kept of a training that has come to its end and saved its weights in ``folder``."""
    files = {name: sha256_of(folder / name) for name in _FILES}
    return FinishedRun(identity, state.history, state.kept.epoch, state.kept.weights, state.skipped, files)


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
        OSError: the weights cannot be written.
    """
    with last_run() as last:
        content = last.read(folder / RUN)
        try:
            saved = parse_json(content)
        except ValueError as error:
            raise GoneError(f"the last run's {folder / RUN} is of another version ({error})") from None
        if others := differing(identity, saved.get("identity")):
            raise GoneError(f"the last run had {others}")
        try:
            run = _read(identity, saved)
        except (KeyError, ValueError):
            raise GoneError(f"the last run's {folder / RUN} is of another version") from None
        stored = {name: last.file(folder / name) for name in _FILES}
        if others := [name for name, path in stored.items() if run.files[name] != sha256_of(path)]:
            raise GoneError(f"the last run's {folder / others[0]} is not that of its {RUN}")
        try:
            check_saved(stored[DESCRIPTION], stored[TRAINED_ON_FILE])
        except UserError:
            raise GoneError("the last run's model is of another version") from None
        for name, path in stored.items():
            last.place(path, folder / name)
    return run


class _Saved(BaseModel):
    """What run.json says."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    identity: dict[str, Any]
    history: Annotated[list[dict[str, int | float | Literal["nan", "inf", "-inf"]]], Field(min_length=1)]
    best_epoch: Annotated[int, Field(ge=1)]
    weights: Literal["val", "ema"]
    # JSON has lists alone: so a list is taken for a tuple, and nothing in it for anything else.
    skipped: list[Annotated[tuple[int, int, list[str]], Field(strict=False)]]
    files: dict[str, Sha256]


def _read(identity: dict[str, Any], content: dict[str, Any]) -> FinishedRun:
    saved = _Saved.model_validate(content)
    history = [{name: _from_json(value) for name, value in row.items()} for row in saved.history]
    if saved.best_epoch > len(history):
        raise ValueError(saved.best_epoch)
    needed = {f"{group}_{name}" for group in ("train", "val", saved.weights) for name in ("loss", "top1", "top5")}
    if saved.files.keys() != {*_FILES} or not all(needed <= row.keys() for row in history):
        raise KeyError(*needed)
    return FinishedRun(identity, history, saved.best_epoch, saved.weights, saved.skipped, saved.files)


def _in_json(value: float) -> float | str:
    return value if value - value == 0 else str(value)


def _from_json(value: float | str) -> float:
    return float(value) if isinstance(value, str) else value
