"""What a probe would reach if labels had nothing to do with photos: labels shuffled, whole observations at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LEVEL = 0.99  # percentile of what shuffled labels reach, above which a probe is better than chance


@dataclass(frozen=True)
class Chance:
    """How a probe's hits compare with those of shuffled labels.

    Attributes:
        images: that it was asked for.
        groups: their observations.
        hits: images that it is right of.
        level: hits that shuffled labels exceed in one of a hundred draws.
        perfect: the same for a probe that is always right.
        perfect_mean: hits of shuffled labels on average, for such a probe.
    """

    images: int
    groups: int
    hits: int
    level: int
    perfect: int
    perfect_mean: float

    @property
    def above(self) -> bool:
        """Whether the probe is better than chance."""
        return self.hits > self.level

    @property
    def tells(self) -> bool:
        """Whether a probe half way between chance and always right would be better than chance.

        Not so where there are a few observations, or most are of one class: then to be no better says nothing.
        """
        return max(self.level, self.perfect) < (self.perfect_mean + self.images) / 2


def against_chance(said: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, shuffles: int, seed: int) -> Chance:
    """Hold what a probe said against shuffled labels.

    Args:
        said: int64 [images], classes; -1 is never right.
        labels: int64 [images].
        groups: int64 [images], numbers of observations.
        shuffles: how often labels are drawn.
        seed: of the draws.
    """
    reached = np.array(
        [
            ((said == shuffled).sum(), (labels == shuffled).sum())
            for shuffled in shuffled_labels(labels, groups, shuffles=shuffles, seed=seed)
        ]
    )
    level, perfect = np.quantile(reached, LEVEL, axis=0, method="higher")
    number = len(np.unique(groups))
    hits, mean = int((said == labels).sum()), float(reached[:, 1].mean())
    return Chance(len(labels), number, hits, int(level), int(perfect), mean)


def shuffled_labels(labels: np.ndarray, groups: np.ndarray, *, shuffles: int, seed: int) -> Iterator[np.ndarray]:
    """Give the labels in other orders, int64 [images] each: those of an observation's images stay alike.

    Args:
        labels: int64 [images].
        groups: int64 [images], numbers of observations. What one has of several classes moves apart.
        shuffles: how many orders.
        seed: of the draws, which are the same on every processor.
    """
    _, units = np.unique(groups, return_inverse=True)
    cells, cell = np.unique(units * (int(labels.max(initial=0)) + 1) + labels, return_inverse=True)
    of_cell = np.zeros(len(cells), np.int64)
    of_cell[cell] = labels
    rng = np.random.default_rng(seed)
    for _ in range(shuffles):
        yield rng.permutation(of_cell)[cell]
