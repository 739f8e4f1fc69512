"""Whether a model's probabilities are true: of images that it is sure of by 0.8, are 80 % right?

One temperature, fitted on val, is what a model's logits are divided by: it changes how sure the model is, and never
what it says (Guo et al., ICML 2017). One of each class does not carry over to rare classes.

An expected calibration error is never zero: of few images in a bin their share of hits is off by chance alone. So what
a perfectly calibrated model of the same confidences would show stands beside it, and an estimate without that bias
(Kumar, Liang and Ma, NeurIPS 2019).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import root_scalar

from stages.evaluation.answers import Answers
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.intervals import share
from stages.tables.predictions import COLDEST, HOTTEST

BINS = 15
_DRAWS = 100  # of what chance shows
_STEP = 1e-4  # relative, by which the slope of the loss is taken


@dataclass(frozen=True)
class Temperature:
    """A temperature, and what it was fitted on.

    Attributes:
        value: it, rounded to 6 significant digits; 1 where none could be fitted.
        images: that it was fitted on; 0 where none could be.
        groups: that they are of.
        at_end: whether the best one lies beyond those that predictions are known at, so that this is the end of these.
    """

    value: float
    images: int
    groups: int
    at_end: bool


def fit_temperature(val: Evaluated, *, min_groups: int) -> Temperature:
    """Find the temperature at which a model's answers have the least negative log-likelihood.

    In 1 / temperature that is a convex function, of one slope everywhere: where the slope is zero is its only minimum.

    Args:
        val: images that the model was not trained on, all with numbers.
        min_groups: fewer of them say nothing of a temperature.
    """
    groups = len(np.unique(val.groups))
    if groups < min_groups:
        return Temperature(1.0, 0, 0, at_end=False)
    # The slope is taken from one step below to one step above.
    least, most = 1 / HOTTEST / (1 - _STEP), 1 / COLDEST / (1 + _STEP)
    if _slope(val.answers, least) >= 0:
        return Temperature(HOTTEST, len(val), groups, at_end=True)
    if _slope(val.answers, most) <= 0:
        return Temperature(COLDEST, len(val), groups, at_end=True)
    found = root_scalar(lambda inverse: _slope(val.answers, inverse), bracket=(least, most), xtol=1e-12)
    return Temperature(float(f"{1 / found.root:.6g}"), len(val), groups, at_end=False)


def _slope(answers: Answers, inverse: float) -> float:
    """Give the slope of the negative log-likelihood over 1 / temperature."""
    above, below = (_mean_loss(answers, inverse * (1 + sign * _STEP)) for sign in (1, -1))
    return (above - below) / (2 * _STEP * inverse)


def _mean_loss(answers: Answers, inverse: float) -> float:
    return -float(answers.own_log_probabilities(1 / inverse).mean())


def calibration_figures(evaluated: Evaluated, temperature: float, *, seed: int) -> dict[str, Any]:
    """Say how true the probabilities of some images are at a temperature.

    Args:
        evaluated: the images, all with numbers; one or more.
        temperature: that logits are divided by.
        seed: to draw by what chance shows.

    Returns:
        images; nll, mean negative log-likelihood of their own species; brier, mean squared distance of all classes'
        probabilities from what is (0 to 2); mean_confidence and top1, what it should be like; ece, ece_if_calibrated
        (mean of what chance would show), ece_if_calibrated_high (19 of 20 such show less) and debiased_l2, all of the
        largest probability in ``BINS`` bins of as many images each.
    """
    answers = evaluated.answers
    own = answers.own_log_probabilities(temperature)
    confidences, hits = answers.confidences(temperature), answers.hits
    bins = equal_mass_bins(confidences)
    by_chance = if_calibrated(confidences, bins, resamples=_DRAWS, seed=seed)
    return {
        "images": len(evaluated),
        "nll": float(-own.mean()),
        "brier": brier(answers, temperature),
        "mean_confidence": float(confidences.mean()),
        "top1": float(hits.mean()),
        "ece": calibration_error(confidences, hits, bins),
        "ece_if_calibrated": float(by_chance.mean()),
        "ece_if_calibrated_high": float(np.quantile(by_chance, 0.95)),
        "debiased_l2": debiased_error(confidences, hits, bins),
    }


def brier(answers: Answers, temperature: float) -> float:
    """Give the mean squared distance of the probabilities of all classes from what is, 0 to 2 (Brier, 1950)."""
    own = np.exp(answers.own_log_probabilities(temperature))
    return float((1 - 2 * own + answers.squared_probabilities(temperature)).mean())


def equal_mass_bins(confidences: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Put confidences into bins of as many images each, by their rank; equal ones are in one bin.

    Returns:
        The number of each image's bin, int64 [images], 0 to ``bins`` - 1; a bin may be empty.
    """
    _, place, counts = np.unique(confidences, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = ends - counts / 2  # of the ranks of equal ones: in the middle of two whole numbers, or on one
    return np.minimum((middle * bins / max(len(confidences), 1)).astype(np.int64), bins - 1)[place]


def calibration_error(confidences: np.ndarray, hits: np.ndarray, bins: np.ndarray) -> float:
    """Give the expected calibration error: the mean distance of confidence and share of hits, over the bins' images.

    Args:
        confidences: float64 [images].
        hits: bool [images].
        bins: int64 [images], of ``equal_mass_bins``.
    """
    gaps = np.bincount(bins, weights=confidences - hits)
    return float(np.abs(gaps).sum() / len(bins))


def if_calibrated(confidences: np.ndarray, bins: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Give the calibration errors that a perfectly calibrated model of these confidences shows by chance.

    Args:
        confidences: float64 [images].
        bins: int64 [images].
        resamples: how often hits are drawn, each image's with the probability that it has.
        seed: to draw by.

    Returns:
        float64 [resamples].
    """
    rng = np.random.default_rng(seed)
    drawn = (rng.random(len(confidences)) < confidences for _ in range(resamples))
    return np.array([calibration_error(confidences, hits, bins) for hits in drawn])


def debiased_error(confidences: np.ndarray, hits: np.ndarray, bins: np.ndarray) -> float | None:
    """Give the root of the mean squared distance of confidence and share of hits, without what chance adds to it.

    From each bin's square the variance of its share is taken off (Kumar, Liang and Ma, 2019, section 4); where more is
    taken off than there is, the result is 0. A bin of one image has no variance and is left out; ``None`` where all are
    such.
    """
    images = np.bincount(bins).astype(np.float64)
    some = images > 1
    if not some.any():
        return None
    images = images[some]
    accuracy = np.bincount(bins, weights=hits)[some] / images
    confidence = np.bincount(bins, weights=confidences)[some] / images
    squares = (confidence - accuracy) ** 2 - accuracy * (1 - accuracy) / (images - 1)
    return float(np.sqrt(max(0.0, float(np.average(squares, weights=images)))))


def reliability(evaluated: Evaluated, temperature: float, *, min_groups: int) -> pl.DataFrame:
    """Give the share of hits by confidence, a row a bin with images: columns of ``RELIABILITY`` but for model.

    There are as many bins as can have an interval, and ``BINS`` at most: a share of three images is no measurement.

    Args:
        evaluated: the images, all with numbers; one or more.
        temperature: that logits are divided by.
        min_groups: with fewer observations a bin has no interval.
    """
    confidences, hits = evaluated.answers.confidences(temperature), evaluated.answers.hits
    wanted = len(np.unique(evaluated.groups)) // min_groups
    bins = equal_mass_bins(confidences, bins=max(1, min(BINS, wanted)))
    rows = []
    for number in np.unique(bins):
        members = bins == number
        found = share(hits[members], evaluated.groups[members], evaluated.labels[members], min_groups=min_groups)
        rows.append(
            {
                "confidence": float(confidences[members].mean()),
                "accuracy": found.value,
                "low": found.low,
                "high": found.high,
                "images": found.images,
            }
        )
    return pl.DataFrame(rows)
