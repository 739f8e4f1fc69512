"""Stage ``train``: fine-tune the profile's timm model on the packed images -> models/, plots/curves.csv.

A run that was stopped, by whatever means, goes on after its last whole epoch when it is started again. The weights
kept are those of the epoch with the best validation top-1.
"""

import os
from pathlib import Path

import polars as pl
from dvclive import Live

from stages.classes import check_order, digest_classes, read_classes
from stages.errors import UserError, run
from stages.images.shards import PackedSplit, check_shards
from stages.learning.checkpoint import checkpoint_folder, load_checkpoint, save_checkpoint
from stages.learning.data import PackedImages, make_loader
from stages.learning.device import Colour, Mixing
from stages.learning.loop import Run, make_accelerator, start_run, train
from stages.learning.model import WEIGHTS, create_model, describe, save_model
from stages.machine import machine_count
from stages.outputs import replacing, write_bytes, write_json
from stages.params import Params, stage_params
from stages.progress import say

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
OUT = Path("models")
LIVE = Path("plots/train")
CURVES = Path("plots/curves.csv")
METRICS = Path("metrics/train.json")
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
    description = describe(
        model, params.model, image_px=params.image.train_px, pack_px=params.image.pack_px, species=species
    )
    colour = Colour(description.mean, description.std).to(accelerator.device)
    mixing = Mixing(
        params.augment,
        len(species),
        seed=params.train.seed,
        smoothing=params.train.label_smoothing,
        device=accelerator.device,
    )
    this_run = start_run(model, params.train, accelerator)
    checkpoints = checkpoint_folder(
        params.model_dump_json(), *(split.fingerprint() for split in packed.values()), code=CODE
    )
    if state := load_checkpoint(checkpoints):
        this_run.restore(state)
    announce(params, packed, species, device=str(accelerator.device), epochs_done=this_run.epoch, folder=checkpoints)

    train_loader, val_loader = make_loaders(packed, params, on_gpu=accelerator.device.type == "cuda")
    # Never resume=True: outputs are gone by now, and rows would double. The history is replayed instead.
    with Live(str(LIVE), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False) as live:
        for row in this_run.history:
            log_epoch(live, row)

        def after_epoch(state: Run) -> None:
            save_checkpoint(checkpoints, state.state())
            log_epoch(live, state.history[-1])
            say(describe_epoch(state.epoch, state.history[-1]))

        train(this_run, train_loader, val_loader, colour, mixing, params.train, accelerator, after_epoch=after_epoch)

    save_model(OUT, this_run.best_state, description)
    write_bytes(OUT / "classes.csv", (SPLITS_IN / "classes.csv").read_bytes())
    write_curves(this_run.history, CURVES)
    best = this_run.best_epoch()
    write_json(METRICS, this_run.history[best - 1] | {"best_epoch": best, "epochs": this_run.epoch})
    say(f"train: kept the weights of epoch {best}, the best in validation, in {OUT / WEIGHTS}")


def make_loaders(packed: dict[str, PackedSplit], params: Params, *, on_gpu: bool) -> tuple:
    """Make the loaders of train (augmented, in the order of the epoch) and val (as it stands)."""
    # On a CPU the model is what takes time, and a loader process beside it only takes a core from it.
    workers = machine_count("LOADER_WORKERS", default=min(8, max(1, (os.cpu_count() or 1) - 1)) if on_gpu else 0)
    side, batch, seed = params.image.train_px, params.train.batch_images, params.train.seed
    augmented = PackedImages(packed["train"], side, params.augment, seed=seed)
    return (
        make_loader(augmented, batch_images=batch, seed=seed, workers=workers, sampling=params.train.sampling),
        make_loader(PackedImages(packed["val"], side), batch_images=batch, seed=None, workers=workers),
    )


def announce(
    params: Params, packed: dict[str, PackedSplit], species: list[str], *, device: str, epochs_done: int, folder: Path
) -> None:
    """Say what is about to be trained."""
    resumed = f", resumed after epoch {epochs_done} from {folder}" if epochs_done else ""
    say(
        f"train: {params.model.name} at {params.image.train_px} px on {device}: {len(species):,} species, "
        f"{len(packed['train']):,} images to train, {len(packed['val']):,} to validate, {params.train.epochs} epochs"
        f"{resumed}"
    )


def describe_epoch(epoch: int, row: dict[str, float]) -> str:
    """Say how an epoch went."""
    return (
        f"epoch {epoch}: train loss {row['train_loss']:.3f}, top-1 {row['train_top1']:.3f}; "
        f"validation loss {row['val_loss']:.3f}, top-1 {row['val_top1']:.3f}, top-5 {row['val_top5']:.3f}"
    )


def log_epoch(live: Live, row: dict[str, float]) -> None:
    """Hand an epoch's figures to dvclive."""
    for name, value in row.items():
        split, metric = name.split("_", 1)
        live.log_metric(f"{split}/{metric}", value)
    live.next_step()


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
