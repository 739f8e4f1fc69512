"""95 % intervals of figures of a test whose images come in observations: the observation is what is drawn.

Photos of one plant at one moment are right or wrong together, so images are no independent trials. What varies is
estimated over groups (column ``group`` of the splits' tables), by closed forms; a statistic without one is resampled.
docs/figures.md has the coverage of each, as benchmarks/intervals.py measures it.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2
_POISSON = np.cumsum([math.exp(-1) / math.factorial(times) for times in range(18)])  # of a mean of 1
_BLOCK = 2**22  # weights drawn at once


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval.

    Attributes:
        value: the share, NaN of no images.
        low: where the interval begins, 0 to 1; None where there are too few observations to say.
        high: where it ends; value lies between the two.
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

    The variance is that of a ratio over clusters (Cochran, Sampling Techniques, 3rd edition, 1977, section 9A): that of
    other observations of the same source, whichever species they would show.

    Args:
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images], of their classes, which are merely counted.
        min_groups: with fewer observations there is no interval.
    """
    if not len(hits):
        return Estimate(math.nan, None, None, 0, 0, 0)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    right = np.bincount(group, weights=hits)
    value = float(right.sum() / len(hits))
    deviations = (right - value * sizes) / len(hits)
    variance = float((deviations**2).sum()) * len(sizes) / max(len(sizes) - 1, 1)
    low, high = _interval(value, variance, sizes / len(hits), right, sizes, min_groups=min_groups)
    return Estimate(value, low, high, len(hits), len(sizes), len(np.unique(labels)))


def mean_per_class(hits: np.ndarray, groups: np.ndarray, labels: np.ndarray, *, min_groups: int) -> Estimate:
    """Give the mean over the classes present of the share of their images that are hits: every class counts alike.

    The variance is that of other observations of the same classes (see ``_spread``). Where a group is of several
    classes, its images are taken to be right or wrong together, whatever their class.

    Args:
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images], of their classes.
        min_groups: with fewer observations there is no interval.
    """
    if not len(hits):
        return Estimate(math.nan, None, None, 0, 0, 0)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _, label, of_class = np.unique(labels, return_inverse=True, return_counts=True)
    accuracy = np.bincount(label, weights=hits) / of_class
    value = float(accuracy.mean())
    # A cell: what a group has of a class.
    cells, cell, images = np.unique(label * len(sizes) + group, return_inverse=True, return_counts=True)
    label, group_of_cell = cells // len(sizes), cells % len(sizes)
    rates = np.bincount(cell, weights=hits) / images
    weights = images / (of_class[label] * len(of_class))
    spread = np.sqrt(_spread(rates, label, accuracy))[label]
    variance = float((np.bincount(group_of_cell, weights=spread * weights) ** 2).sum())
    low, high = _interval(
        value,
        variance,
        np.bincount(group_of_cell, weights=weights),
        np.bincount(group, weights=hits),
        sizes,
        min_groups=min_groups,
    )
    return Estimate(value, low, high, len(hits), len(sizes), len(of_class))


def resampled(
    statistic: Callable[[np.ndarray], float | np.ndarray], groups: np.ndarray, *, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give the 95 % interval of a statistic that has no closed form: observations are drawn again, as a whole.

    Each is drawn a Poisson number of times, one on average (Chamandy et al., Estimating uncertainty for massive data
    streams, 2012), and the interval is that of percentiles. The draws are the same on every processor.

    Args:
        statistic: gives a number, or an array of numbers, of the weights of the images, float64 [images]: whole
            numbers, of which all may be 0. What it gives as NaN is left out.
        groups: int64 [images], numbers of their observations.
        resamples: how often they are drawn.
        seed: of the draws.

    Returns:
        Where the interval begins and where it ends, float64 of the shape of what the statistic gives; NaN where the
        statistic gave nothing else.
    """
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // max(number, 1))
    values = []
    for start in range(0, resamples, rows):
        drawn = np.searchsorted(_POISSON, rng.random((min(rows, resamples - start), number))).astype(np.float64)
        values += [statistic(weights[group]) for weights in drawn]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice", category=RuntimeWarning)
        low, high = np.nanquantile(np.array(values, np.float64), [_TAIL, 1 - _TAIL], axis=0)
    return low, high


def _spread(rates: np.ndarray, label: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """Give the variance of an observation's share of hits within each class, float64 [classes].

    Of a class of several observations it is their own variance. A class of one has none to see. It borrows the mean of
    the others', in proportion to p (1 - p): such classes are the rare ones, which are also right less often. One pooled
    variance for all classes is mostly that of the common ones, and was found too small by up to a third.

    Args:
        rates: float64 [cells], share of hits of each observation and class.
        label: int64 [cells], numbers of the classes.
        accuracy: float64 [classes].
    """
    number = np.bincount(label)
    means = np.bincount(label, weights=rates) / number
    squares = np.bincount(label, weights=(rates - means[label]) ** 2)
    several = number > 1
    spread = squares / np.maximum(number - 1, 1)
    alone = _binomial(float(accuracy[~several].mean())) if not several.all() else 0.0
    others = _binomial(float(means[several].mean())) if several.any() else 0.0
    # Without any to borrow from: as if all that differs between classes were chance.
    part = min(1.0, float(spread[several].mean()) / others) if others else 1.0
    return np.where(several, spread, part * alone)


def _binomial(share: float) -> float:
    return share * (1 - share)


def _interval(
    value: float, variance: float, weights: np.ndarray, right: np.ndarray, sizes: np.ndarray, *, min_groups: int
) -> tuple[float | None, float | None]:
    """Give Wilson's interval of a share, of as many independent trials as the variance is worth.

    With all images right, or nearly all, nothing is to be seen of how images of an observation go together. Then they
    count as one trial: the variance seen is drawn towards that of whole observations, as if one more observation had
    told so. Student's t stands for the normal quantile.

    Args:
        value: the share.
        variance: of it, as it was seen.
        weights: float64 [groups], what each group is of the whole; their sum is 1.
        right: [groups], images that are hits.
        sizes: [groups], images.
        min_groups: with fewer groups there is no interval.
    """
    groups = len(sizes)
    if groups < max(min_groups, 2):
        return None, None
    whole = float((weights**2).sum())  # 1 / trials if observations were right or wrong as a whole, p unknown
    telling = min(int((right < sizes).sum()), int((right > 0).sum()))
    seen = variance / (_binomial(value) * whole) if telling else 1.0
    trials = (telling + 1) / (whole * (telling * seen + 1))
    shift = float(stdtrit(groups - 1, 1 - _TAIL)) ** 2 / trials
    center = (value + shift / 2) / (1 + shift)
    half = math.sqrt(_binomial(value) * shift + shift**2 / 4) / (1 + shift)
    return max(0.0, min(value, center - half)), min(1.0, max(value, center + half))
