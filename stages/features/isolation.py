"""Images that are like no other: a photo that shows no plant is far from all that do (deep k-nearest neighbors).

Kuan and Mueller, Back to the Basics: Revisiting Out-of-Distribution Detection Baselines, 2022, take the mean distance
to the k nearest, as here.
"""

import numpy as np

from stages.features.neighbors import Neighbors

DIGITS = 5


def isolation(neighbors: Neighbors, *, count: int) -> np.ndarray:
    """Give the mean cosine distance of each image to its nearest, float64 [images], rounded; NaN where there are fewer.

    Args:
        neighbors: of other groups, ``count`` of each or more.
        count: of how many.
    """
    return np.round(1 - neighbors.similarity[:, :count].mean(1), DIGITS)


def isolation_ranks(isolations: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Rank images from 1, the least like any other first, equal ones by name: int64 [images]; 0 where there is no mean.

    Args:
        isolations: float64 [images], NaN where there is none.
        names: [images], by which equal ones are put in order.
    """
    ranks = np.zeros(len(isolations), np.int64)
    known = np.flatnonzero(~np.isnan(isolations))
    order = known[np.lexsort((names[known], -isolations[known]))]
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks
