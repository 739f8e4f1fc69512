"""The learning rate as a function of the step, so that a resumed run needs to remember nothing."""

import math


def learning_rate(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Rise linearly over the warm-up, then fall along half a cosine to zero (Loshchilov and Hutter, 2017).

    Args:
        step: from 0 to ``total_steps`` - 1.
        peak: reached at the end of the warm-up.
        warmup_steps: may be 0.
        total_steps: of the whole run.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
