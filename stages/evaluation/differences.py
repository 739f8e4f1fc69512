"""What two models differ by on the same images: the difference with its interval, and a verdict in words.

One test decides: the sign flips of stages/evaluation/sign_flips.py. The interval holds the differences that the same
test, with the same limit, would not have found rare, so it has 0 in it if and only if the verdict is that no difference
is shown (a score interval; Wilson 1927 and Tango 1998 for shares, here with the variance over observations).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from stages.evaluation.intervals import LEVEL, Estimate
from stages.evaluation.sign_flips import ALPHA, flip, flip_whole

Verdict = Literal["better", "worse", "no difference shown", "too few to say"]
_NORMAL = float(ndtri((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Difference:
    """What the second model, head, has more than the first, base, of one figure on the same images.

    Attributes:
        base: the first model's figure on these images.
        head: the second model's.
        difference: head less base, as a share; NaN of no images.
        low: where its 95 % interval begins; None where there are too few observations to say.
        high: where it ends.
        p: how likely a difference as large is by chance; None where too few observations are there or have changed.
        gained: images that only head has right.
        lost: images that only base has right.
        changed_groups: observations on which they differ.
        verdict: which of the two is better, if that can be said.
        words: the verdict as a sentence without a full stop.
    """

    base: Estimate
    head: Estimate
    difference: float
    low: float | None
    high: float | None
    p: float | None
    gained: int
    lost: int
    changed_groups: int
    verdict: Verdict
    words: str


def image_difference(
    base: Estimate, head: Estimate, base_hits: np.ndarray, head_hits: np.ndarray, groups: np.ndarray, *, min_groups: int
) -> Difference:
    """Compare two models by the share of images that are hits.

    Args:
        base: the first model's estimate.
        head: the second model's.
        base_hits: bool [images].
        head_hits: bool [images].
        groups: int64 [images], numbers of observations.
        min_groups: with fewer observations there is no interval, with fewer that have changed no verdict.
    """
    _, group = np.unique(groups, return_inverse=True)
    change = head_hits.astype(np.int64) - base_hits
    sums = np.rint(np.bincount(group, weights=change)).astype(np.int64)
    flipped = flip_whole(sums)
    weights = np.bincount(group) / max(len(group), 1)
    return _difference(
        base,
        head,
        change,
        sums / max(len(group), 1),
        weights,
        flipped.p,
        flipped.largest / max(len(group), 1),
        min_groups,
    )


def class_difference(
    base: Estimate, head: Estimate, base_hits: np.ndarray, head_hits: np.ndarray, groups: np.ndarray,
    labels: np.ndarray, *, min_groups: int, flips: int, seed: int,
) -> Difference:  # fmt: skip
    """Compare two models by the mean over classes of the share of their images that are hits.

    Args:
        base: the first model's estimate.
        head: the second model's.
        base_hits: bool [images].
        head_hits: bool [images].
        groups: int64 [images], numbers of observations.
        labels: int64 [images], of classes.
        min_groups: with fewer observations there is no interval, with fewer that have changed no verdict.
        flips: how often signs are drawn, where there are too many to flip them in every way.
        seed: of the draws.
    """
    _, group = np.unique(groups, return_inverse=True)
    _, label, images = np.unique(labels, return_inverse=True, return_counts=True)
    change = head_hits.astype(np.int64) - base_hits
    # A cell: what a group has of a class. Whole numbers there, so that gains and losses cancel exactly.
    number = int(group.max(initial=-1)) + 1
    cells, cell, sizes = np.unique(label * number + group, return_inverse=True, return_counts=True)
    each = 1 / (images[cells // number] * len(images)) if number else np.zeros(0)
    of_cell = cells % number if number else cells
    sums = np.bincount(of_cell, weights=np.rint(np.bincount(cell, weights=change)) * each)
    weights = np.bincount(of_cell, weights=sizes * each)
    flipped = flip(sums, flips=flips, seed=seed)
    return _difference(base, head, change, sums, weights, flipped.p, flipped.largest, min_groups)


def _difference(
    base: Estimate, head: Estimate, change: np.ndarray, sums: np.ndarray, weights: np.ndarray, p: float,
    largest: float, min_groups: int,
) -> Difference:  # fmt: skip
    """Give difference, interval and verdict.

    Args:
        base: the first model's estimate.
        head: the second model's.
        change: int64 [images], 1 gained, -1 lost.
        sums: float64 [observations], what each adds to the difference.
        weights: float64 [observations], what each would add if it were gained as a whole; their sum is 1.
        p: of the sign flips.
        largest: difference that is no rare one.
        min_groups: see ``image_difference``.
    """
    gained, lost, changed = int((change > 0).sum()), int((change < 0).sum()), int((sums != 0).sum())
    value = float(sums.sum()) if len(sums) else math.nan
    ends = None
    few_changed = 0 < changed < min_groups
    if few_changed:  # then no sum is a rare one
        largest = max(float(np.abs(sums).sum()), _NORMAL * math.sqrt(float((sums**2).sum())))
    rare = p < ALPHA and not few_changed
    if len(sums) >= max(min_groups, 2):
        ends = _interval(sums, weights, largest)
    low, high = ends or (None, None)
    if low is not None and high is not None and not rare:  # 0 may be where it ends, but for rounding
        low, high = min(low, 0.0), max(high, 0.0)
    too_few = low is None or few_changed
    verdict: Verdict = (
        "too few to say" if too_few else "no difference shown" if not rare else "better" if value > 0 else "worse"
    )
    words = _words(verdict, value, low, high, changed, len(sums), min_groups)
    return Difference(base, head, value, low, high, None if too_few else p, gained, lost, changed, verdict, words)


def _interval(sums: np.ndarray, weights: np.ndarray, largest: float) -> tuple[float, float] | None:
    """Give the differences d that are not rare: (value - d)² <= factor² Σ (sums - d weights)².

    Args:
        sums: float64 [observations], as for ``_difference``.
        weights: float64 [observations].
        largest: difference that is no rare one if there is none: what makes the factor.

    Returns:
        The ends; none where any difference might be, as a few observations are most of the weight.
    """
    value = float(sums.sum())
    pairs = ((sums, sums), (sums, weights), (weights, weights))
    of_sums, of_both, of_weights = (float((one * other).sum()) for one, other in pairs)
    factor = largest / math.sqrt(of_sums) if of_sums else _NORMAL
    if max(factor, _NORMAL) ** 2 * of_weights >= 1:
        return None
    a = 1 - factor**2 * of_weights
    b = value - factor**2 * of_both
    c = value**2 - factor**2 * of_sums
    root = math.sqrt(max(b * b - a * c, 0))
    low, high = (b - root) / a, (b + root) / a
    # However few changes are seen, or however alike: if d came of observations that all changed one way, as many as it
    # takes, their number would vary too.
    for way in (1, -1):
        if way * value > 0 or low <= 0 <= high:
            ends = [way * end for end in _one_way(way * value, of_weights)]
            low, high = min([low, *ends]), max([high, *ends])
    return max(low, -1.0), min(high, 1.0)


def _one_way(value: float, square: float) -> list[float]:
    """Give the ends of all d with (value - d)² <= z² square d (1 - d), as of Wilson's interval, if there are any.

    Args:
        value: the share that has changed that way, less the share that has changed the other way.
        square: 1 / observations, if they were of one size.
    """
    shift = _NORMAL**2 * square
    inside = shift * value * (1 - value) + shift**2 / 4
    if inside < 0 or value + shift / 2 < 0:
        return []
    half = math.sqrt(inside)
    return [max(0.0, (value + shift / 2 - half) / (1 + shift)), (value + shift / 2 + half) / (1 + shift)]


def _words(
    verdict: Verdict, value: float, low: float | None, high: float | None, changed: int, groups: int, min_groups: int
) -> str:
    if low is None or high is None:
        uneven = ", of which a few have most of the images" if groups >= max(min_groups, 2) else ""
        return f"too few to say: {groups:,} observations to compare{uneven}"
    ruled_out = f"differences above {_points(max(-low, high), up=True)} points are ruled out"
    if verdict == "too few to say":
        return f"too few to say which is better: {changed:,} of {groups:,} observations changed; {ruled_out}"
    if verdict == "no difference shown":
        return f"no difference shown: {'' if changed else 'no observation changed; '}{ruled_out}"
    least, most = sorted((abs(low), abs(high)))
    return f"{verdict} by {_points(abs(value))} points ({_points(least)} to {_points(most)})"


def _points(share: float, *, up: bool = False) -> str:
    """Give a share in points, with one decimal, or two where it is small; rounded up where less would be untrue."""
    points = 100 * share
    decimals = 1 if points >= 0.5 else 2
    scaled = points * 10**decimals
    return f"{(math.ceil(scaled - 1e-6) if up else round(scaled)) / 10**decimals:.{decimals}f}"
