"""The curve of risk by coverage: how often a model is wrong among the images that it is surest of, by their share.

Of images of one score none is surer than another: what is wrong of them counts as spread evenly over their places.
"""

import math
from dataclasses import replace

import numpy as np
import polars as pl

from stages.evaluation.intervals import Estimate, resampled, share
from stages.tables.evaluate import RISK_COVERAGE

COVERAGES = np.arange(1, 21) / 20  # at which the curve is drawn: two runs' line up


class RiskCoverage:
    """Images in falling order of their scores, and the curve of them at any weights.

    Sorted once, as intervals ask for the curve at a thousand weights.
    """

    def __init__(self, scores: np.ndarray, hits: np.ndarray) -> None:
        """Sort images.

        Args:
            scores: float64 [images], of which the largest is answered first.
            hits: bool [images].
        """
        self._order = np.argsort(-scores, kind="stable")
        self._starts = np.append(0, ends_of_ties(scores[self._order])[:-1] + 1)
        self._sizes = np.diff(np.append(self._starts, len(scores)))
        self._wrong = (~hits[self._order]).astype(np.float64)

    def area(self, weights: np.ndarray) -> float:
        """Give the area under the curve (AURC): the mean over all images of the risk if none after them is answered.

        As in Geifman, Uziel and El-Yaniv (ICLR 2019).

        Args:
            weights: float64 [images]; NaN is given where they are all 0.
        """
        weight, answered, wrong = self._sums(weights)
        risk = np.divide(wrong, answered, out=np.zeros_like(answered), where=answered > 0)
        return float(np.average(risk, weights=weight)) if answered[-1] else float("nan")

    def risks(self, weights: np.ndarray) -> np.ndarray:
        """Give the risk at each of ``COVERAGES``, float64.

        Args:
            weights: float64 [images]; NaN is given where they are all 0.
        """
        _, answered, wrong = self._sums(weights)
        if not answered[-1]:
            return np.full(len(COVERAGES), np.nan)
        wanted = COVERAGES * answered[-1]
        return np.interp(wanted, np.append(0, answered), np.append(0, wrong)) / wanted

    def _sums(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the weight of each image in order; that of all up to it; and how much of this is wrong."""
        weight = weights[self._order]
        of_score, wrong_of_score = (np.add.reduceat(values, self._starts) for values in (weight, weight * self._wrong))
        rate = np.divide(wrong_of_score, of_score, out=np.zeros_like(of_score), where=of_score > 0)
        return weight, np.cumsum(weight), np.cumsum(weight * np.repeat(rate, self._sizes))


def ends_of_ties(falling: np.ndarray) -> np.ndarray:
    """Give the place of the last of each run of equal scores, int64; the scores fall."""
    return np.flatnonzero(np.append(falling[1:] != falling[:-1], True))


def risk_coverage(
    scores: np.ndarray,
    hits: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    *,
    min_groups: int,
    resamples: int,
    seed: int,
) -> tuple[pl.DataFrame, Estimate]:
    """Give the curve of risk by coverage, columns of ``RISK_COVERAGE``, and the area under it.

    The intervals are resampled. As that cannot show an error which it has not seen, one of a risk is no narrower than
    that of the share of wrong ones among as many images; and there is none of the area where nothing is wrong.

    Args:
        scores: float64 [images], of which the largest is answered first; one or more.
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images], which are merely counted.
        min_groups: with fewer observations there are no intervals.
        resamples: as for ``resampled``.
        seed: likewise.
    """
    curve, alike = RiskCoverage(scores, hits), np.ones(len(scores))
    surest = np.argsort(-scores, kind="stable")
    shares = []
    for coverage in COVERAGES:
        answered = surest[: math.ceil(coverage * len(scores) - 1e-9)]
        shares.append(share(~hits[answered], groups[answered], labels[answered], min_groups=min_groups))
    rows = [
        {"coverage": coverage, "risk": risk, "low": of_share.low, "high": of_share.high, "images": of_share.images}
        for coverage, risk, of_share in zip(COVERAGES.tolist(), curve.risks(alike).tolist(), shares, strict=True)
    ]
    area = Estimate(curve.area(alike), None, None, len(scores), shares[-1].groups, shares[-1].classes)
    if shares[-1].low is None:
        return pl.DataFrame(rows, schema=dict(RISK_COVERAGE)), area
    lows, highs = resampled(
        lambda weights: np.append(curve.risks(weights), curve.area(weights)), groups, resamples=resamples, seed=seed
    )
    for row, low, high in zip(rows, lows[:-1].tolist(), highs[:-1].tolist(), strict=True):
        if row["low"] is not None:
            row |= {"low": min(low, row["low"], row["risk"]), "high": max(high, row["high"], row["risk"])}
    if lows[-1] < highs[-1]:
        area = replace(area, low=min(float(lows[-1]), area.value), high=max(float(highs[-1]), area.value))
    return pl.DataFrame(rows, schema=dict(RISK_COVERAGE)), area
