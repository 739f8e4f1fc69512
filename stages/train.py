"""Stage ``train``: fine-tune the profile's timm model on the packed images -> models/, plots/curves.csv.

A run that was stopped, by whatever means, goes on from its last checkpoint when it is started again, and ends as it
would have. A run that has ended before, and is wanted again because something changed that makes no other result, is
taken over from DVC's cache. The weights kept are those of the epoch that is best in validation.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import polars as pl
from dvclive import Live  # pyright: ignore[reportPrivateImportUsage]

from stages.config.libraries import check_libraries
from stages.config.reading import plain_params, stage_params
from stages.config.schema import Params
from stages.config.sources import weights_note_path
from stages.learning.checkpoint import checkpoint_folder, running_alone
from stages.learning.clock import Clock
from stages.learning.finished import FinishedRun, take_over, write_run
from stages.learning.gate import pass_gate
from stages.learning.health import (
    baseline_warnings,
    epoch_warnings,
    label_warnings,
    say_warnings,
    stop_if_too_many_are_skipped,
)
from stages.learning.origin import Origin
from stages.learning.processes import all_reduce_max, make_accelerator
from stages.learning.run import make_run
from stages.learning.saved_model import WEIGHTS
from stages.learning.setup import Inputs, read_inputs
from stages.learning.summary import speed_of
from stages.learning.trained_on import read_seen
from stages.runtime.errors import run
from stages.runtime.last_run import GoneError
from stages.runtime.machine import machine_count, machine_flag
from stages.runtime.outputs import replacing, write_bytes
from stages.runtime.progress import say
from stages.tables.json_files import write_figures

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
GATE_IN = Path("data/gate.json")
# No dependency, as another probe shall train nothing again: it is read for a warning alone, and goes into no result.
BASELINE_IN = Path("metrics/baseline.json")
OUT = Path("models")
LIVE = Path("plots/train")
SPEED = Path("plots/speed")
CURVES = Path("plots/curves.csv")
METRICS = Path("metrics/train.json")
REPORT = Path("data/reports/train.json")

CHECKPOINT_MINUTES = 10
GROUPS = ("train_eval", "train", "val", "ema")  # of figures, each a folder of dvclive's; the longer name first
HEADLINE = ("train_top1", "val_top1", "val_top5", "val_mean_per_class_accuracy", "best_epoch")  # what people compare
_LIVE = {"dvcyaml": None, "save_dvc_exp": False, "report": None, "monitor_system": False}
WEIGHTS_IN_WORDS = {"val": "weights", "ema": "average of weights"}


def main() -> None:
    """Take the run over where it was made before, else make or resume it; write its figures."""
    params = stage_params("train")
    every_s = 60 * machine_count("CHECKPOINT_MINUTES", default=CHECKPOINT_MINUTES)
    retrain = machine_flag("RETRAIN")
    accelerator = make_accelerator()
    check_libraries("train")
    pass_gate(GATE_IN, stage="train")
    notes = weights_note_path(params.profile)
    inputs = read_inputs(plain_params("train"), splits=SPLITS_IN, shards=PACKED_IN, model=params.model, notes=notes)
    # Now: tables may change while it trains.
    seen, labels = read_seen(SPLITS_IN), (SPLITS_IN / "labels.csv").read_bytes()
    finished = find_finished(params, inputs) if accelerator.is_main_process and not retrain else None
    if not all_reduce_max(int(finished is not None), accelerator):  # the first process decides for all
        alone = running_alone(checkpoint_folder(inputs.identity)) if accelerator.is_main_process else nullcontext()
        with alone:
            finished = make_run(
                params,
                inputs,
                accelerator,
                shards=PACKED_IN,
                seen=seen,
                out=OUT,
                every_s=every_s,
                anew=retrain,
                log=live_log,
                warn=warnings_of(params, inputs),
            )
    if finished:
        write_results(finished, inputs.origin, labels)


def find_finished(params: Params, inputs: Inputs) -> FinishedRun | None:
    """Take the finished run over if DVC's cache holds it, else say why not; warn and stop as training it would.

    Raises:
        UserError: more of its steps were skipped than ``train.max_skipped_steps`` is now.
    """
    try:
        finished = take_over(inputs.identity, OUT)
    except GoneError as error:
        say(f"train: no run is taken over: {error}")
        return None
    stop_if_too_many_are_skipped(finished.skipped, params.train)
    with Live(str(LIVE), **_LIVE) as live:
        for row in finished.history:
            log_row(live, row)
    say_warnings(label_warnings(inputs.packed["train"].labels, inputs.packed["val"].labels))
    warn = warnings_of(params, inputs)
    for epochs in range(1, len(finished.history) + 1):
        say_warnings(warn(finished.history[:epochs]))
    say(f"train: this very run was made before: its {len(finished.history)} epochs are taken over from DVC's cache")
    return finished


def warnings_of(params: Params, inputs: Inputs) -> Callable[[list[dict[str, float]]], list[str]]:
    """Give what says after each epoch what looks wrong, beside a guessed expectation and a measured one."""
    baseline_top1 = read_baseline(BASELINE_IN)

    def warn(history: list[dict[str, float]]) -> list[str]:
        warnings = epoch_warnings(history, params.train, classes=len(inputs.species))
        return warnings + baseline_warnings(history, params.train, baseline_top1)

    return warn


def read_baseline(path: Path) -> float | None:
    """Give the baseline's top-1 in validation; none where the file is missing or says something else."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(path.read_bytes())["baseline_val_top1"])
    return None


def write_results(finished: FinishedRun, origin: Origin, labels: bytes) -> None:
    """Write all that is said of a run beside its weights, made now or taken over.

    Args:
        finished: the run.
        origin: what it began from.
        labels: the content of its labels.csv.
    """
    write_run(finished, OUT)
    write_bytes(OUT / "labels.csv", labels)
    write_curves(finished.history, CURVES)
    figures = figures_of(finished)
    write_figures(REPORT, figures | {"starting_weights": origin.said()})
    write_figures(METRICS, {name: figures[name] for name in HEADLINE if name in figures})
    what = WEIGHTS_IN_WORDS[finished.weights]
    say(f"train: kept the {what} of epoch {finished.best_epoch}, the best in validation, in {OUT / WEIGHTS}")


@contextmanager
def live_log(history: list[dict[str, float]]) -> Iterator[Callable[[dict[str, float], Clock], None]]:
    """Give what hands an epoch's figures to dvclive; it has those of ``history`` already.

    Never by its resume=True: outputs are gone by now, and rows would double. The history is replayed instead. Speeds go
    to a folder that is no output: they are never the same again, and dvc.lock would not be, either.
    """
    with Live(str(LIVE), **_LIVE) as live, Live(str(SPEED), **_LIVE) as speed:

        def log(row: dict[str, float], clock: Clock) -> None:
            log_row(live, row)
            for name, value in speed_of(clock).items() if clock.images else ():
                speed.log_metric(name, value)
            speed.next_step()

        for row in history:
            log_row(live, row)
        speed.step = len(history)
        yield log


def log_row(live: Live, row: dict[str, float]) -> None:
    """Hand an epoch's figures to dvclive, in one order: its files show it."""
    for name, value in sorted(row.items()):
        group = next((group for group in GROUPS if name.startswith(f"{group}_")), None)
        live.log_metric(f"{group}/{name.removeprefix(f'{group}_')}" if group else name, value)
    live.next_step()


def figures_of(finished: FinishedRun) -> dict[str, Any]:
    """Give the figures of the best epoch, of the weights that were kept, and which these are."""
    row = finished.history[finished.best_epoch - 1]
    trained = {name: row[name] for name in ("train_loss", "train_top1", "train_top5")}
    of_kept = {name: value for name, value in row.items() if name.startswith(f"{finished.weights}_")}
    kept = {f"val_{name.removeprefix(f'{finished.weights}_')}": value for name, value in of_kept.items()}
    known = {name: value for name, value in (trained | kept).items() if math.isfinite(value)}
    counts = {"epochs": len(finished.history), "skipped_steps": len(finished.skipped)}
    return known | {"best_epoch": finished.best_epoch} | counts


def write_curves(history: list[dict[str, float]], path: Path) -> None:
    """Write the four curves that a review looks at: a row an epoch."""
    curves = pl.DataFrame(
        [
            {"epoch": epoch}
            | {f"{split}_{metric}": round(row[f"{split}_{metric}"], 5) for metric in ("top1", "top5") for split in
               ("train", "val")}
            for epoch, row in enumerate(history, start=1)
        ]
    )  # fmt: skip
    with replacing(path) as temporary:
        curves.write_csv(temporary)


if __name__ == "__main__":
    run(main)
