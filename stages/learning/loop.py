"""The training: a step, an epoch of steps, a validation, and again. It reads top to bottom.

Devices, mixed precision and its loss scaling are accelerate's; the same loop runs on a CPU and on GPUs, in one process
or in several that share each step. Whatever is drawn in a step is a function of (seed, epoch, step), so a run that goes
on from a checkpoint goes on as it would have.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from stages.config.schema import Train
from stages.learning.data import EpochBatches
from stages.learning.device import Batch
from stages.learning.draws import STEP, generator
from stages.learning.model import head_modules
from stages.learning.predict import predict
from stages.learning.processes import greatest, peak_memory, same_buffers
from stages.learning.recipe import Recipe
from stages.learning.run import Best, Run
from stages.learning.schedule import learning_rate, phase_of
from stages.learning.scores import Meter
from stages.runtime.errors import UserError
from stages.runtime.progress import progress, say, size_in_words


@dataclass
class Clock:
    """How an epoch's time was spent, since the process started or went on.

    Attributes:
        images: trained on, by this process.
        seconds: in all, up to the last step.
        waiting_s: of them, for data.
        start: of the first, as ``time.perf_counter`` gives it.
    """

    images: int = 0
    seconds: float = 0.0
    waiting_s: float = 0.0
    start: float = field(default_factory=time.perf_counter)


def train(
    run: Run,
    recipe: Recipe,
    *,
    after_step: Callable[[Run], None] = lambda run: None,
    after_epoch: Callable[[Run, Clock], None] = lambda run, clock: None,
) -> None:
    """Train from where ``run`` is to the end of the last epoch.

    Args:
        run: new, or restored from a checkpoint.
        recipe: all that it is trained with.
        after_step: called after each step: saves where that is due, and may raise to stop.
        after_epoch: called after each epoch.

    Raises:
        UserError: the loss was no number too often, or is none in validation.
    """
    params = recipe.params
    if run.micro_images:
        recipe.train_loader.batch_sampler.micro_images = run.micro_images
    _stop_if_too_many_are_skipped(run, params)  # also a run that goes on where it was stopped so
    while run.epoch < params.epochs + params.head_epochs:
        begin_phase(run, recipe)
        clock = train_epoch(run, recipe, after_step)
        run.history.append(validate(run, recipe))
        run.epoch, run.step = run.epoch + 1, 0
        run.meter = Meter()
        after_epoch(run, clock)


def begin_phase(run: Run, recipe: Recipe) -> None:
    """Set the network to learn what it shall learn in the next epoch; see ``stages.learning.schedule.Phase``.

    The balanced head begins anew on top of the best weights so far, as classifier re-training does (Kang et al., ICLR
    2020). What does not learn is as in validation: its statistics stay, and it drops nothing.
    """
    phase = phase_of(run.epoch, recipe.params)
    if phase == "balanced_head" and run.phase != phase:
        run.model.load_state_dict(run.best.state)
        torch.manual_seed(int(generator(recipe.params.seed, STEP, run.epoch).integers(2**63)))
        for module in head_modules(run.model):
            module.reset_parameters()
            for parameter in module.parameters():
                run.optimizer.state.pop(parameter, None)
        if run.ema:
            run.ema.module.load_state_dict(run.model.state_dict())
    run.phase = phase
    run.model.requires_grad_(phase == "all")
    for module in head_modules(run.model):
        module.requires_grad_(True)
    if run.called_in == phase:
        return
    network, run.called_in = run.model, phase
    if recipe.accelerator.num_processes > 1:
        # Buffers are made the same after each step: here, norms of the first micro-batch would count for all.
        network = DistributedDataParallel(network, forward_sync_buffers=False)
    run.network = torch.compile(network) if recipe.compiled else network


def train_epoch(run: Run, recipe: Recipe, after_step: Callable[[Run], None]) -> Clock:
    """Make what is left of a pass over the training images; the meter's scores are of the steps, on changed images.

    Raises:
        UserError: the loss was no number in more steps than ``train.max_skipped_steps``.
    """
    params, batches = recipe.params, recipe.train_loader.batch_sampler
    batches.epoch = run.epoch
    batches.sampling = "balanced" if run.phase == "balanced_head" else params.sampling
    run.model.train(run.phase == "all")
    for module in head_modules(run.model):
        module.train()
    clock = Clock()
    what = f"epoch {run.epoch + 1} of {params.epochs + params.head_epochs}"

    def how_it_goes() -> str:
        memory = size_in_words(peak_memory(recipe.accelerator))
        speed, waiting = clock.images / clock.seconds, clock.waiting_s / clock.seconds
        loss = run.meter.scores().loss
        return f"{speed:,.1f} images/s, {waiting:.1%} of the time for data, loss {loss:.3f}, {memory}"

    while run.step < batches.steps:
        batches.start = run.step
        loaded = _timed(recipe.train_loader, clock)
        steps = range(run.step, batches.steps)
        try:
            for step in progress(steps, what=what, total=len(steps), unit="steps", also=how_it_goes):
                set_rate(run.optimizer, learning_rate(run.epoch, step, batches.steps, params))
                train_step(run, recipe, loaded)
                run.step = step + 1
                after_step(run)
                _stop_if_too_many_are_skipped(run, params)
                clock.seconds = time.perf_counter() - clock.start
        except TooLargeError:
            halve_micro_batches(run, recipe)
    return clock


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters, each layer's by its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def train_step(run: Run, recipe: Recipe, loaded: Iterator[Batch]) -> None:
    """Make the step ``run.step``: the gradient of the mean loss of its images, in micro-batches, and one update.

    A loss that is no number, in whichever process, changes nothing: the step is skipped and noted.
    """
    params, accelerator = recipe.params, recipe.accelerator
    batches: EpochBatches = recipe.train_loader.batch_sampler
    images, micro_batches = batches.images_in(run.step), batches.micro_batches_in(run.step)
    buffers = list(run.model.buffers())
    before = [buffer.clone() for buffer in buffers]
    seen = []
    try:
        for number in range(micro_batches):
            batch = next(loaded).to(accelerator.device)
            # Dropout draws from it. Seeded after the batch has come: a loader that begins draws a number, too.
            place = (run.epoch, run.step, accelerator.process_index, number)
            torch.manual_seed(int(generator(params.seed, STEP, *place).integers(2**63)))
            pixels, targets = recipe.mixing(recipe.colour(batch), batch.labels, batch.first)
            with _gathering(run.network, last=number == micro_batches - 1):
                with accelerator.autocast():
                    logits = run.network(pixels)
                losses = recipe.loss(logits.float(), targets)
                # Processes' gradients are averaged: so each gives its share of the images' mean, times their number.
                accelerator.backward(losses.sum() * (accelerator.num_processes / images))
            seen.append((losses.detach(), logits.detach().float(), batch.labels))
        if not micro_batches:
            _add_nothing(run, recipe)
    except torch.OutOfMemoryError:
        run.optimizer.zero_grad()
        _put_back(buffers, before)
        raise TooLargeError from None
    norm = accelerator.clip_grad_norm_(run.model.parameters(), params.clip_norm)
    finite = all(bool(torch.isfinite(losses).all()) for losses, _, _ in seen)
    # With a scaler, gradients without an end are its own business: it skips the update and scales less.
    finite = finite and (run.scaler is not None or bool(torch.isfinite(norm)))
    finite = not greatest(not finite, accelerator)
    if finite or run.scaler:
        run.optimizer.step()
    run.optimizer.zero_grad()
    if not finite:
        _put_back(buffers, before)
        _note_skipped(run, recipe)
        return
    same_buffers(run.model, accelerator)
    if not run.optimizer.step_was_skipped:  # by the scaler
        run.updates += 1
        if run.ema:
            run.ema.update(run.model, step=run.updates)
    for one in seen:
        run.meter.add(*one)


def validate(run: Run, recipe: Recipe) -> dict[str, float]:
    """Score the weights, and their average where there is one; keep the better ones if they are the best so far.

    Returns:
        A row of the history.

    Raises:
        UserError: the loss is no number.
    """
    row = {f"train_{name}": value for name, value in asdict(run.meter.of_all(recipe.accelerator).scores()).items()}
    watched = predict(run.model, recipe.watched_loader, recipe.colour, recipe.accelerator, what="watch")
    row |= {f"watched_{name}": value for name, value in asdict(watched.scores()).items()}
    models = {"val": run.model} | ({"ema": run.ema.module} if run.ema else {})
    for prefix, model in models.items():
        predictions = predict(model, recipe.val_loader, recipe.colour, recipe.accelerator, what="validate")
        scores = asdict(predictions.scores())
        if prefix == "val" and not math.isfinite(scores["loss"]):
            raise UserError(
                f"the validation loss is {scores['loss']} after epoch {run.epoch + 1}: lower the "
                "profile's train.learning_rate"
            )
        scores["mean_per_class_accuracy"] = predictions.mean_per_class_accuracy()
        for group, figures in predictions.by_shots(recipe.train_images, recipe.shots).items():
            scores[group] = figures["mean_per_class_accuracy"]
        row |= {f"{prefix}_{name}": value for name, value in scores.items()}
        score = scores[recipe.params.keep_by]
        if not math.isfinite(scores["loss"]):  # of an average
            continue
        if run.best is None or score > run.best.score:
            state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            run.best = Best(run.epoch + 1, prefix, score, state)
    batches = recipe.train_loader.batch_sampler
    row["learning_rate"] = learning_rate(run.epoch, batches.steps - 1, batches.steps, recipe.params)
    row["skipped_steps"] = sum(epoch == run.epoch for epoch, _, _ in run.skipped)
    return row


class TooLargeError(Exception):
    """A step's gradient did not fit the device's memory, and nothing was changed by it."""


def halve_micro_batches(run: Run, recipe: Recipe) -> None:
    """Make smaller micro-batches, so that a step needs less memory and more time; even ones where images are mixed.

    Raises:
        UserError: they cannot be smaller, or other processes would have to do so too.
    """
    batches, accelerator = recipe.train_loader.batch_sampler, recipe.accelerator
    smaller = -(-batches.micro_images // 2)
    smaller += smaller % 2 if recipe.mixing.mixes else 0
    if smaller >= batches.micro_images or accelerator.num_processes > 1:
        raise UserError(
            f"{batches.micro_images} images at once are too much for the device's memory: set a smaller "
            "train.micro_batch_images in the profile, or GRADIENT_CHECKPOINTING=1"
        )
    if accelerator.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    batches.micro_images = run.micro_images = smaller
    say(f"train: too much for the device's memory: going on with {smaller} images at once")


def _timed(loader: DataLoader, clock: Clock) -> Iterator[Batch]:
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


def _gathering(network: nn.Module, *, last: bool) -> AbstractContextManager:
    """Let processes share gradients only in the last micro-batch of a step."""
    return nullcontext() if last or not hasattr(network, "no_sync") else network.no_sync()


def _add_nothing(run: Run, recipe: Recipe) -> None:
    """Take part in the sharing of gradients without an image, when the last step has fewer images than processes."""
    side = recipe.train_loader.dataset.image_px
    modes = [(module, module.training) for module in run.model.modules()]
    run.model.eval()  # norms shall not learn from a black image
    with recipe.accelerator.autocast():
        logits = run.network(torch.zeros(1, 3, side, side, device=recipe.accelerator.device))
    recipe.accelerator.backward(logits.float().sum() * 0)
    for module, mode in modes:
        module.training = mode


def _put_back(buffers: list[torch.Tensor], before: list[torch.Tensor]) -> None:
    """Undo what a step did to the running statistics of norms."""
    for buffer, value in zip(buffers, before, strict=True):
        buffer.copy_(value)


def _note_skipped(run: Run, recipe: Recipe) -> None:
    dataset, batches = recipe.train_loader.dataset, recipe.train_loader.batch_sampler
    names = gather_object([dataset.name(index) for index in batches.indices(run.step)])  # of all processes
    run.skipped.append((run.epoch, run.step, names))
    if recipe.accelerator.is_main_process:
        say(f"train: the loss is no number in {_describe_skipped(run)}: skipped")


def _stop_if_too_many_are_skipped(run: Run, params: Train) -> None:
    if len(run.skipped) > params.max_skipped_steps:
        raise UserError(
            f"the loss was no number in {len(run.skipped)} steps, at last in {_describe_skipped(run)}: look at these "
            "images and the starting weights, or lower the profile's train.learning_rate; with a higher "
            "train.max_skipped_steps it goes on from the checkpoint"
        )


def _describe_skipped(run: Run) -> str:
    """Name the last step that was skipped, and its images."""
    epoch, step, names = run.skipped[-1]
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"epoch {epoch + 1}, step {step + 1} ({shown})"
