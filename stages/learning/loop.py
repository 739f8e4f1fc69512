"""The training: a step, an epoch of steps, a validation, and again. It reads top to bottom.

Devices, mixed precision and its loss scaling are accelerate's; the same loop runs on a CPU and on GPUs, in one process
or in several that share each step. Whatever is drawn in a step is a function of (seed, epoch, step), so a run that goes
on from a checkpoint goes on as it would have.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from typing import cast

import numpy as np
import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import gather_object
from torch.nn.parallel import DistributedDataParallel

from stages.learning.arithmetic import deterministic_or_said
from stages.learning.clock import Clock
from stages.learning.context import TrainContext
from stages.learning.data import PackedLoader
from stages.learning.device import Batch
from stages.learning.health import (
    describe_skipped,
    say_not_finite,
    stop_if_too_many_are_not_finite,
    stop_if_too_many_are_skipped,
)
from stages.learning.model import head_modules
from stages.learning.predict import predict
from stages.learning.processes import all_reduce_max, broadcast_buffers
from stages.learning.rng import STEP, generator
from stages.learning.schedule import learning_rate, phase_of
from stages.learning.scores import Meter
from stages.learning.state import Best, TrainState
from stages.learning.summary import describe_progress, name_epoch
from stages.runtime.errors import UserError
from stages.runtime.progress import progress, say


def train(
    state: TrainState,
    context: TrainContext,
    *,
    after_step: Callable[[TrainState], None] = lambda state: None,
    after_epoch: Callable[[TrainState, Clock], None] = lambda state, clock: None,
) -> None:
    """Train from where ``state`` is to the end of the last epoch.

    Args:
        state: new, or restored from a checkpoint.
        context: all that it is trained with.
        after_step: called after each step: saves where that is due, and may raise to stop.
        after_epoch: called after each epoch.

    Raises:
        UserError: the loss was not finite too often, or is not in validation.
    """
    params = context.params
    if state.micro_images:
        context.train_loader.batches.micro_images = state.micro_images
    stop_if_too_many_are_skipped(state.skipped, params)  # also a run that goes on where it was stopped so
    try_one_image_alone(state, context)
    while state.epoch < params.epochs + params.crt_epochs:
        begin_phase(state, context)
        clock = train_epoch(state, context, after_step)
        state.history.append(validate(state, context))
        state.epoch, state.step = state.epoch + 1, 0
        state.meter = Meter()
        after_epoch(state, clock)


def try_one_image_alone(state: TrainState, context: TrainContext) -> None:
    """See that the network learns from one image at once, where an epoch leaves one alone; nothing is changed by it.

    Raises:
        UserError: it does not. Else that would show at the end of an epoch.
    """
    if not context.train_loader.batches.leaves_one_alone():
        return
    side, buffers = context.train_loader.images.image_px, list(state.model.buffers())
    before = [buffer.clone() for buffer in buffers]
    state.model.train()
    try:
        with torch.no_grad(), context.accelerator.autocast():
            _outputs(state.model, torch.zeros(1, 3, side, side, device=context.accelerator.device))
    finally:
        _put_back(buffers, before)


def begin_phase(state: TrainState, context: TrainContext) -> None:
    """Set the network to learn what it shall learn in the next epoch; see ``stages.learning.schedule.Phase``.

    The balanced head begins anew on top of the best weights so far, as classifier re-training does (Kang et al., ICLR
    2020). What does not learn is as in validation: its statistics stay, and it drops nothing.
    """
    phase = phase_of(state.epoch, context.params)
    if phase == "balanced_head" and state.phase != phase:
        state.model.load_state_dict(state.kept.state)
        torch.manual_seed(int(generator(context.params.seed, STEP, state.epoch).integers(2**63)))
        for module in head_modules(state.model):
            module.reset_parameters()
            for parameter in module.parameters():
                state.optimizer.state.pop(parameter, None)
        if state.ema:
            state.ema.module.load_state_dict(state.model.state_dict())
    state.phase = phase
    state.model.requires_grad_(phase == "all")
    for module in head_modules(state.model):
        module.requires_grad_(True)
    if state.called_in == phase:
        return
    network, state.called_in = state.model, phase
    if context.accelerator.num_processes > 1:
        # Buffers are made the same after each step: here, norms of the first micro-batch would count for all.
        network = DistributedDataParallel(network, forward_sync_buffers=False)
    state.network = torch.compile(network) if context.compiled else network


def train_epoch(state: TrainState, context: TrainContext, after_step: Callable[[TrainState], None]) -> Clock:
    """Make what is left of a pass over the training images; the meter's scores are of the steps, on changed images.

    Raises:
        UserError: the loss was not finite in more steps than ``train.max_skipped_steps``.
    """
    params, batches = context.params, context.train_loader.batches
    batches.epoch = state.epoch
    batches.sampling = "balanced" if state.phase == "balanced_head" else params.sampling
    state.model.train(state.phase == "all")
    for module in head_modules(state.model):
        module.train()
    clock = Clock()
    what, how_it_goes = name_epoch(state, params), partial(describe_progress, state, clock, context.accelerator)
    while state.step < batches.steps:
        batches.start = state.step
        loaded = _timed(context.train_loader, clock)
        steps, fits = range(state.step, batches.steps), True
        try:
            for step in progress(steps, what=what, total=len(steps), unit="steps", also=how_it_goes):
                set_rate(state.optimizer, learning_rate(state.epoch, step, batches.steps, params))
                train_step(state, context, loaded)
                state.step = step + 1
                after_step(state)
                stop_if_too_many_are_skipped(state.skipped, params)
                clock.seconds = time.perf_counter() - clock.start
        except TooLargeError:
            fits = False
        if not fits:  # while an error is handled, it holds the step's activations
            halve_micro_batches(state, context)
    return clock


def set_rate(optimizer: AcceleratedOptimizer, rate: float) -> None:
    """Set the learning rate of all parameters, each layer's by its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def train_step(state: TrainState, context: TrainContext, loaded: Iterator[Batch]) -> None:
    """Make the step ``state.step``: the gradient of the mean loss of its images, in micro-batches, and one update.

    A loss that is not finite, in whichever process, changes nothing: the step is skipped and noted.
    """
    params, accelerator = context.params, context.accelerator
    batches = context.train_loader.batches
    images, micro_batches = batches.images_in(state.step), batches.micro_batches_in(state.step)
    buffers = list(state.model.buffers())
    before = [buffer.clone() for buffer in buffers]
    seen = []
    try:
        for number in range(micro_batches):
            batch = next(loaded).to(accelerator.device)
            # Dropout draws from it. Seeded after the batch has come: a loader that begins draws a number, too.
            place = (state.epoch, state.step, accelerator.process_index, number)
            torch.manual_seed(int(generator(params.seed, STEP, *place).integers(2**63)))
            pixels, targets = context.mixing(context.color(batch), batch.labels, batch.first)
            with deterministic_or_said(), _gathering(state.network, last=number == micro_batches - 1):
                with accelerator.autocast():
                    logits = _outputs(state.network, pixels)
                losses = context.loss(logits.float(), targets)
                # Where activations are computed again for the gradient, norms take their statistics a second time.
                once = [buffer.clone() for buffer in buffers] if context.recomputes else []
                # Processes' gradients are averaged: so each gives its share of the images' mean, times their number.
                accelerator.backward(losses.sum() * (accelerator.num_processes / images))
                if once:
                    _put_back(buffers, once)
            seen.append((losses.detach(), logits.detach().float(), batch.labels))
        if not micro_batches:
            _add_nothing(state, context)
    except torch.OutOfMemoryError:
        state.optimizer.zero_grad()
        _put_back(buffers, before)
        raise TooLargeError from None
    norm = accelerator.clip_grad_norm_(state.model.parameters(), params.clip_norm)
    finite = all(bool(torch.isfinite(losses).all()) for losses, _, _ in seen)
    # With a scaler, gradients without an end are its own business: it skips the update and scales less.
    finite = finite and (state.scaler is not None or bool(torch.isfinite(cast(torch.Tensor, norm))))
    finite = not all_reduce_max(not finite, accelerator)
    if finite or state.scaler:
        state.optimizer.step()
    state.optimizer.zero_grad()
    if not finite:
        _put_back(buffers, before)
        _note_skipped(state, context)
        return
    broadcast_buffers(state.model, accelerator)
    if not state.optimizer.step_was_skipped:  # by the scaler
        state.updates += 1
        if state.ema:
            state.ema.update(state.model, step=state.updates)
    for one in seen:
        state.meter.add(*one)


def _outputs(network: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    try:
        return network(pixels)
    except ValueError as error:
        # Of a norm after the pooling, where there is nothing to take statistics of.
        if len(pixels) > 1 or "more than 1 value" not in str(error):
            raise
        raise UserError(
            "this network cannot learn from one image at once, as it has a norm after its pooling: set the profile's "
            "train.batch_images and train.micro_batch_images to 3 or more (4, where augment mixes images)"
        ) from None


def validate(state: TrainState, context: TrainContext) -> dict[str, float]:
    """Score the weights, and their average where there is one; keep the better ones if they are the best so far.

    An image of which a network says no numbers counts as wrong, and for no loss; it is named.

    Returns:
        A row of the history.

    Raises:
        UserError: the weights say no numbers of too many images.
    """
    row = {f"train_{name}": value for name, value in asdict(state.meter.of_all(context.accelerator).scores()).items()}
    train_eval = predict(
        state.model, context.train_eval_loader, context.color, context.accelerator, what="score train_eval"
    )
    row |= {f"train_eval_{name}": value for name, value in asdict(train_eval.scores()).items()}
    models = {"val": state.model} | ({"ema": state.ema.module} if state.ema else {})
    for prefix, model in models.items():
        result = predict(model, context.val_loader, context.color, context.accelerator, what="validate")
        names = [context.val_loader.images.name(int(index)) for index in np.flatnonzero(~result.finite)]
        if context.accelerator.is_main_process:
            say_not_finite(names, epoch=state.epoch + 1)
        if prefix == "val":
            best_epoch = state.best.epoch if state.best else None
            stop_if_too_many_are_not_finite(names, len(result.labels), epoch=state.epoch + 1, best_epoch=best_epoch)
        scores = asdict(result.scores()) | {
            "mean_per_class_accuracy": result.mean_per_class_accuracy(),
            "not_finite_images": len(names),
        }
        row |= {f"{prefix}_{name}": value for name, value in scores.items()}
        score = scores[context.params.selection_metric]
        if not math.isfinite(scores["loss"]):  # of an average
            continue
        if state.best is None or score > state.best.score:
            weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            state.best = Best(state.epoch + 1, prefix, score, weights)
    batches = context.train_loader.batches
    row["learning_rate"] = learning_rate(state.epoch, batches.steps - 1, batches.steps, context.params)
    row["skipped_steps"] = sum(epoch == state.epoch for epoch, _, _ in state.skipped)
    return row


class TooLargeError(Exception):
    """A step's gradient did not fit the device's memory, and nothing was changed by it."""


def halve_micro_batches(state: TrainState, context: TrainContext) -> None:
    """Make smaller micro-batches, so that a step needs less memory and more time; even ones where images are mixed.

    Raises:
        UserError: they cannot be smaller, or other processes would have to do so too.
    """
    batches, accelerator = context.train_loader.batches, context.accelerator
    smaller = -(-batches.micro_images // 2)
    if smaller == 2 and batches.micro_images > 3:
        smaller = 3  # of any number but one, no image is left alone by it
    smaller += smaller % 2 if context.mixing.mixes else 0
    if smaller >= batches.micro_images or accelerator.num_processes > 1:
        raise UserError(
            f"{batches.micro_images} images at once are too much for the device's memory: set a smaller "
            "train.micro_batch_images in the profile, or GRADIENT_CHECKPOINTING=1"
        )
    if accelerator.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    batches.micro_images = state.micro_images = smaller
    say(f"train: too much for the device's memory: going on with {smaller} images at once")


def _timed(loader: PackedLoader, clock: Clock) -> Iterator[Batch]:
    """Pass batches on and note the time that was waited for them."""
    batches = iter(loader)
    while True:
        start = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        clock.waiting_s += time.perf_counter() - start
        clock.images += len(batch.labels)
        yield batch


def _gathering(network: Callable[[torch.Tensor], torch.Tensor], *, last: bool) -> AbstractContextManager:
    """Let processes share gradients only in the last micro-batch of a step."""
    no_sync = getattr(network, "no_sync", None)
    return nullcontext() if last or no_sync is None else no_sync()


def _add_nothing(state: TrainState, context: TrainContext) -> None:
    """Take part in the sharing of gradients without an image, when the last step has fewer images than processes."""
    side = context.train_loader.images.image_px
    modes = [(module, module.training) for module in state.model.modules()]
    state.model.eval()  # norms shall not learn from a black image
    with context.accelerator.autocast():
        logits = state.network(torch.zeros(1, 3, side, side, device=context.accelerator.device))
    context.accelerator.backward(logits.float().sum() * 0)
    for module, mode in modes:
        module.training = mode


def _put_back(buffers: list[torch.Tensor], before: list[torch.Tensor]) -> None:
    """Undo what a step did to the running statistics of norms."""
    for buffer, value in zip(buffers, before, strict=True):
        buffer.copy_(value)


def _note_skipped(state: TrainState, context: TrainContext) -> None:
    dataset, batches = context.train_loader.images, context.train_loader.batches
    names = gather_object([dataset.name(index) for index in batches.indices(state.step)])  # of all processes
    state.skipped.append((state.epoch, state.step, names))
    if context.accelerator.is_main_process:
        say(f"train: the loss is not finite in {describe_skipped(state.skipped)}: skipped")
