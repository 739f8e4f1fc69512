"""Stage ``train``: fine-tune the profile's timm model on the packed images -> models/, plots/curves.csv.

A run that was stopped, by whatever means, goes on from its last checkpoint when it is started again, and ends as it
would have. The weights kept are those of the epoch that is best in validation.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import polars as pl
from dvclive import Live  # pyright: ignore[reportPrivateImportUsage]

from stages.config.reading import stage_params
from stages.learning.checkpoint import Checkpointer, drop_spare, load_checkpoint
from stages.learning.health import epoch_warnings, label_warnings
from stages.learning.loop import Clock, train
from stages.learning.model import WEIGHTS, save_model
from stages.learning.processes import make_accelerator
from stages.learning.scores import Meter
from stages.learning.setup import set_up
from stages.learning.state import TrainState
from stages.learning.summary import Pace, say_summary
from stages.runtime.errors import run
from stages.runtime.machine import machine_count
from stages.runtime.outputs import replacing, write_bytes, write_json
from stages.runtime.progress import say
from stages.runtime.signals import stop_requests

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
WEIGHTS_IN_WORDS = {"val": "weights", "ema": "average of weights"}


def main() -> None:
    """Load the splits, make or resume the run, train, save the best weights with their order of labels."""
    params = stage_params("train")
    every_s = 60 * machine_count("CHECKPOINT_MINUTES", default=CHECKPOINT_MINUTES)
    accelerator = make_accelerator()
    species, packed, state, description, context, checkpoints = set_up(
        params, accelerator, splits=SPLITS_IN, shards=PACKED_IN
    )
    if saved := load_checkpoint(checkpoints):
        state.load_state_dict(saved)
        if not accelerator.is_main_process:
            state.meter = Meter()  # the saved one is of all processes
    if accelerator.is_main_process:
        say_summary(params, packed, species, state, context, folder=checkpoints)
        warn(label_warnings(packed["train"].labels, packed["val"].labels))

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
                warn(epoch_warnings(state.history, params.train, classes=len(species)))

        train(state, context, after_step=after_step, after_epoch=after_epoch)
    if not accelerator.is_main_process:
        return

    best = state.kept
    save_model(OUT, best.state, description)
    write_bytes(OUT / "classes.csv", (SPLITS_IN / "classes.csv").read_bytes())
    write_curves(state.history, CURVES)
    figures = figures_of(state)
    write_json(REPORT, figures)
    write_json(METRICS, {name: figures[name] for name in HEADLINE if name in figures})
    drop_spare(checkpoints)
    what = WEIGHTS_IN_WORDS[best.weights]
    say(f"train: kept the {what} of epoch {best.epoch}, the best in validation, in {OUT / WEIGHTS}")


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
    settings = {"dvcyaml": None, "save_dvc_exp": False, "report": None, "monitor_system": False}
    with Live(str(LIVE), **settings) as live, Live(str(SPEED), **settings) as speed:

        def log_epoch(row: dict[str, float]) -> None:
            for name, value in row.items():
                group, _, metric = name.partition("_")
                live.log_metric(f"{group}/{metric}" if group in GROUPS else name, value)
            live.next_step()

        def log(row: dict[str, float], clock: Clock) -> None:
            log_epoch(row)
            for name, value in speed_of(clock).items() if clock.images else ():
                speed.log_metric(name, value)
            speed.next_step()

        for row in history:
            log_epoch(row)
        speed.step = len(history)
        yield log


def figures_of(state: TrainState) -> dict[str, Any]:
    """Give the figures of the best epoch, of the weights that were kept, and which these are."""
    best = state.kept
    row = state.history[best.epoch - 1]
    trained = {name: row[name] for name in ("train_loss", "train_top1", "train_top5")}
    of_kept = {name: value for name, value in row.items() if name.startswith(f"{best.weights}_")}
    kept = {f"val_{name.removeprefix(f'{best.weights}_')}": value for name, value in of_kept.items()}
    known = {name: value for name, value in (trained | kept).items() if math.isfinite(value)}
    return known | {"best_epoch": best.epoch, "epochs": state.epoch, "skipped_steps": len(state.skipped)}


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
