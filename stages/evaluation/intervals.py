"""95 % intervals of shares of images, where images come in observations: an observation is the unit that is drawn.

Photos of one plant at one moment are right or wrong together, so images are no independent trials. What varies is
estimated over groups (column ``group`` of the splits' tables), by closed forms; a statistic without one is resampled.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval.

    Attributes:
        value: the share, NaN of no images.
        low: where the interval begins, 0 to 1; None where there are too few groups to say.
        high: where it ends.
        images: that it is of.
        groups: observations that it is of.
        classes: that it is of.
    """

    value: float
    low: float | None
    high: float | None
    images: int
    groups: int
    classes: int


def share(hits: np.ndarray, groups: np.ndarray, labels: np.ndarray, *, min_groups: int) -> Estimate:
    """Give the share of images that are hits, such as top-1: every image counts alike.

    Args:
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images], of their classes, which are merely counted.
        min_groups: with fewer observations there is no interval.
    """
    if not len(hits):
        return Estimate(math.nan, None, None, 0, 0, 0)
    _, group = np.unique(groups, return_inverse=True)
    images, right = np.bincount(group), np.bincount(group, weights=hits)
    number = len(images)
    value = float(right.sum() / len(hits))
    square = float((images**2.0).sum()) / len(hits) ** 2
    deviations = right - value * images
    variance = number / max(number - 1, 1) * float((deviations**2).sum()) / len(hits) ** 2
    low, high = _interval(value, variance, square, right, images, min_groups=min_groups)
    return Estimate(value, low, high, len(hits), number, len(np.unique(labels)))


def mean_per_class(hits: np.ndarray, groups: np.ndarray, labels: np.ndarray, *, min_groups: int) -> Estimate:
    """Give the mean over the classes present of the share of their images that are hits: every class counts alike.

    Args:
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images], of their classes.
        min_groups: with fewer observations there is no interval.
    """
    if not len(hits):
        return Estimate(math.nan, None, None, 0, 0, 0)
    _, group = np.unique(groups, return_inverse=True)
    _, label = np.unique(labels, return_inverse=True)
    classes, number = int(label.max()) + 1, int(group.max()) + 1
    _, cell = np.unique(label * number + group, return_inverse=True)
    images, right = np.bincount(cell), np.bincount(cell, weights=hits)
    of_cell = np.zeros((2, len(images)), np.int64)
    of_cell[0, cell], of_cell[1, cell] = label, group
    label, group = of_cell
    of_class = np.bincount(label, weights=images)
    value = float((np.bincount(label, weights=right) / of_class).mean())
    weights = images / of_class[label] / classes
    rate = right / images
    cells = np.bincount(label)
    means = np.bincount(label, weights=rate) / cells
    squares = np.bincount(label, weights=(rate - means[label]) ** 2)
    several = cells > 1
    pooled = squares[several].sum() / (cells[several] - 1).sum() if several.any() else value * (1 - value)
    spread = np.bincount(group, weights=weights)
    square = float((spread**2).sum())
    low, high = _interval(
        value,
        float(pooled) * square,
        square,
        np.bincount(group, right),
        np.bincount(group, images),
        min_groups=min_groups,
    )
    return Estimate(value, low, high, len(hits), number, classes)


def resampled(
    statistic: Callable[[np.ndarray], float | np.ndarray], groups: np.ndarray, *, resamples: int, seed: int
) -> tuple[float, float] | tuple[np.ndarray, np.ndarray]:
    """Give the 95 % interval of a statistic by drawing observations again, a Poisson number of times each.

    Args:
        statistic: gives a number, or an array of numbers, of the weights of the images, float64 [images].
        groups: int64 [images], numbers of their observations.
        resamples: how often they are drawn.
        seed: of the draws.
    """
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.poisson(1.0, number).astype(np.float64)[group]) for _ in range(resamples)])
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def _interval(
    value: float, variance: float, square: float, right: np.ndarray, images: np.ndarray, *, min_groups: int
) -> tuple[float | None, float | None]:
    """Give Wilson's interval of a share, with as many independent trials as the variance says."""
    groups = len(images)
    if groups < max(min_groups, 2):
        return None, None
    binomial = value * (1 - value) * square
    changed = min(int((right < images).sum()), int((right > 0).sum()))
    factor = (changed * (variance / binomial if binomial > 0 else 1.0) + 1) / (changed + 1)
    trials = 1 / (factor * square)
    quantile = float(stdtrit(groups - 1, (1 + LEVEL) / 2))
    shift = quantile**2 / trials
    center = (value + shift / 2) / (1 + shift)
    half = math.sqrt(value * (1 - value) * shift + shift**2 / 4) / (1 + shift)
    return max(0.0, min(value, center - half)), min(1.0, max(value, center + half))
