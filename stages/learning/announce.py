"""What a run is about to do, in words."""

import shutil
from pathlib import Path

import torch
from accelerate import Accelerator

from stages.images.shards import PackedSplit
from stages.learning.recipe import Recipe
from stages.learning.run import Run
from stages.params import Params
from stages.progress import say, size_in_words


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
