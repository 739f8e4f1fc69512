"""A training of a minute's worth, of real parts, that tests disturb: imported by them, or run as a process of its own.

    tiny_training.py FOLDER OUT [--kill-at STEP] [--kill-in-save NUMBER] [--fail-at STEP]
                     [--stop-at STEP] [--poison] [--workers N] [--transformer] [--batch IMAGES]

FOLDER holds shards of ``train`` and ``val``; OUT gets the final state, and FOLDER/checkpoints the checkpoints. With
``--kill-at`` the process kills itself after so many steps, with ``--kill-in-save`` in the middle of a checkpoint,
and with ``--fail-at`` it ends by an error that leaves all it made alive. With ``--stop-at`` it waits after so many
steps until somebody stops it. With ``--poison`` the loss of the second step is not finite, in the first process.
"""

import argparse
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stages.config.schema import Augment, Model, RandomWeights, Train
from stages.learning import checkpoint
from stages.learning.checkpoint import Checkpointer, load_checkpoint
from stages.learning.context import TrainContext
from stages.learning.data import EpochBatches, PackedImages, PackedLoader, choose_train_eval, epoch_order
from stages.learning.device import Batch, ColorTransform, Mixing
from stages.learning.loop import train
from stages.learning.losses import Loss
from stages.learning.model import create_model
from stages.learning.processes import make_accelerator
from stages.learning.scores import Meter
from stages.learning.state import TrainState, init_state
from stages.runtime.errors import UserError
from stages.runtime.errors import run as run_as_command
from stages.runtime.signals import stop_requests
from tests.support.packed import open_split

IMAGE_PX = 48
ALIVE: list[object] = []  # until the process ends
PARAMS = Train(
    seed=3, epochs=3, batch_images=8, micro_batch_images=8, learning_rate=0.01, warmup_epochs=1.0, weight_decay=0.01,
    layer_decay=1.0, label_smoothing=0.1, clip_norm=1.0, ema_decay=None, loss="cross_entropy", logit_tau=1.0,
    sampling="natural", frozen_epochs=0, crt_epochs=0, crt_learning_rate=0.01, selection_metric="top1",
    max_skipped_steps=3, train_eval_images=7, expect_epoch=2, expect_top1=0.0,
)  # fmt: skip
PLAIN = Augment(crop="random", min_area=0.35, flip=True, randaugment=None, jitter=0.2, erase=0.0, mixup=0.0, cutmix=0.0)
RICH = Augment(
    crop="random_resized", min_area=0.35, flip=True, randaugment=9, jitter=0.2, erase=0.25, mixup=0.8, cutmix=1.0
)
NETWORK = Model(name="test_efficientnet", weights=RandomWeights(kind="random"), drop_rate=0.2, drop_path_rate=0.1)
# Layer norms, so that how a batch is divided changes nothing but rounding.
TRANSFORMER = Model(name="test_vit", weights=RandomWeights(kind="random"), drop_rate=0.0, drop_path_rate=0.0)


def make(
    folder: Path, params: Train = PARAMS, augment: Augment = PLAIN, network: Model = NETWORK, *, workers: int = 0
) -> tuple[TrainState, TrainContext]:
    """Make a training over the shards of a folder: its state, and what it is trained with."""
    accelerator = make_accelerator()
    torch.set_num_threads(1)  # of the processes that tests start, each has a core at the most
    splits = {name: open_split(folder, name) for name in ("train", "val")}
    model = create_model(network, classes=3, image_px=IMAGE_PX, seed=params.seed)
    where = {"process": accelerator.process_index, "processes": accelerator.num_processes}
    shuffled = EpochBatches(
        splits["train"].labels, step_images=params.batch_images, micro_images=params.micro_batch_images,
        seed=params.seed, sampling=params.sampling, pairs=bool(augment.mixup or augment.cutmix), **where,
    )  # fmt: skip

    def in_order(images: PackedImages) -> PackedLoader:
        batches = EpochBatches(images.labels, step_images=5 * where["processes"], micro_images=5, **where)
        return PackedLoader(images, batches, workers=workers)

    train_images = np.bincount(splits["train"].labels, minlength=3)
    context = TrainContext(
        params=params,
        color=ColorTransform((0.5,) * 3, (0.25,) * 3),
        mixing=Mixing(augment, 3, seed=params.seed, smoothing=params.label_smoothing, device=accelerator.device),
        loss=Loss(params, torch.from_numpy(train_images)),
        accelerator=accelerator,
        train_loader=PackedLoader(
            PackedImages(splits["train"], IMAGE_PX, augment, seed=params.seed), shuffled, workers=workers
        ),
        val_loader=in_order(PackedImages(splits["val"], IMAGE_PX)),
        train_eval_loader=in_order(
            PackedImages(splits["train"], IMAGE_PX, chosen=choose_train_eval(30, 7, params.seed))
        ),
    )
    return init_state(model, params, accelerator), context


class Poison(nn.Module):
    """The colors, but not a number for the training batches whose first image is one of some."""

    def __init__(self, color: nn.Module, of: set[tuple[int, int]]) -> None:
        """Wrap ``color``; ``of`` are epochs and indices of images."""
        super().__init__()
        self.color = color
        self.of = of

    def forward(self, batch: Batch) -> torch.Tensor:
        images = self.color(batch)
        return images * float("nan") if batch.jitter is not None and batch.first[:2] in self.of else images


def poisoned(context: TrainContext, of: set[tuple[int, int]]) -> TrainContext:
    """Give a context with such colors."""
    return TrainContext(**vars(context) | {"color": Poison(context.color, of)})


def main(words: list[str] | None = None) -> None:
    """Train or go on, perhaps to be killed, and write the final state.

    Args:
        words: of the command line; ``None`` for those of this process.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kill-at", type=int)
    parser.add_argument("--kill-in-save", type=int)
    parser.add_argument("--fail-at", type=int)
    parser.add_argument("--stop-at", type=int)
    parser.add_argument("--poison", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--transformer", action="store_true")
    parser.add_argument("--batch", type=int, default=PARAMS.batch_images)
    arguments = parser.parse_args(words)
    params = PARAMS.model_copy(update={"ema_decay": 0.9, "crt_epochs": 1, "batch_images": arguments.batch})
    network = TRANSFORMER if arguments.transformer else NETWORK
    state, context = make(arguments.folder, params, network=network, workers=arguments.workers)
    ALIVE.append(context)
    if arguments.poison:
        batches = context.train_loader.batches
        order = epoch_order(batches.labels, params.seed, 0)
        context = poisoned(context, {(0, int(order[batches.images_in(0)]))})
    main_process = context.accelerator.is_main_process
    checkpoints = arguments.folder / "checkpoints"
    if saved := load_checkpoint(checkpoints):
        state.load_state_dict(saved)
        if not main_process:
            state.meter = Meter()
    if arguments.kill_in_save is not None:
        kill_in_save(arguments.kill_in_save)
    done = 0
    with stop_requests() as request:
        checkpointer = Checkpointer(checkpoints, context.accelerator, request, every_s=0)

        def after_step(state: TrainState) -> None:
            nonlocal done
            done += 1
            print(f"step {done}", flush=True)  # noqa: T201
            while done == arguments.stop_at and not request:
                time.sleep(0.01)  # between looks for what will come, however late
            checkpointer.after_step(state)
            if done == arguments.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if done == arguments.fail_at:
                raise UserError("that is enough")

        train(state, context, after_step=after_step, after_epoch=lambda state, _clock: checkpointer.save(state))
    if main_process:
        torch.save(state.state_dict(state.meter), arguments.out)


def kill_in_save(number: int) -> None:
    """Let the process die when half of its so-manieth checkpoint is written."""
    save, saves = torch.save, 0

    def dying_save(state: dict, path: Path) -> None:
        nonlocal saves
        saves += 1
        save(state, path)
        if saves == number:
            os.truncate(path, Path(path).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.torch.save = dying_save


if __name__ == "__main__":
    run_as_command(main)
