"""Command ``preflight``: look before 20 hours of training whether the active profile's run can work.

    python -m stages.commands.preflight

It says what would be trained and how long that takes on this machine, and tries: that the data are those of dvc.lock,
that labels agree, that a step at the real size fits, and that the network can learn one batch by heart. It writes
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

from stages.config.reading import stage_params
from stages.learning.announce import TIMED_STEPS, announce, describe_pace
from stages.learning.checkpoint import load_checkpoint
from stages.learning.data import PackedImages
from stages.learning.device import Batch
from stages.learning.doubts import doubts_about_labels
from stages.learning.loop import TooLargeError, begin_phase, halve_micro_batches, set_rate, train_step
from stages.learning.processes import make_accelerator
from stages.learning.recipe import Recipe
from stages.learning.run import Run
from stages.learning.schedule import learning_rate
from stages.learning.setup import set_up
from stages.report.train_batch import draw_batch
from stages.runtime.errors import UserError, run
from stages.runtime.progress import progress, say

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
PICTURE = Path("plots/train_batch.png")

LEARN_STEPS = 200  # at the most, for one batch
LEARNT_LOSS = 0.05
FASTER = 10  # a batch is learnt by heart with so many times the learning rate, up to
_HIGHEST_RATE = 0.001


def main() -> None:
    """Check, measure, try, draw."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = stage_params("train")
    check_lock()
    species, packed, new, _, recipe, checkpoints = set_up(
        params, make_accelerator(), splits=SPLITS_IN, shards=PACKED_IN
    )
    begun = load_checkpoint(checkpoints) or {"epoch": 0, "step": 0}
    at = replace(new, epoch=begun["epoch"], step=begun["step"])
    announce(params, packed, species, at, recipe, folder=checkpoints)
    for doubt in doubts_about_labels(packed["train"].labels, packed["val"].labels):
        raise UserError(doubt)

    draw_batch(*what_it_sees(recipe), species, PICTURE)
    say(f"preflight: {PICTURE} shows what the model sees")
    # A network that was timed knows the images: it begins anew, as a second one might not fit the memory beside it.
    weights = {name: value.cpu().clone() for name, value in new.model.state_dict().items()}
    say(f"preflight: {describe_pace(seconds_of_steps(new, recipe), at, recipe)}")
    new.model.load_state_dict(weights)
    new.optimizer.state.clear()
    steps = steps_to_learn_a_batch(new, recipe)
    say(f"preflight: one batch is learnt by heart in {steps} steps: images, labels and network work together")


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
        raise UserError(f"the outputs of {what} are not of this commit and params.yaml: run `dvc repro pack` first")


def what_it_sees(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Give the first micro-batch of the first epoch as the network gets it, but for the normalisation.

    Returns:
        uint8 [images, side, side, 3] and float32 [images, classes], the targets.
    """
    batch: Batch = next(iter(recipe.train_loader)).to(recipe.accelerator.device)
    images, targets = recipe.mixing(recipe.colour(batch), batch.labels, batch.first)
    pixels = (images * recipe.colour.std + recipe.colour.mean).clamp(0, 1) * 255
    return pixels.permute(0, 2, 3, 1).round().byte().cpu().numpy(), targets.cpu().numpy()


def seconds_of_steps(this_run: Run, recipe: Recipe) -> list[float]:
    """Make some real steps; give the seconds that each takes.

    Raises:
        UserError: the loss is no number in one, or they fit no memory.
    """
    batches = recipe.train_loader.batch_sampler
    begin_phase(this_run, recipe)
    this_run.model.requires_grad_(True).train()  # all of it, also where it is frozen at first: that takes the most
    times: list[float] = []
    while not times:
        loaded = iter(recipe.train_loader)
        try:
            for this_run.step in range(min(TIMED_STEPS, batches.steps)):
                set_rate(this_run.optimizer, learning_rate(0, this_run.step, batches.steps, recipe.params))
                start = time.perf_counter()
                train_step(this_run, recipe, loaded)
                times.append(time.perf_counter() - start)
        except TooLargeError:
            times.clear()
            halve_micro_batches(this_run, recipe)
    if this_run.skipped:
        raise UserError(
            "the loss is no number in the first steps: look at the images and the starting weights, or lower the "
            "profile's train.learning_rate"
        )
    return times


def steps_to_learn_a_batch(this_run: Run, recipe: Recipe) -> int:
    """Learn one micro-batch of training images, as validation sees them, by heart; say how many steps that takes.

    Raises:
        UserError: it cannot be learnt.
    """
    begin_phase(this_run, recipe)
    this_run.model.requires_grad_(True).eval()  # drops nothing, and a norm's statistics stay those of the start
    dataset: PackedImages = recipe.train_loader.dataset
    plain = PackedImages(dataset.packed, dataset.image_px)
    keys = next(iter(recipe.train_loader.batch_sampler))
    batch = plain.__getitems__(keys).to(recipe.accelerator.device)
    images = recipe.colour(batch)
    set_rate(this_run.optimizer, min(_HIGHEST_RATE, FASTER * recipe.params.learning_rate))
    loss = torch.tensor(float("nan"))
    for step in progress(range(1, LEARN_STEPS + 1), what="learn a batch", total=LEARN_STEPS, unit="steps"):
        with recipe.accelerator.autocast():
            logits = this_run.network(images)
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
        if loss < LEARNT_LOSS:
            return step
        recipe.accelerator.backward(loss)
        this_run.optimizer.step()
        this_run.optimizer.zero_grad()
    raise UserError(
        f"one batch of {len(keys)} images cannot be learnt by heart: the loss is {loss:.2f} after {LEARN_STEPS} steps; "
        f"look at {PICTURE}, at the profile's train.learning_rate and at the starting weights"
    )


if __name__ == "__main__":
    run(main)
