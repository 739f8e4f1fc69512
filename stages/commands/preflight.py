"""Command ``preflight``: look before 20 hours of training whether the active profile's run can work.

    python -m stages.commands.preflight [--minutes 2]

It looks at names, weights, tables, shards and disk space first, in seconds and before torch is there. Then it says what
would be trained and how long that takes on this machine, and tries: that the data are those of dvc.lock, that labels
agree, that a step at the real size fits, and that the network can learn one batch by heart. It writes
plots/train_batch.png, what the model really sees. Nothing of a run that was begun is touched.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.config.libraries import check_libraries
from stages.config.reading import plain_params, stage_params
from stages.config.sources import weights_note_path
from stages.learning.gate import pass_gate
from stages.learning.health import label_warnings
from stages.learning.model_names import config_of, is_listed, source_of
from stages.learning.origin import check_file, find_origin
from stages.learning.setup import read_inputs, set_up
from stages.runtime.errors import UserError, run
from stages.runtime.machine import checkpoint_root, free_bytes
from stages.runtime.progress import progress, say
from stages.runtime.wording import duration_in_words, size_in_words

if TYPE_CHECKING:  # torch takes seconds, in which a wrong name can be said
    import torch

    from stages.config.schema import Params, Train
    from stages.learning.context import TrainContext
    from stages.learning.setup import Inputs
    from stages.learning.state import TrainState

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
GATE_IN = Path("data/gate.json")
PICTURE = Path("plots/train_batch.png")

OVERFIT_STEPS = 200  # at the most, for one batch
OVERFITTED_LOSS = 0.05
MINUTES = 2.0  # at the most, for these, and for the steps that are timed
FASTER = 10  # one batch is overfitted with so many times the learning rate, up to
_HIGHEST_RATE = 0.001
# Where time ends before that: the loss must have fallen by this share, and images be told apart by this part of the
# fall. It was 0.15 or more in each of the first steps of pretrained and random networks, of 3 and of 8,587 classes, at
# learning rates of 0.00003 to 0.001, and 0.00 for each that saw nothing.
TOLD_APART_SHARE = 0.05
_CLEAR_FALL = 0.05
# Checkpoints at once on the disk, while one is written; and what each holds besides the weights: two moments of AdamW
# and the best weights so far.
_FILES, _COPIES = 3, 4


class Learned(NamedTuple):
    """How far one batch was learned by heart.

    Attributes:
        steps: that were made.
        loss: of the first and of the last of them.
        apart: how much more the loss would be with the labels of the batch's other images, in the first and the last.
        seconds: that they took.
    """

    steps: int
    loss: tuple[float, float]
    apart: tuple[float, float]
    seconds: float


def main() -> None:
    """Look, then measure, try, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    help_ = f"for learning a batch by heart, and for timing steps, at the most (default {MINUTES:g})"
    parser.add_argument("--minutes", type=float, default=MINUTES, help=help_)
    minutes = parser.parse_args().minutes
    if not 0 < minutes < 10_000:
        raise UserError(f"--minutes must be a number of minutes above 0 and below 10,000 (found {minutes:g})")
    params, inputs = look()
    check_lock()
    try_it(params, inputs, seconds=60 * minutes)


def look() -> tuple["Params", "Inputs"]:
    """See that all that a training needs is there and fits together, as far as that shows without torch.

    Raises:
        UserError: something does not.
    """
    params = stage_params("train")
    check_libraries("train")
    model = params.model
    say(f"preflight: params.yaml is sound: profile {params.profile}, {params.train.epochs} epochs")
    source, _ = source_of(model.name)
    if source is None and not is_listed(model.name):
        config_of(model.name)  # says what is wrong with it
    notes = weights_note_path(params.profile)
    origin = find_origin(model, notes)
    check_file(origin)
    if origin.path is None:
        say(f"preflight: {model.name}, from random weights")
    else:
        known = origin.note.license if origin.note else None
        size = size_in_words(origin.path.stat().st_size)
        say(f"preflight: {model.name}, from {origin.path} ({size}, as its digest says; license {known or 'not noted'})")
    inputs = read_inputs(plain_params("train"), splits=SPLITS_IN, shards=PACKED_IN, model=model, notes=notes)
    packed, size_px = inputs.packed, inputs.packed["train"].size_px
    say(
        f"preflight: {len(inputs.species):,} species, {len(packed['train']):,} images to train, {len(packed['val']):,} "
        f"to validate, all of them packed, of {size_px} px for the {params.image.train_px} px that the network sees"
    )
    pass_gate(GATE_IN, stage="preflight")
    for warning in label_warnings(packed["train"].labels, packed["val"].labels):
        raise UserError(warning)
    if origin.path is not None:
        check_space(origin.path.stat().st_size, params.train)
    return params, inputs


def check_space(weights_bytes: int, params: "Train") -> None:
    """See that a checkpoint will find room, and say how much all of them take.

    Args:
        weights_bytes: size of the network's weights.
        params: section ``train``.

    Raises:
        UserError: there is too little for one.
    """
    root = checkpoint_root()
    each = weights_bytes * (_COPIES + (params.ema_decay is not None))
    free = free_bytes(root)
    what = f"a checkpoint takes {size_in_words(each)}, {_FILES} of them at once, in {root}: {size_in_words(free)} free"
    if free < each:
        raise UserError(f"{what}; free some space, or name another folder by CHECKPOINT_DIR")
    # A run that was begun has some of them there already.
    say(f"preflight: {'WARNING: ' if free < each * _FILES else ''}{what}")


def check_lock() -> None:
    """See that splits, shards and the baseline's verdict are those that params.yaml, the code and dvc.lock say.

    Raises:
        UserError: they are not.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            changed = sorted(name for name, why in repo.status(targets=["split", "pack", "baseline"]).items() if why)
    except DvcException as error:
        raise UserError(f"DVC cannot tell whether the data are up to date ({error})") from None
    if changed:
        what = " and ".join(changed)
        raise UserError(
            f"the outputs of {what} are not of this commit and params.yaml: run `dvc repro split pack baseline` first"
        )


def try_it(params: "Params", inputs: "Inputs", *, seconds: float) -> None:
    """Make the run, draw what it sees, time its steps, and learn a batch by heart.

    Args:
        params: those of the stage ``train``.
        inputs: of ``look``.
        seconds: for timing steps, and again for the batch, at the most.
    """
    from stages.learning.checkpoint import checkpoint_folder, load_checkpoint
    from stages.learning.processes import make_accelerator
    from stages.learning.summary import describe_pace, say_summary
    from stages.report.train_batch import draw_batch

    checkpoints = checkpoint_folder(inputs.identity)
    new, _, context = set_up(params, inputs, make_accelerator(), shards=PACKED_IN)
    if inputs.origin.path is None:
        tensors = new.model.state_dict().values()
        check_space(sum(tensor.numel() * tensor.element_size() for tensor in tensors), params.train)
    begun = load_checkpoint(checkpoints) or {"epoch": 0, "step": 0}
    at = replace(new, epoch=begun["epoch"], step=begun["step"])
    say_summary(params, inputs.packed, inputs.species, at, context, folder=checkpoints)

    draw_batch(*what_it_sees(context), inputs.species, PICTURE)
    say(f"preflight: {PICTURE} shows what the model sees")
    # A network that was timed knows the images: it begins anew, as a second one might not fit the memory beside it.
    weights = {name: value.cpu().clone() for name, value in new.model.state_dict().items()}
    say(f"preflight: {describe_pace(seconds_of_steps(new, context, seconds=seconds), at, context)}")
    new.model.load_state_dict(weights)
    new.optimizer.state.clear()
    say(f"preflight: {describe_learned(learn_a_batch(new, context, seconds=seconds))}")


def what_it_sees(context: "TrainContext") -> tuple[np.ndarray, np.ndarray]:
    """Give the first micro-batch of the first epoch as the network gets it, but for the normalization.

    Returns:
        uint8 [images, side, side, 3] and float32 [images, classes], the targets.
    """
    batch = next(iter(context.train_loader)).to(context.accelerator.device)
    images, targets = context.mixing(context.color(batch), batch.labels, batch.first)
    pixels = (images * context.color.std + context.color.mean).clamp(0, 1) * 255
    return pixels.permute(0, 2, 3, 1).round().byte().cpu().numpy(), targets.cpu().numpy()


def seconds_of_steps(state: "TrainState", context: "TrainContext", *, seconds: float) -> list[float]:
    """Make some real steps, no further one after so many seconds; give the seconds that each takes.

    Raises:
        UserError: the loss is not finite in one, or they fit no memory.
    """
    from stages.learning.loop import TooLargeError, begin_phase, halve_micro_batches, set_rate, train_step
    from stages.learning.schedule import learning_rate
    from stages.learning.summary import TIMED_STEPS

    batches = context.train_loader.batches
    begin_phase(state, context)
    state.model.requires_grad_(True).train()  # all of it, also where it is frozen at first: that takes the most
    times: list[float] = []
    while not times:
        loaded, fits = iter(context.train_loader), True
        try:
            for state.step in range(min(TIMED_STEPS, batches.steps)):
                set_rate(state.optimizer, learning_rate(0, state.step, batches.steps, context.params))
                start = time.perf_counter()
                train_step(state, context, loaded)
                times.append(time.perf_counter() - start)
                if sum(times) > seconds:
                    break
        except TooLargeError:
            times.clear()
            fits = False
        if not fits:  # while an error is handled, it holds the step's activations
            halve_micro_batches(state, context)
    if state.skipped:
        raise UserError(
            "the loss is not finite in the first steps: look at the images and the starting weights, or lower the "
            "profile's train.learning_rate"
        )
    return times


def learn_a_batch(state: "TrainState", context: "TrainContext", *, seconds: float) -> Learned:
    """Learn one micro-batch of training images by heart, as validation sees them, as far as that goes in some seconds.

    Where time ends first, the loss must have fallen clearly, and not only because the network has learned which species
    the batch has: a network that sees nothing learns that, too, down to the entropy of its labels. What it cannot learn
    is which image has which of them. So the loss is also taken with the labels of the batch's other images; the
    distance between the two stays 0 for a network that does not tell images apart, and must have grown by a part of the
    fall.

    Raises:
        UserError: that cannot be done.
    """
    import torch

    from stages.learning.data import PackedImages
    from stages.learning.loop import begin_phase, set_rate

    begin_phase(state, context)
    state.model.requires_grad_(True).eval()  # drops nothing, and a norm's statistics stay those of the start
    augmented = context.train_loader.images
    plain = PackedImages(augmented.packed, augmented.image_px)
    keys = next(iter(context.train_loader.batches))
    batch = plain.__getitems__(keys).to(context.accelerator.device)
    images = context.color(batch)
    set_rate(state.optimizer, min(_HIGHEST_RATE, FASTER * context.params.learning_rate))
    begin = time.perf_counter()
    first: tuple[float, float] | None = None
    nothing = (float("nan"), float("nan"))
    learned = Learned(0, nothing, nothing, 0.0)
    for step in progress(range(1, OVERFIT_STEPS + 1), what="learn a batch", total=OVERFIT_STEPS, unit="steps"):
        with context.accelerator.autocast():
            logits = state.network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
        now = (float(loss.detach()), told_apart(logits.detach().float(), batch.labels))
        first = first or now
        learned = Learned(step, (first[0], now[0]), (first[1], now[1]), time.perf_counter() - begin)
        if now[0] < OVERFITTED_LOSS or (step > 1 and learned.seconds > seconds):
            break
        context.accelerator.backward(loss)
        state.optimizer.step()
        state.optimizer.zero_grad()
    check_learned(learned, images=len(keys), one_label=bool((batch.labels == batch.labels[0]).all()))
    return learned


def told_apart(logits: "torch.Tensor", labels: "torch.Tensor") -> float:
    """Say how much more the loss would be with the labels of other images of the batch, in nats.

    Args:
        logits: float [images, classes].
        labels: int64 [images].

    Returns:
        The mean over all pairs of images whose labels differ; 0 where none do.
    """
    rows = logits.log_softmax(1)[:, labels]  # of image i, the label of image j
    differ = labels[:, None] != labels[None]
    if not bool(differ.any()):
        return 0.0
    return float((rows.diagonal()[:, None] - rows)[differ].mean())


def check_learned(learned: Learned, *, images: int, one_label: bool) -> None:
    """See that a batch is learned, or on the way to it where time or steps ended first.

    Args:
        learned: how far.
        images: of the batch.
        one_label: all of them have the same label, and there is nothing to tell apart.

    Raises:
        UserError: it is not.
    """
    before, after = learned.loss
    if after < OVERFITTED_LOSS:
        return
    fall, apart = before - after, learned.apart[1] - learned.apart[0]
    at_the_end = learned.steps == OVERFIT_STEPS
    falls = fall > _CLEAR_FALL * before
    if not at_the_end and falls and (one_label or apart > TOLD_APART_SHARE * fall):
        return
    look = f"look at {PICTURE}, at the profile's train.learning_rate and at the starting weights"
    so_far = f"the loss is {after:.2f} after {learned.steps} steps, and was {before:.2f}"
    if at_the_end or not falls:
        more = "" if at_the_end else "; give it more time by --minutes, or "
        raise UserError(f"one batch of {images} images cannot be overfitted: {so_far}; {more}{look}")
    raise UserError(
        f"one batch of {images} images cannot be overfitted: {so_far}, but the network does not tell its images apart "
        f"(their own labels are no better than those of the others); {look}"
    )


def describe_learned(learned: Learned) -> str:
    """Say how a batch was learned."""
    if learned.loss[1] < OVERFITTED_LOSS:
        return f"one batch is overfitted in {learned.steps} steps: images, labels and network work together"
    return (
        f"one batch is being learned: the loss fell from {learned.loss[0]:.2f} to {learned.loss[1]:.2f} in "
        f"{learned.steps} steps, for which there were {duration_in_words(learned.seconds)}, and its images are told "
        "apart: images, labels and network work together"
    )


if __name__ == "__main__":
    run(main)
