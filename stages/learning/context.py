"""What a run is made of: shards, network and optimizer, loaders, loss; brought together from parameters."""

import os
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator

from stages.config.schema import Params, Train
from stages.learning.data import EpochBatches, PackedImages, PackedLoader, choose_train_eval
from stages.learning.device import ColorTransform, Mixing
from stages.learning.losses import Loss
from stages.learning.model import create_model
from stages.learning.origin import Origin
from stages.learning.saved_model import ModelDescription, describe
from stages.learning.split import PackedSplit
from stages.learning.state import TrainState, init_state
from stages.runtime.errors import UserError
from stages.runtime.machine import machine_count, machine_flag
from stages.runtime.progress import say


@dataclass(frozen=True)
class TrainContext:
    """What stays as it is while a run goes on.

    Attributes:
        params: section ``train`` of params.yaml.
        color: jitter and normalization on the device.
        mixing: erasing and mixing of training images there.
        loss: of training.
        accelerator: of ``make_accelerator``.
        train_loader: of training images.
        val_loader: of validation images, in their own order.
        train_eval_loader: of some training images as validation sees them, likewise. What they score tells a network
            that overfits from a pipeline that is broken: that one scores here no better than there.
        compiled: let torch.compile make the network faster.
        recomputes: activations are computed again for the gradient, instead of kept.
    """

    params: Train
    color: ColorTransform
    mixing: Mixing
    loss: Loss
    accelerator: Accelerator
    train_loader: PackedLoader
    val_loader: PackedLoader
    train_eval_loader: PackedLoader
    compiled: bool = False
    recomputes: bool = False


def new_state(
    params: Params, species: list[str], pack_px: int, accelerator: Accelerator, origin: Origin | None = None
) -> tuple[TrainState, ModelDescription]:
    """Make a run at its first step, and what describes its model.

    Args:
        params: those of the stage ``train``.
        species: in the order of labels.
        pack_px: side of the packed images.
        accelerator: of ``make_accelerator``.
        origin: of ``find_origin``; none for weights that no weights.json has to note.

    Raises:
        UserError: as ``create_model``, or the network cannot save memory in the way that is asked for.
    """
    side = params.image.train_px
    model = create_model(
        params.model,
        classes=len(species),
        image_px=side,
        seed=params.train.seed,
        origin=origin,
        species=species,
        tell=(lambda line: say(f"train: {line}")) if accelerator.is_main_process else None,
    )
    if machine_flag("GRADIENT_CHECKPOINTING"):
        try:
            cast(Any, model).set_grad_checkpointing(True)  # timm's networks have it, nn.Module has not
        except (AssertionError, AttributeError):
            raise UserError(f"{params.model.name} cannot save memory so: set GRADIENT_CHECKPOINTING=0") from None
    description = describe(model, params.model, image_px=side, pack_px=pack_px, species=species, origin=origin)
    return init_state(model, params.train, accelerator), description


def make_context(
    packed: dict[str, PackedSplit], params: Params, description: ModelDescription, accelerator: Accelerator
) -> TrainContext:
    """Bring together all that a run is trained with."""
    # On a CPU the model is what takes time, and a loader process beside it only takes a core from it.
    on_gpu = accelerator.device.type == "cuda"
    workers = machine_count("LOADER_WORKERS", default=min(8, max(1, (os.cpu_count() or 1) - 1)) if on_gpu else 0)
    side, seed, processes = params.image.train_px, params.train.seed, accelerator.num_processes
    where = {"process": accelerator.process_index, "processes": processes}
    of_train, of_val = packed["train"], packed["val"]
    micro = min(params.train.micro_batch_images, -(-params.train.batch_images // processes))
    mixing = Mixing(
        params.augment,
        description.classes,
        seed=seed,
        smoothing=params.train.label_smoothing,
        device=accelerator.device,
    )
    shuffled = EpochBatches(
        of_train.labels,
        step_images=params.train.batch_images,
        micro_images=micro,
        seed=seed,
        sampling=params.train.sampling,
        pairs=mixing.mixes,
        **where,
    )
    train_eval = choose_train_eval(len(of_train), params.train.train_eval_images, seed)

    def in_order(images: PackedImages) -> PackedLoader:
        batches = EpochBatches(images.labels, step_images=micro * processes, micro_images=micro, **where)
        return PackedLoader(images, batches, workers=min(workers, 2))

    train_images = np.bincount(of_train.labels, minlength=description.classes)
    return TrainContext(
        params=params.train,
        color=ColorTransform(description.mean, description.std).to(accelerator.device),
        mixing=mixing,
        loss=Loss(params.train, torch.from_numpy(train_images)).to(accelerator.device),
        accelerator=accelerator,
        train_loader=PackedLoader(PackedImages(of_train, side, params.augment, seed=seed), shuffled, workers=workers),
        val_loader=in_order(PackedImages(of_val, side)),
        train_eval_loader=in_order(PackedImages(of_train, side, chosen=train_eval)),
        compiled=machine_flag("COMPILE"),
        recomputes=machine_flag("GRADIENT_CHECKPOINTING"),
    )
