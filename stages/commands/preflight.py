"""Command ``preflight``: look before 20 hours of training whether the active profile's run can work.

    python -m stages.commands.preflight

It says what would be trained and how long that takes on this machine, and tries: that the data are those of dvc.lock,
that labels agree, that a step at the real size fits, and that the network can overfit one batch. It writes
plots/train_batch.png, what the model really sees. Nothing of a run that was begun is touched.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.config.libraries import check_libraries
from stages.config.reading import plain_params, stage_params
from stages.learning.checkpoint import checkpoint_folder, load_checkpoint
from stages.learning.context import TrainContext
from stages.learning.data import PackedImages
from stages.learning.device import Batch
from stages.learning.health import label_warnings
from stages.learning.loop import TooLargeError, begin_phase, halve_micro_batches, set_rate, train_step
from stages.learning.processes import make_accelerator
from stages.learning.schedule import learning_rate
from stages.learning.setup import read_inputs, set_up
from stages.learning.state import TrainState
from stages.learning.summary import TIMED_STEPS, describe_pace, say_summary
from stages.report.train_batch import draw_batch
from stages.runtime.errors import UserError, run
from stages.runtime.progress import progress, say

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
PICTURE = Path("plots/train_batch.png")

OVERFIT_STEPS = 200  # at the most, for one batch
OVERFITTED_LOSS = 0.05
FASTER = 10  # one batch is overfitted with so many times the learning rate, up to
_HIGHEST_RATE = 0.001


def main() -> None:
    """Check, measure, try, draw."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = stage_params("train")
    check_libraries("train")
    check_lock()
    species, packed, identity = inputs = read_inputs(plain_params("train"), splits=SPLITS_IN, shards=PACKED_IN)
    checkpoints = checkpoint_folder(identity)
    new, _, context = set_up(params, inputs, make_accelerator(), shards=PACKED_IN)
    begun = load_checkpoint(checkpoints) or {"epoch": 0, "step": 0}
    at = replace(new, epoch=begun["epoch"], step=begun["step"])
    say_summary(params, packed, species, at, context, folder=checkpoints)
    for warning in label_warnings(packed["train"].labels, packed["val"].labels):
        raise UserError(warning)

    draw_batch(*what_it_sees(context), species, PICTURE)
    say(f"preflight: {PICTURE} shows what the model sees")
    # A network that was timed knows the images: it begins anew, as a second one might not fit the memory beside it.
    weights = {name: value.cpu().clone() for name, value in new.model.state_dict().items()}
    say(f"preflight: {describe_pace(seconds_of_steps(new, context), at, context)}")
    new.model.load_state_dict(weights)
    new.optimizer.state.clear()
    steps = steps_to_overfit_a_batch(new, context)
    say(f"preflight: one batch is overfitted in {steps} steps: images, labels and network work together")


def check_lock() -> None:
    """See that splits and shards are those that params.yaml, the code and dvc.lock say.

    Raises:
        UserError: they are not.
    """
    try:
        with Repo() as repo:
            changed = sorted(name for name, why in repo.status(targets=["split", "pack"]).items() if why)
    except DvcException as error:
        raise UserError(f"DVC cannot tell whether the data are up to date ({error})") from None
    if changed:
        what = " and ".join(changed)
        raise UserError(
            f"the outputs of {what} are not of this commit and params.yaml: run `dvc repro split pack` first"
        )


def what_it_sees(context: TrainContext) -> tuple[np.ndarray, np.ndarray]:
    """Give the first micro-batch of the first epoch as the network gets it, but for the normalization.

    Returns:
        uint8 [images, side, side, 3] and float32 [images, classes], the targets.
    """
    batch: Batch = next(iter(context.train_loader)).to(context.accelerator.device)
    images, targets = context.mixing(context.color(batch), batch.labels, batch.first)
    pixels = (images * context.color.std + context.color.mean).clamp(0, 1) * 255
    return pixels.permute(0, 2, 3, 1).round().byte().cpu().numpy(), targets.cpu().numpy()


def seconds_of_steps(state: TrainState, context: TrainContext) -> list[float]:
    """Make some real steps; give the seconds that each takes.

    Raises:
        UserError: the loss is not finite in one, or they fit no memory.
    """
    batches = context.train_loader.batches
    begin_phase(state, context)
    state.model.requires_grad_(True).train()  # all of it, also where it is frozen at first: that takes the most
    times: list[float] = []
    while not times:
        loaded = iter(context.train_loader)
        try:
            for state.step in range(min(TIMED_STEPS, batches.steps)):
                set_rate(state.optimizer, learning_rate(0, state.step, batches.steps, context.params))
                start = time.perf_counter()
                train_step(state, context, loaded)
                times.append(time.perf_counter() - start)
        except TooLargeError:
            times.clear()
            halve_micro_batches(state, context)
    if state.skipped:
        raise UserError(
            "the loss is not finite in the first steps: look at the images and the starting weights, or lower the "
            "profile's train.learning_rate"
        )
    return times


def steps_to_overfit_a_batch(state: TrainState, context: TrainContext) -> int:
    """Overfit one micro-batch of training images, as validation sees them; say how many steps that takes.

    Raises:
        UserError: that cannot be done.
    """
    begin_phase(state, context)
    state.model.requires_grad_(True).eval()  # drops nothing, and a norm's statistics stay those of the start
    augmented = context.train_loader.images
    plain = PackedImages(augmented.packed, augmented.image_px)
    keys = next(iter(context.train_loader.batches))
    batch = plain.__getitems__(keys).to(context.accelerator.device)
    images = context.color(batch)
    set_rate(state.optimizer, min(_HIGHEST_RATE, FASTER * context.params.learning_rate))
    loss = torch.tensor(float("nan"))
    for step in progress(range(1, OVERFIT_STEPS + 1), what="learn a batch", total=OVERFIT_STEPS, unit="steps"):
        with context.accelerator.autocast():
            logits = state.network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
        if loss < OVERFITTED_LOSS:
            return step
        context.accelerator.backward(loss)
        state.optimizer.step()
        state.optimizer.zero_grad()
    raise UserError(
        f"one batch of {len(keys)} images cannot be overfitted: the loss is {loss:.2f} after {OVERFIT_STEPS} steps; "
        f"look at {PICTURE}, at the profile's train.learning_rate and at the starting weights"
    )


if __name__ == "__main__":
    run(main)
