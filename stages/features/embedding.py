"""Features of packed images by a frozen network: the same bytes for an image, wherever it stands and beside whatever.

Libraries choose their code by the shape of a batch, and each choice rounds otherwise: another number of images changed
0.6 % of the values. So all batches have one shape, and the last is filled up. Within a batch of a multiple of 8 images
the place of an image makes no difference; within others it does (measured: ``tests/features/test_embedding.py``).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from stages.config.schema import Model
from stages.images import portable
from stages.images.shards import PackedShards
from stages.learning import (
    activations,
    arithmetic,
    augment,
    data,
    device,
    memory_layout,
    model,
    processes,
    starting_weights,
)
from stages.learning.arithmetic import deterministic_or_said
from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.memory_layout import set_layout
from stages.learning.model import create_model, timm_config
from stages.learning.origin import Origin
from stages.learning.split import PackedSplit
from stages.provenance.code import code_digest
from stages.provenance.libraries import TRAINING, installed_versions
from stages.runtime.errors import UserError
from stages.runtime.progress import progress

# What makes a feature of a JPEG and a file of weights, which comes in by its digest: how it is read, too.
_CODE = [
    Path(__file__),
    *(
        Path(str(module.__file__))
        for module in (
            activations,
            arithmetic,
            augment,
            data,
            device,
            memory_layout,
            model,
            portable,
            processes,
            starting_weights,
        )
    ),
]


def recipe(origin: Origin, *, image_px: int, batch_images: int) -> dict[str, Any]:
    """Give all that makes a feature of a packed JPEG: plain values, which can be written as JSON.

    Args:
        origin: of the network.
        image_px: side of what it sees.
        batch_images: images a batch.
    """
    of_network = {name: origin.identity()[name] for name in ("name", "options", "config", "sha256")}
    return {
        "network": of_network,
        "image_px": image_px,
        "batch_images": batch_images,
        "code": code_digest(_CODE),
        "libraries": installed_versions(TRAINING),
    }


def make_network(params: Model, origin: Origin, image_px: int) -> nn.Module:
    """Make a network with its starting weights and without its head: what it gives is a row of features an image.

    Args:
        params: section ``model`` of params.yaml, of which name and weights count.
        origin: of ``find_origin``.
        image_px: side of the images.

    Raises:
        UserError: as ``create_model``.
    """
    still = params.model_copy(update={"drop_rate": 0.0, "drop_path_rate": 0.0})
    return create_model(still, classes=0, image_px=image_px, seed=0, origin=origin).eval()


def embed(
    network: nn.Module,
    shards: PackedShards,
    places: Sequence[int],
    accelerator: Accelerator,
    *,
    image_px: int,
    batch_images: int,
    workers: int,
) -> Iterator[np.ndarray]:
    """Give the features of packed images, in order; several processes share the work, and each of them must iterate.

    Args:
        network: of ``make_network``, on the CPU; it goes to the accelerator's device.
        shards: all packed images.
        places: of the images that are wanted.
        accelerator: of ``make_accelerator``.
        image_px: side of what the network sees.
        batch_images: that a process looks at at once, a multiple of 8.
        workers: loader processes; 0 decodes in this process itself.

    Yields:
        A part of the rows, float16 [images, dimensions], until all have come; the same in each process.

    Raises:
        UserError: an image does not decode, or features of it are no numbers; it is named.
    """
    if not len(places):
        return
    config = timm_config(network)
    color = ColorTransform(config["mean"], config["std"]).to(accelerator.device)
    network = network.to(accelerator.device)
    set_layout(network, accelerator.device)
    step = batch_images * accelerator.num_processes
    filled = np.full(-(-len(places) // step) * step, places[-1], np.int64)
    filled[: len(places)] = places
    images = PackedSplit(shards, filled, np.zeros(len(filled), np.int64), fingerprint="")
    batches = EpochBatches(
        images.labels,
        step_images=step,
        micro_images=batch_images,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    loader = PackedLoader(PackedImages(images, image_px), batches, workers=workers)
    left = len(places)
    for loaded in progress(loader, what="embed", unit="batches", total=len(loader)):
        batch = loaded.to(accelerator.device)
        with torch.no_grad(), deterministic_or_said(), accelerator.autocast():
            found = network(color(batch)).float()
        if accelerator.num_processes > 1:
            found = cast(torch.Tensor, accelerator.gather(found))
        with np.errstate(over="ignore"):  # what is too large for 16 bits is said below
            rows = found.cpu().numpy()[:left].astype(np.float16)
        if len(wrong := np.flatnonzero(~np.isfinite(rows).all(1))):
            name = images.name(len(places) - left + int(wrong[0]))
            raise UserError(
                f"the network's features of {name} are no numbers of 16 bits (NaN or infinite): look at the image in "
                "data/packed, and at the profile's model.weights"
            )
        left -= len(rows)
        yield rows
