"""Random numbers of training: each use has its own stream of the one seed, and whoever goes on draws the same again."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Streams: no two uses of one seed draw the same numbers.
ORDER, IMAGE, BATCH, STEP, TRAIN_EVAL = 0, 1, 2, 3, 4


def generator(seed: int, stream: int, *place: int) -> np.random.Generator:
    """Give the generator of a stream at a place, such as (epoch, image)."""
    return np.random.default_rng((seed, stream, *place))


@contextmanager
def global_draws(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators that timm draws from, those of ``device`` too, and put them back afterwards."""
    before, numpy_before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before)
            np.random.set_state(numpy_before)
