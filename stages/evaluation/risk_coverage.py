"""The curve of risk by coverage: how often a model is wrong among the images that it is surest of, by their share.

Of images of one score none is surer than another: what is wrong of them counts as spread evenly over their places.
"""

import numpy as np
import polars as pl

from stages.evaluation.intervals import Estimate, resampled

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
    value = np.append(curve.risks(alike), curve.area(alike))
    observations = len(np.unique(groups))
    low: list[float | None] = [None] * len(value)
    high = low
    if observations >= max(min_groups, 2):
        drawn = resampled(
            lambda weights: np.append(curve.risks(weights), curve.area(weights)), groups, resamples=resamples, seed=seed
        )
        low, high = np.minimum(drawn[0], value).tolist(), np.maximum(drawn[1], value).tolist()
    table = pl.DataFrame(
        {
            "coverage": COVERAGES,
            "risk": value[:-1],
            "low": low[:-1],
            "high": high[:-1],
            "images": np.round(COVERAGES * len(scores)),
        },
        schema_overrides={"low": pl.Float64, "high": pl.Float64},
    )
    return table, Estimate(float(value[-1]), low[-1], high[-1], len(scores), observations, len(np.unique(labels)))
