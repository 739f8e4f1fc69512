"""What an epoch and a step are, as functions of their numbers, so that a resumed run needs to remember nothing."""

import math
from typing import Literal

from stages.config.schema import Train

# Which part of the network learns: its head before the rest is let loose, all of it, or its head on balanced classes.
Phase = Literal["frozen", "all", "balanced_head"]


def phase_of(epoch: int, params: Train) -> Phase:
    """Say which part learns in an epoch (from 0)."""
    if epoch >= params.epochs:
        return "balanced_head"
    return "frozen" if epoch < params.frozen_epochs else "all"


def learning_rate(epoch: int, step: int, steps: int, params: Train) -> float:
    """Give the rate of a step.

    It rises linearly over the warm-up, then falls along half a cosine to zero (Loshchilov and Hutter, ICLR 2017); the
    epochs of the balanced head fall along a half of their own.

    Args:
        epoch: from 0.
        step: of the epoch, from 0.
        steps: an epoch.
        params: section ``train``.
    """
    if phase_of(epoch, params) == "balanced_head":
        place = (epoch - params.epochs) * steps + step
        return params.crt_learning_rate * half_cosine(place, params.crt_epochs * steps)
    place, warmup = epoch * steps + step, round(params.warmup_epochs * steps)
    if place < warmup:
        return params.learning_rate * (place + 1) / warmup
    return params.learning_rate * half_cosine(place - warmup, params.epochs * steps - warmup)


def half_cosine(step: int, steps: int) -> float:
    """Fall from 1 at step 0 to 0 at ``steps``."""
    return 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
