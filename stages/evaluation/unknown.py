"""How well a model tells images of species that it knows from those of species that it does not.

It is asked by a score: images of unknown species should have the lower ones. The largest probability says how far one
class stands out; the energy, the logarithm of the summed exp(logit), how much speaks for any class at all (Liu et al.,
NeurIPS 2020).
"""

from typing import Any

import numpy as np

from stages.evaluation.answers import DIGITS
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.intervals import Estimate, resampled

KEPT = 0.95  # share of known images that a threshold lets through, by which false ones are counted


class Separation:
    """Scores of known and of unknown images, and how well they tell them apart at any weights."""

    def __init__(self, known: np.ndarray, unknown: np.ndarray) -> None:
        """Take scores, float64 [known images] and [unknown images]; one or more each."""
        scores = np.concatenate([known, unknown])
        _, self._place = np.unique(-scores, return_inverse=True)  # equal scores share a place; the largest is first
        self._known = np.arange(len(scores)) < len(known)

    def figures(self, weights: np.ndarray) -> np.ndarray:
        """Give AUROC and the share of unknown images that pass where ``KEPT`` of the known ones do, float64 [2].

        Args:
            weights: float64 [known images + unknown images], in this order; NaN is given where one kind weighs nothing.
        """
        known, unknown = (np.bincount(self._place, weights=weights * kind) for kind in (self._known, ~self._known))
        passed, false = np.cumsum(known), np.cumsum(unknown)
        if not passed[-1] or not false[-1]:
            return np.array([np.nan, np.nan])
        # A pair of equal scores is half told apart.
        lower = float(((false[-1] - false + unknown / 2) * known).sum())
        # Sums of whole numbers, so that 95 of 100 are 0.95.
        at = np.searchsorted(passed, KEPT * passed[-1] - 1e-9)
        return np.array([lower / passed[-1] / false[-1], false[at] / false[-1]])


def unknown_figures(
    test: Evaluated, unknown: Evaluated, temperature: float, *, min_groups: int, resamples: int, seed: int
) -> dict[str, Any]:
    """Say how well unknown species are told from those of the test.

    Args:
        test: images of known species, all with numbers.
        unknown: images of others, likewise.
        temperature: for the largest probability; the energy is that of a temperature of 1.
        min_groups: with fewer observations of either there is no interval.
        resamples: as for ``resampled``.
        seed: likewise.

    Returns:
        images, groups and species of the unknown; and for energy and largest_probability ``Estimate``s of auroc and
        false_at_95 (the share of unknown images that pass where 95 % of the known ones do).
    """
    groups = np.concatenate([test.groups, unknown.groups + test.groups.max() + 1])
    least = min(len(np.unique(part.groups)) for part in (test, unknown))
    figures: dict[str, Any] = {
        "images": len(unknown),
        "groups": len(np.unique(unknown.groups)),
        "species": unknown.species.n_unique(),
    }
    scores = {
        "energy": [np.round(part.answers.log_partition(1.0), DIGITS) for part in (test, unknown)],
        "largest_probability": [part.answers.confidences(temperature) for part in (test, unknown)],
    }
    counts = len(groups), len(np.unique(groups)), len(np.unique(test.labels)) + unknown.species.n_unique()
    for name, (of_known, of_unknown) in scores.items():
        separation = Separation(of_known, of_unknown)
        value = separation.figures(np.ones(len(groups)))
        low: list[float | None] = [None, None]
        high = low
        if least >= max(min_groups, 2):
            drawn = resampled(separation.figures, groups, resamples=resamples, seed=seed)
            low, high = np.minimum(drawn[0], value).tolist(), np.maximum(drawn[1], value).tolist()
        figures[name] = {
            # Where all are told apart no resample shows otherwise, and an interval of nothing would look sure.
            key: Estimate(float(value[at]), *((low[at], high[at]) if low[at] != high[at] else (None, None)), *counts)
            for at, key in enumerate(("auroc", "false_at_95"))
        }
    return figures
