"""Stage ``train``: fine-tune the profile's timm model on the packed images -> models/, plots/curves.csv.

A run that was stopped, by whatever means, goes on from its last checkpoint when it is started again, and ends as it
would have. A run that has ended before, and is wanted again because something changed that makes no other result, is
taken over from DVC's cache. The weights kept are those of the epoch that is best in validation.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import polars as pl
from accelerate import Accelerator
from dvclive import Live  # pyright: ignore[reportPrivateImportUsage]

from stages.config.libraries import say_other_versions
from stages.config.reading import plain_params, stage_params
from stages.config.schema import Params, Train
from stages.learning.checkpoint import Checkpointer, checkpoint_folder, drop_spare, load_checkpoint
from stages.learning.finished import FinishedRun, finished_run, take_over, write_run
from stages.learning.health import epoch_warnings, label_warnings
from stages.learning.loop import Clock, train
from stages.learning.model import WEIGHTS, save_model
from stages.learning.processes import all_reduce_max, make_accelerator
from stages.learning.scores import Meter
from stages.learning.setup import Inputs, read_inputs, set_up
from stages.learning.state import TrainState
from stages.learning.summary import Pace, say_summary
from stages.runtime.errors import run
from stages.runtime.last_run import GoneError
from stages.runtime.machine import machine_count, machine_flag
from stages.runtime.outputs import replacing, write_bytes
from stages.runtime.progress import say
from stages.runtime.signals import stop_requests
from stages.tables.json_files import write_figures

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
OUT = Path("models")
LIVE = Path("plots/train")
SPEED = Path("plots/speed")
CURVES = Path("plots/curves.csv")
METRICS = Path("metrics/train.json")
REPORT = Path("data/reports/train.json")

CHECKPOINT_MINUTES = 10
GROUPS = ("train", "val", "ema", "train_eval")  # of figures, each a folder of dvclive's
HEADLINE = ("train_top1", "val_top1", "val_top5", "val_mean_per_class_accuracy", "best_epoch")  # what people compare
_LIVE = {"dvcyaml": None, "save_dvc_exp": False, "report": None, "monitor_system": False}
WEIGHTS_IN_WORDS = {"val": "weights", "ema": "average of weights"}


def main() -> None:
    """Take the run over where it was made before, else make or resume it; write its figures."""
    params = stage_params("train")
    every_s = 60 * machine_count("CHECKPOINT_MINUTES", default=CHECKPOINT_MINUTES)
    retrain = machine_flag("RETRAIN")
    accelerator = make_accelerator()
    if accelerator.is_main_process:
        say_other_versions("train")
    inputs = read_inputs(plain_params("train"), splits=SPLITS_IN, shards=PACKED_IN)
    finished = find_finished(inputs) if accelerator.is_main_process and not retrain else None
    if not all_reduce_max(int(finished is not None), accelerator):  # the first process decides for all
        finished = make_run(params, inputs, accelerator, every_s=every_s, anew=retrain)
    if finished:
        write_results(finished)


def find_finished(inputs: Inputs) -> FinishedRun | None:
    """Take the finished run over if DVC's cache holds it; else say why not."""
    try:
        finished = take_over(inputs.identity, OUT)
    except GoneError as error:
        say(f"train: no finished run is taken over: {error}")
        return None
    with Live(str(LIVE), **_LIVE) as live:
        for row in finished.history:
            log_row(live, row)
    say(f"train: this very run was made before: its {len(finished.history)} epochs are taken over from DVC's cache")
    return finished


def make_run(
    params: Params, inputs: Inputs, accelerator: Accelerator, *, every_s: float, anew: bool
) -> FinishedRun | None:
    """Train, from the run's checkpoint where there is one, and save the best weights.

    Args:
        params: those of this stage.
        inputs: what it is of.
        accelerator: of ``make_accelerator``.
        every_s: seconds between two checkpoints, at the least.
        anew: a checkpoint of the run's end counts for nothing; one of its middle does.

    Returns:
        How it went; ``None`` in all processes but the first.
    """
    checkpoints = checkpoint_folder(inputs.identity)
    state, description, context = set_up(params, inputs, accelerator, shards=PACKED_IN)
    saved = load_checkpoint(checkpoints)
    if saved and goes_on(saved["epoch"], params.train, anew=anew):
        state.load_state_dict(saved)
        if not accelerator.is_main_process:
            state.meter = Meter()  # the saved one is of all processes
    if accelerator.is_main_process:
        say_summary(params, inputs.packed, inputs.species, state, context, folder=checkpoints)
        warn(label_warnings(inputs.packed["train"].labels, inputs.packed["val"].labels))

    # Never resume=True: outputs are gone by now, and rows would double. The history is replayed instead.
    with (
        stop_requests() as request,
        live_log(state.history) if accelerator.is_main_process else nullcontext() as log_epoch,
    ):
        checkpointer = Checkpointer(checkpoints, accelerator, request, every_s=every_s)
        pace = Pace(context)

        def after_step(state: TrainState) -> None:
            checkpointer.after_step(state)
            if log_epoch:
                pace.after_step(state)

        def after_epoch(state: TrainState, clock: Clock) -> None:
            checkpointer.save(state)
            if log_epoch:
                log_epoch(state.history[-1], clock)
                say(describe_epoch(state.epoch, state.history[-1], clock))
                warn(epoch_warnings(state.history, params.train, classes=len(inputs.species)))

        train(state, context, after_step=after_step, after_epoch=after_epoch)
    if not accelerator.is_main_process:
        return None
    save_model(OUT, state.kept.state, description)
    drop_spare(checkpoints)
    return finished_run(inputs.identity, state)


def goes_on(epochs_done: int, params: Train, *, anew: bool) -> bool:
    """Say whether a run goes on from its checkpoint: one that shall be made anew does so from its middle alone."""
    return not anew or epochs_done < params.epochs + params.crt_epochs


def write_results(finished: FinishedRun) -> None:
    """Write all that is said of a run beside its weights: made now or taken over, it is the same to the byte."""
    write_run(finished, OUT)
    write_bytes(OUT / "labels.csv", (SPLITS_IN / "labels.csv").read_bytes())
    write_curves(finished.history, CURVES)
    figures = figures_of(finished)
    write_figures(REPORT, figures)
    write_figures(METRICS, {name: figures[name] for name in HEADLINE if name in figures})
    what = WEIGHTS_IN_WORDS[finished.weights]
    say(f"train: kept the {what} of epoch {finished.best_epoch}, the best in validation, in {OUT / WEIGHTS}")


def describe_epoch(epoch: int, row: dict[str, float], clock: Clock) -> str:
    """Say how an epoch went."""
    average = f" (average of weights {row['ema_top1']:.3f})" if "ema_top1" in row else ""
    how_fast = ""
    if clock.images:  # a run may go on after the last step of an epoch
        speed = speed_of(clock)
        how_fast = f"; {speed['images_per_s']:,.1f} images/s, {speed['data_wait_share']:.1%} of the time for data"
    return (
        f"epoch {epoch}: train loss {row['train_loss']:.3f}, top-1 {row['train_top1']:.3f}; validation loss "
        f"{row['val_loss']:.3f}, top-1 {row['val_top1']:.3f}{average}, top-5 {row['val_top5']:.3f}, mean per class "
        f"{row['val_mean_per_class_accuracy']:.3f}{how_fast}"
    )


def speed_of(clock: Clock) -> dict[str, float]:
    """Give images a second of this process, and the share of its time that it waited for data."""
    return {"images_per_s": clock.images / clock.seconds, "data_wait_share": clock.waiting_s / clock.seconds}


def warn(warnings: list[str]) -> None:
    """Say what looks wrong."""
    for warning in warnings:
        say(f"train: WARNING: {warning}")


@contextmanager
def live_log(history: list[dict[str, float]]) -> Iterator[Callable[[dict[str, float], Clock], None]]:
    """Give what hands an epoch's figures to dvclive; it has those of ``history`` already.

    Speeds go to a folder that is no output: they are never the same again, and dvc.lock would not be, either.
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
        group, _, metric = name.partition("_")
        live.log_metric(f"{group}/{metric}" if group in GROUPS else name, value)
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
