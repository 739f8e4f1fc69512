"""What a run is about to do, in words."""

import shutil
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from accelerate import Accelerator

from stages.config.schema import Params, Train
from stages.learning.clock import Clock
from stages.learning.context import TrainContext
from stages.learning.processes import peak_memory
from stages.learning.split import PackedSplit
from stages.learning.state import TrainState
from stages.runtime.progress import say
from stages.runtime.wording import duration_in_words, size_in_words

TIMED_STEPS = 12
WARM_UP_STEPS = 4  # of these


def say_summary(
    params: Params,
    packed: dict[str, PackedSplit],
    species: list[str],
    state: TrainState,
    context: TrainContext,
    *,
    folder: Path,
) -> None:
    """Say what is about to be trained, on what, and from where."""
    batches, processes = context.train_loader.batches, context.accelerator.num_processes
    at_once = f"{state.micro_images or batches.micro_images} at once"
    at_once += f" in each of {processes} processes" if processes > 1 else ""
    weights = sum(parameter.numel() for parameter in state.model.parameters())
    free = shutil.disk_usage(folder).free
    say(
        f"train: {params.model.name} at {params.image.train_px} px, {weights / 1e6:.1f} million weights; "
        f"{len(species):,} species, {len(packed['train']):,} images to train, {len(packed['val']):,} to validate"
    )
    say(
        f"train: {params.train.epochs + params.train.crt_epochs} epochs of {batches.steps:,} steps of "
        f"{batches.step_images} images, {at_once}, on {describe_device(context.accelerator)}"
    )
    if context.compiled:
        say("train: the first step compiles the network, which takes minutes")
    where = (
        f"resumed after epoch {state.epoch}, step {state.step}" if state.epoch or state.step else "from the first step"
    )
    say(f"train: {where}; checkpoints in {folder} ({size_in_words(free)} free)")


class Pace:
    """Says once, from the first steps of the whole network that a process makes, how long the run takes."""

    def __init__(self, context: TrainContext) -> None:
        """Prepare."""
        self._context = context
        self._at: float | None = None
        self._times: list[float] = []

    def after_step(self, state: TrainState) -> None:
        """Take note of a step that ends now."""
        if len(self._times) == TIMED_STEPS or state.phase != "all":
            return
        before, self._at = self._at, time.perf_counter()
        if before is None or state.step == 1:  # since then there was a validation, too
            return
        self._times.append(self._at - before)
        if len(self._times) == TIMED_STEPS:
            say(f"train: {describe_pace(self._times, state, self._context)}")


def describe_pace(times: list[float], state: TrainState, context: TrainContext) -> str:
    """Say how long an epoch and what is left of the run take, and the memory of a step, by the seconds of some steps.

    The first of them only warm up.
    """
    params, batches = context.params, context.train_loader.batches
    epoch_s = float(np.median(times[WARM_UP_STEPS:] or times)) * batches.steps
    epochs = params.epochs + params.crt_epochs
    left_s = epoch_s * (epochs - state.epoch - state.step / batches.steps)
    return (
        f"an epoch takes about {duration_in_words(epoch_s)} without its validation, all that is left "
        f"{duration_in_words(left_s)}; a step of {batches.micro_images} images at once peaks at "
        f"{size_in_words(peak_memory(context.accelerator))}"
    )


def name_epoch(state: TrainState, params: Train) -> str:
    """Name the epoch that a run is in, and the step that it goes on from where that is not the first."""
    begun = f" from step {state.step + 1:,}" if state.step else ""
    return f"epoch {state.epoch + 1} of {params.epochs + params.crt_epochs}{begun}"


def describe_progress(state: TrainState, clock: Clock, accelerator: Accelerator) -> str:
    """Say how an epoch goes: the scores of its steps, images a second of this process, and the most memory it held."""
    scores, group = state.meter.scores(), state.optimizer.param_groups[0]
    rate = group["lr"] / group.get("lr_scale", 1.0)
    speed, waiting = clock.images / clock.seconds, clock.waiting_s / clock.seconds
    return (
        f"loss {scores.loss:.3f}, top-1 {scores.top1:.3f}, top-5 {scores.top5:.3f}, learning rate {rate:.2g}, "
        f"{speed:,.1f} images/s, {waiting:.1%} of the time for data, {size_in_words(peak_memory(accelerator))}"
    )


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


def describe_device(accelerator: Accelerator) -> str:
    """Name the device, its memory and the precision."""
    device = accelerator.device
    if device.type != "cuda":
        free = size_in_words(psutil.virtual_memory().available)
        return f"{device.type} in float32, {torch.get_num_threads()} threads, {free} of memory free"
    free, total = torch.cuda.mem_get_info(device)
    name, precision = torch.cuda.get_device_name(device), accelerator.mixed_precision
    return f"{name} in {precision}, {size_in_words(free)} of {size_in_words(total)} free"
