"""What a run is about to do, in words."""

import shutil
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from accelerate import Accelerator

from stages.config.schema import Params
from stages.images.shards import PackedSplit
from stages.learning.processes import peak_memory
from stages.learning.recipe import Recipe
from stages.learning.run import Run
from stages.runtime.progress import say, size_in_words

TIMED_STEPS = 12
WARM_UP_STEPS = 4  # of these


def announce(
    params: Params, packed: dict[str, PackedSplit], species: list[str], run: Run, recipe: Recipe, *, folder: Path
) -> None:
    """Say what is about to be trained, on what, and from where."""
    batches, processes = recipe.train_loader.batch_sampler, recipe.accelerator.num_processes
    at_once = f"{run.micro_images or batches.micro_images} at once"
    at_once += f" in each of {processes} processes" if processes > 1 else ""
    weights = sum(parameter.numel() for parameter in run.model.parameters())
    free = shutil.disk_usage(folder).free
    say(
        f"train: {params.model.name} at {params.image.train_px} px, {weights / 1e6:.1f} million weights; "
        f"{len(species):,} species, {len(packed['train']):,} images to train, {len(packed['val']):,} to validate"
    )
    say(
        f"train: {params.train.epochs + params.train.head_epochs} epochs of {batches.steps:,} steps of "
        f"{batches.step_images} images, {at_once}, on {describe_device(recipe.accelerator)}"
    )
    if recipe.compiled:
        say("train: the first step compiles the network, which takes minutes")
    where = f"resumed after epoch {run.epoch}, step {run.step}" if run.epoch or run.step else "from the first step"
    say(f"train: {where}; checkpoints in {folder} ({size_in_words(free)} free)")


class Pace:
    """Says once, from the first steps of the whole network that a process makes, how long the run takes."""

    def __init__(self, recipe: Recipe) -> None:
        """Prepare."""
        self._recipe = recipe
        self._at: float | None = None
        self._times: list[float] = []

    def after_step(self, run: Run) -> None:
        """Take note of a step that ends now."""
        if len(self._times) == TIMED_STEPS or run.phase != "all":
            return
        before, self._at = self._at, time.perf_counter()
        if before is None or run.step == 1:  # since then there was a validation, too
            return
        self._times.append(self._at - before)
        if len(self._times) == TIMED_STEPS:
            say(f"train: {describe_pace(self._times, run, self._recipe)}")


def describe_pace(times: list[float], run: Run, recipe: Recipe) -> str:
    """Say how long an epoch and what is left of the run take, and the memory of a step, by the seconds of some steps.

    The first of them only warm up.
    """
    params, batches = recipe.params, recipe.train_loader.batch_sampler
    epoch_s = float(np.median(times[WARM_UP_STEPS:] or times)) * batches.steps
    epochs = params.epochs + params.head_epochs
    left_s = epoch_s * (epochs - run.epoch - run.step / batches.steps)
    return (
        f"an epoch takes about {duration_in_words(epoch_s)} without its validation, all that is left "
        f"{duration_in_words(left_s)}; a step of {batches.micro_images} images at once peaks at "
        f"{size_in_words(peak_memory(recipe.accelerator))}"
    )


def duration_in_words(seconds: float) -> str:
    """Give a time in the unit that fits: ``45 s``, ``12 minutes``, ``3.4 hours``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} hours"


def describe_device(accelerator: Accelerator) -> str:
    """Name the device, its memory and the precision."""
    device = accelerator.device
    if device.type != "cuda":
        free = size_in_words(psutil.virtual_memory().available)
        return f"{device.type} in float32, {torch.get_num_threads()} threads, {free} of memory free"
    free, total = torch.cuda.mem_get_info(device)
    name, precision = torch.cuda.get_device_name(device), accelerator.mixed_precision
    return f"{name} in {precision}, {size_in_words(free)} of {size_in_words(total)} free"
