"""A test by sign flips: may a sum of differences, one an observation, be chance?

If two models are equally good, what one gains on an observation the other might as well have gained. So the sum stands
against those with every sign drawn anew (Fisher 1935, The Design of Experiments, chapter 3): exact for any number of
observations, as long as these are independent of each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

ALPHA = 0.05
_EXACT = 13  # so few can be flipped in every way, 8,192 ways
_BLOCK = 512  # flips at once
_STEPS = 2.0**48  # sums of so many steps are exact in float64, in any order: the same on every processor


@dataclass(frozen=True)
class Flipped:
    """What sums become when signs are flipped.

    Attributes:
        p: how likely a sum is at least as large as the one found, by its absolute value.
        largest: the absolute value up to which a sum is no rare one: those beyond it have a p below 0.05.
    """

    p: float
    largest: float


def flip_whole(differences: np.ndarray) -> Flipped:
    """Flip the signs of whole numbers, int64 [observations]: the exact distribution, by convolution."""
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chances = np.ones(1)  # of each sum from the least on
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        chosen = np.arange(count + 1)
        binomial = gammaln(count + 1) - gammaln(chosen + 1) - gammaln(count - chosen + 1) - count * np.log(2)
        spread = np.zeros(2 * size * count + 1)
        spread[:: 2 * size] = np.exp(binomial)
        chances = np.convolve(chances, spread)
    middle = len(chances) // 2
    # Beyond the middle by symmetry twice; at it once.
    of_size = np.concatenate([chances[middle : middle + 1], 2 * chances[middle + 1 :]])
    tails = np.minimum(np.cumsum(of_size[::-1])[::-1], 1.0)
    possible = np.flatnonzero(of_size > 0)
    return _judge(float(tails[abs(int(differences.sum()))]), possible.astype(float), tails[possible])


def flip(differences: np.ndarray, *, flips: int, seed: int) -> Flipped:
    """Flip the signs of numbers, float64 [observations]: in every way where few are not 0, else in drawn ways."""
    changed = differences[differences != 0]
    if not len(changed):
        return Flipped(1.0, 0.0)
    step = np.abs(changed).sum() / _STEPS
    steps = np.rint(changed / step)
    every = len(changed) <= _EXACT
    sums = [np.abs(signs @ steps) for signs in (_every(len(changed)) if every else _drawn(len(changed), flips, seed))]
    found = abs(steps.sum())
    # Equal but for the rounding to steps, one an observation at most.
    flipped = np.concatenate([*sums, [] if every else [found]])
    equal = 2.0 * len(changed)
    p = float((flipped >= found - equal).mean())
    values = np.sort(flipped)
    tails = 1 - np.searchsorted(values, values - equal) / len(values)
    judged = _judge(p, values, tails)
    return Flipped(judged.p, float(judged.largest * step))


def _judge(p: float, values: np.ndarray, tails: np.ndarray) -> Flipped:
    """Find how large sums may be: halfway from the last that is no rare one to the next, as they come in steps.

    Args:
        p: of the sum found.
        values: [sums], rising.
        tails: [sums], how likely one is at least as large.
    """
    usual = int(np.flatnonzero(tails >= ALPHA)[-1])
    beyond = values[values > values[usual]]
    return Flipped(p, float((values[usual] + beyond[0]) / 2 if len(beyond) else values[usual]))


def _every(number: int) -> Iterator[np.ndarray]:
    bits = (np.arange(2**number)[:, None] >> np.arange(number)) & 1
    yield 2.0 * bits - 1


def _drawn(number: int, flips: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, flips, _BLOCK):
        rows = min(_BLOCK, flips - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(rows * -(-number // 8)), np.uint8).reshape(rows, -1), axis=1)
        yield 2.0 * bits[:, :number] - 1
