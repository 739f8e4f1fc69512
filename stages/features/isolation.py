"""Images that are like no other: a photo that shows no plant is far from all that do.

Two measures. Isolation is the mean cosine distance to the nearest images of other groups (Kuan and Mueller, Back to the
Basics: Revisiting Out-of-Distribution Detection Baselines, 2022): easy to see, as these can be shown. Novelty is how
much of an image's features no combination of other images explains: its leverage in the ridge without its own group,
which is a Mahalanobis distance (Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples and
Adversarial Attacks, 2018).
Photos of things before the sample's own meadows are near to photos of plants there, yet no plant explains them: by
novelty more of them come first (benchmarks/suspects.py), so it is what images are ranked by.
"""

import numpy as np
from scipy.linalg import solve_triangular

from stages.features.neighbors import Neighbors
from stages.features.ridge import factored

DIGITS = 5

_BLOCK = 4096
_LARGE = 512  # images of a group from which on it is taken out of the fit itself


def isolation(neighbors: Neighbors, *, count: int) -> np.ndarray:
    """Give the mean cosine distance of each image to its nearest, float64 [images], rounded; NaN where there are fewer.

    Args:
        neighbors: of other groups, ``count`` of each or more.
        count: of how many.
    """
    return np.round(1 - neighbors.similarity[:, :count].mean(1), DIGITS) + 0.0


def novelty(features: np.ndarray, groups: np.ndarray, *, ridge: float) -> np.ndarray:
    """Give how little other images explain the features of each, float64 [images], rounded: x' (X'X + ridge)^-1 x.

    X are all images but those of its group, exactly. It is 0 of what others have many times, and 1 / ridge of what
    none has anything of.

    Args:
        features: float32 [images, dimensions], of length 1.
        groups: int64 [images], numbers of their groups.
        ridge: the penalty, more than 0.

    Raises:
        UserError: the penalty is too small for float64.
    """
    gram = ridge * np.eye(features.shape[1])
    for start in range(0, len(features), _BLOCK):
        block = features[start : start + _BLOCK].astype(np.float64)
        gram += block.T @ block
    factor = factored(gram, ridge)
    found = np.empty(len(features))
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.lexsort((group, sizes[group]))
    for size in np.unique(sizes).tolist():
        rows = order[sizes[group[order]] == size].reshape(-1, size)
        if size >= _LARGE:
            for of_group in rows:
                block = features[of_group].astype(np.float64)
                found[of_group] = (_roots(factored(gram - block.T @ block, ridge), block) ** 2).sum(1)
            continue
        step = max(1, _BLOCK // size)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            parts = _roots(factor, features[some.reshape(-1)].astype(np.float64)).reshape(*some.shape, -1)
            given_way = np.eye(size) - parts @ parts.transpose(0, 2, 1)
            found[some] = np.diagonal(np.linalg.inv(given_way), axis1=1, axis2=2) - 1
    return np.round(found, DIGITS) + 0.0


def isolation_ranks(novelties: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Rank images from 1, the least like any other first, equal ones by name: int64 [images].

    Args:
        novelties: float64 [images].
        names: [images], by which equal ones are put in order.
    """
    ranks = np.empty(len(novelties), np.int64)
    ranks[np.lexsort((names, -novelties))] = np.arange(1, len(novelties) + 1)
    return ranks


def _roots(factor: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Give rows of which products are those of the inverse, float64 [rows, dimensions]."""
    return solve_triangular(factor, block.T, lower=True).T
