"""Stage ``train``: fine-tune the profile's timm model on the packed images -> models/, plots/curves.csv.

A run that was stopped, by whatever means, goes on from its last checkpoint when it is started again, and ends as it
would have. The weights kept are those of the epoch that is best in validation.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from accelerate import Accelerator
from dvclive import Live
from torch.utils.data import DataLoader

from stages.classes import check_order, digest_classes, read_classes
from stages.errors import UserError, run
from stages.images.shards import PackedSplit, check_shards
from stages.learning.checkpoint import Keeper, checkpoint_folder, load_checkpoint
from stages.learning.data import EpochBatches, PackedImages, choose_watched, make_loader
from stages.learning.device import Colour, Mixing
from stages.learning.doubts import doubts_about_labels, doubts_after_epoch
from stages.learning.loop import Clock, Recipe, train
from stages.learning.losses import Loss
from stages.learning.model import WEIGHTS, ModelDescription, create_model, describe, save_model
from stages.learning.processes import make_accelerator
from stages.learning.run import Run, start_run
from stages.learning.scores import Meter
from stages.learning.stop import stop_requests
from stages.machine import machine_count, machine_flag
from stages.outputs import replacing, write_bytes, write_json
from stages.params import Params, stage_params
from stages.progress import say, size_in_words

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
OUT = Path("models")
LIVE = Path("plots/train")
CURVES = Path("plots/curves.csv")
METRICS = Path("metrics/train.json")

CHECKPOINT_MINUTES = 10
GROUPS = ("train", "val", "ema", "watched", "speed")  # of figures, each a folder of dvclive's
WEIGHTS_IN_WORDS = {"val": "weights", "ema": "average of weights"}
CODE = [Path(__file__), *Path(__file__).parent.joinpath("learning").glob("*.py")]


def main() -> None:
    """Load the splits, make or resume the run, train, save the best weights with their order of labels."""
    params = stage_params("train")
    species = read_classes(SPLITS_IN / "classes.csv")
    check_shards(PACKED_IN, ("train", "val"))
    packed = {name: PackedSplit(PACKED_IN, name) for name in ("train", "val")}
    for split in packed.values():
        check_order(split.imprint.classes_sha256, digest_classes(species), where=str(PACKED_IN))
        if split.imprint.size_px != params.image.pack_px:
            raise UserError(
                f"{PACKED_IN} holds {split.imprint.size_px} px, not image.pack_px {params.image.pack_px}: "
                "run `dvc repro pack`"
            )
    if not len(packed["train"]) or not len(packed["val"]):
        raise UserError("train or val is empty: a species needs images of two observations to stand in both")

    accelerator = make_accelerator()
    model = create_model(params.model, classes=len(species), image_px=params.image.train_px, seed=params.train.seed)
    model.set_grad_checkpointing(machine_flag("GRADIENT_CHECKPOINTING"))
    description = describe(
        model, params.model, image_px=params.image.train_px, pack_px=params.image.pack_px, species=species
    )
    this_run = start_run(model, params.train, accelerator)
    recipe = make_recipe(packed, params, description, accelerator)
    checkpoints = checkpoint_folder(
        params.model_dump_json(), *(split.fingerprint() for split in packed.values()), code=CODE
    )
    if state := load_checkpoint(checkpoints):
        this_run.restore(state)
        if not accelerator.is_main_process:
            this_run.meter = Meter()  # the saved one is of all processes
    if accelerator.is_main_process:
        announce(params, packed, species, this_run, recipe, folder=checkpoints)
        warn(doubts_about_labels(packed["train"].labels, packed["val"].labels))

    # Never resume=True: outputs are gone by now, and rows would double. The history is replayed instead.
    with (
        stop_requests() as request,
        live_log(this_run.history) if accelerator.is_main_process else nullcontext() as log_epoch,
    ):
        every_s = 60 * machine_count("CHECKPOINT_MINUTES", default=CHECKPOINT_MINUTES)
        keeper = Keeper(checkpoints, accelerator, request, every_s=every_s)

        def after_epoch(run: Run, clock: Clock) -> None:
            keeper.save(run)
            if log_epoch:
                log_epoch(run.history[-1] | speed_of(clock))
                say(describe_epoch(run.epoch, run.history[-1], clock))
                warn(doubts_after_epoch(run.history, params.train, classes=len(species)))

        train(this_run, recipe, after_step=keeper.after_step, after_epoch=after_epoch)
    if not accelerator.is_main_process:
        return

    best = this_run.best
    save_model(OUT, best.state, description)
    write_bytes(OUT / "classes.csv", (SPLITS_IN / "classes.csv").read_bytes())
    write_curves(this_run.history, CURVES)
    write_json(METRICS, figures_of(this_run))
    what = WEIGHTS_IN_WORDS[best.weights]
    say(f"train: kept the {what} of epoch {best.epoch}, the best in validation, in {OUT / WEIGHTS}")


def make_recipe(
    packed: dict[str, PackedSplit], params: Params, description: ModelDescription, accelerator: Accelerator
) -> Recipe:
    """Bring together all that a run is trained with."""
    # On a CPU the model is what takes time, and a loader process beside it only takes a core from it.
    on_gpu = accelerator.device.type == "cuda"
    workers = machine_count("LOADER_WORKERS", default=min(8, max(1, (os.cpu_count() or 1) - 1)) if on_gpu else 0)
    side, seed, processes = params.image.train_px, params.train.seed, accelerator.num_processes
    where = {"process": accelerator.process_index, "processes": processes}
    of_train, of_val = packed["train"], packed["val"]
    micro = min(params.train.micro_batch_images, -(-params.train.batch_images // processes))
    shuffled = EpochBatches(
        of_train.labels,
        step_images=params.train.batch_images,
        micro_images=micro,
        seed=seed,
        sampling=params.train.sampling,
        **where,
    )
    watched = choose_watched(len(of_train), params.train.watched_images, seed)

    def in_order(images: PackedImages) -> DataLoader:
        batches = EpochBatches(images.labels, step_images=micro * processes, micro_images=micro, **where)
        return make_loader(images, batches, workers=workers)

    train_images = np.bincount(of_train.labels, minlength=description.classes)
    mixing = Mixing(
        params.augment,
        description.classes,
        seed=seed,
        smoothing=params.train.label_smoothing,
        device=accelerator.device,
    )
    return Recipe(
        params=params.train,
        colour=Colour(description.mean, description.std).to(accelerator.device),
        mixing=mixing,
        loss=Loss(params.train, torch.from_numpy(train_images)).to(accelerator.device),
        accelerator=accelerator,
        train_loader=make_loader(PackedImages(of_train, side, params.augment, seed=seed), shuffled, workers=workers),
        val_loader=in_order(PackedImages(of_val, side)),
        watched_loader=in_order(PackedImages(of_train, side, chosen=watched)),
        train_images=train_images,
        shots=params.shots,
        compiled=machine_flag("COMPILE"),
    )


def announce(
    params: Params, packed: dict[str, PackedSplit], species: list[str], run: Run, recipe: Recipe, *, folder: Path
) -> None:
    """Say what is about to be trained, on what, and from where."""
    batches, processes = recipe.train_loader.batch_sampler, recipe.accelerator.num_processes
    weights = sum(parameter.numel() for parameter in run.model.parameters())
    at_once = f"{batches.micro_images} at once" + (f" in each of {processes} processes" if processes > 1 else "")
    free = shutil.disk_usage(folder).free
    say(
        f"train: {params.model.name} at {params.image.train_px} px, {weights / 1e6:.1f} million weights; "
        f"{len(species):,} species, {len(packed['train']):,} images to train, {len(packed['val']):,} to validate"
    )
    say(
        f"train: {params.train.epochs + params.train.head_epochs} epochs of {batches.steps:,} steps of "
        f"{batches.step_images} images, {at_once}, on {describe_device(recipe.accelerator)}"
    )
    where = f"resumed after epoch {run.epoch}, step {run.step}" if run.epoch or run.step else "from the first step"
    say(f"train: {where}; checkpoints in {folder} ({size_in_words(free)} free)")


def describe_device(accelerator: Accelerator) -> str:
    """Name the device, its memory and the precision."""
    device = accelerator.device
    if device.type != "cuda":
        return f"{device.type} in float32, {torch.get_num_threads()} threads"
    free, total = torch.cuda.mem_get_info(device)
    name, precision = torch.cuda.get_device_name(device), accelerator.mixed_precision
    return f"{name} in {precision}, {size_in_words(free)} of {size_in_words(total)} free"


def describe_epoch(epoch: int, row: dict[str, float], clock: Clock) -> str:
    """Say how an epoch went."""
    average = f" (average of weights {row['ema_top1']:.3f})" if "ema_top1" in row else ""
    speed = speed_of(clock)
    return (
        f"epoch {epoch}: train loss {row['train_loss']:.3f}, top-1 {row['train_top1']:.3f}; validation loss "
        f"{row['val_loss']:.3f}, top-1 {row['val_top1']:.3f}{average}, top-5 {row['val_top5']:.3f}, mean per class "
        f"{row['val_mean_per_class_accuracy']:.3f}; {speed['speed_images_per_s']:,.1f} images/s, "
        f"{speed['speed_data_wait_share']:.1%} of the time for data"
    )


def speed_of(clock: Clock) -> dict[str, float]:
    """Give images a second of this process, and the share of its time that it waited for data."""
    seconds = max(clock.seconds, 1e-9)
    return {"speed_images_per_s": clock.images / seconds, "speed_data_wait_share": clock.waiting_s / seconds}


def warn(doubts: list[str]) -> None:
    """Say what looks wrong."""
    for doubt in doubts:
        say(f"train: WARNING: {doubt}")


@contextmanager
def live_log(history: list[dict[str, float]]) -> Iterator[Callable[[dict[str, float]], None]]:
    """Give what hands an epoch's figures to dvclive; it has those of ``history`` already."""
    with Live(str(LIVE), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False) as live:

        def log_epoch(row: dict[str, float]) -> None:
            for name, value in row.items():
                group, _, metric = name.partition("_")
                live.log_metric(f"{group}/{metric}" if group in GROUPS else name, value)
            live.next_step()

        for row in history:
            log_epoch(row)
        yield log_epoch


def figures_of(run: Run) -> dict[str, Any]:
    """Give the figures of the best epoch, of the weights that were kept, and which these are."""
    row, best = run.history[run.best.epoch - 1], run.best
    trained = {name: row[name] for name in ("train_loss", "train_top1", "train_top5")}
    of_kept = {name: value for name, value in row.items() if name.startswith(f"{best.weights}_")}
    kept = {f"val_{name.removeprefix(f'{best.weights}_')}": value for name, value in of_kept.items()}
    return trained | kept | {"best_epoch": best.epoch, "epochs": run.epoch, "skipped_steps": len(run.skipped)}


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
