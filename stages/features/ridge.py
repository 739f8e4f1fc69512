"""Ridge regression of one-hot labels on features, in closed form: what a frozen network's features know of species.

What a fit without an image's whole group would say of it follows from one fit of all (leave-one-out of the hat matrix,
by whole groups: Cook and Weisberg, Residuals and Influence in Regression, 1982, section 3.7), exactly, and for the
price of scoring. Images x classes is never held.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_array

from stages.runtime.errors import UserError

BLOCK = 4_096  # rows at once: of 8,587 classes their scores are 280 MB
_TOGETHER = 512  # rows whose groups are solved at once


@dataclass(frozen=True)
class Ridge:
    """A fit.

    Attributes:
        coefficients: float64 [dimensions, classes].
        class_weights: float64 [classes], what an image of each class counts; 0 of a class without images.
        gram: float64 [dimensions, dimensions], weighted squares of the features, with the penalty on the diagonal.
        targets: float64 [dimensions, classes], weighted sum of the features of each class's images.
        factor: float64 [dimensions, dimensions], lower triangle: gram = factor factorᵀ.
    """

    coefficients: np.ndarray
    class_weights: np.ndarray
    gram: np.ndarray
    targets: np.ndarray
    factor: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Give how much the features of any images speak for each class, float64 [images, classes].

        About 1 for an image's own class and 0 for others. For many images: some at a time.

        Args:
            features: float32 or float64 [images, dimensions], of length 1.
        """
        return features.astype(np.float64, copy=False) @ self.coefficients


def fit(features: np.ndarray, labels: np.ndarray, *, classes: int, ridge: float, class_weight_power: float) -> Ridge:
    """Fit one-hot labels: minimize Σ weight |y - x B|² + ridge |B|², summed in float64.

    Args:
        features: float32 or float64 [images, dimensions], of length 1.
        labels: int64 [images], 0 to classes - 1.
        classes: how many there are; those without images score 0 everywhere.
        ridge: penalty, more than 0.
        class_weight_power: an image's weight is its class's number of images to this power; 0 is all alike.

    Raises:
        UserError: the penalty is too small for float64.
    """
    sizes = np.bincount(labels, minlength=classes)
    class_weights = np.where(sizes > 0, np.maximum(sizes, 1).astype(np.float64) ** class_weight_power, 0.0)
    dimensions = features.shape[1]
    gram = np.zeros((dimensions, dimensions))
    for start in range(0, len(features), BLOCK):
        part = slice(start, start + BLOCK)
        block, weights = features[part].astype(np.float64, copy=False), class_weights[labels[part]]
        gram += block.T @ (block * weights[:, None])
    gram = (gram + gram.T) / 2
    gram[np.diag_indices(dimensions)] += ridge
    factor = factored(gram, ridge)
    targets = np.ascontiguousarray((sum_by_class(features, labels, classes) * class_weights[:, None]).T)
    return Ridge(cho_solve((factor, True), targets), class_weights, gram, targets, factor)


def sum_by_class(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Give the sum of the features of each class's images, float64 [classes, dimensions]."""
    sums = np.zeros((classes, features.shape[1]))
    for start in range(0, len(features), BLOCK):
        part = slice(start, start + BLOCK)
        sums += _members(labels[part], classes) @ features[part].astype(np.float64, copy=False)
    return sums


def left_out_scores(
    ridge: Ridge, features: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give for each image the scores of a fit without its whole group.

    They equal those of fitting again without the group, at the weights that classes have with it. A class that is
    left without images scores 0.

    Args:
        ridge: the fit of these images.
        features: float32 or float64 [images, dimensions], as they were fitted.
        labels: int64 [images], likewise.
        groups: int64 [images], numbers of their groups; any.

    Yields:
        The numbers of some rows, int64 [block], and their scores, float64 [block, classes]. A block is of whole groups
        and has at most 4,096 rows; a group of more comes in several. Each row comes once.
    """
    alone, of_class = _of_one_group(labels, groups, ridge.coefficients.shape[1])
    order, ends = _whole_groups(groups)
    starts = np.concatenate([[0], ends[:-1]])
    small = int((ends - starts <= min(BLOCK, len(ridge.gram))).sum())  # groups, which come first, as they are by size
    first = 0
    while first < small:
        last = min(small, int(np.searchsorted(ends, starts[first] + BLOCK, side="right")))
        rows = order[starts[first] : ends[last - 1]]
        scores = _without_groups(ridge, features, labels, rows, (ends - starts)[first:last])
        for label in np.unique(labels[rows[alone[labels[rows]]]]):
            scores[groups[rows] == groups[of_class[label]], label] = 0  # and not what rounding leaves
        yield rows, scores
        first = last
    for first in range(small, len(ends)):
        yield from _fitted_again(ridge, features, labels, order[starts[first] : ends[first]])


def _without_groups(
    ridge: Ridge, features: np.ndarray, labels: np.ndarray, rows: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Give the scores of a block of whole groups, each from a fit without it: residuals over what the fit gave way.

    Args:
        ridge: the fit.
        features: of all images.
        labels: of all images.
        rows: of the block, group after group.
        sizes: int64 [groups], rising, how many rows each has.
    """
    block, own = features[rows].astype(np.float64, copy=False), labels[rows]
    weights = np.sqrt(ridge.class_weights[own])[:, None]
    leverage = solve_triangular(ridge.factor, (block * weights).T, lower=True).T  # of which products are the hat matrix
    residuals = block @ ridge.coefficients
    np.negative(residuals, out=residuals)
    residuals[np.arange(len(rows)), own] += 1
    begin = 0
    for size, number in zip(*np.unique(sizes, return_counts=True), strict=True):
        many = max(1, _TOGETHER // size)
        for at in range(begin, begin + size * number, size * many):
            some = slice(at, min(at + size * many, begin + size * number))
            if size == 1:
                residuals[some] /= (1 - (leverage[some] ** 2).sum(axis=1))[:, None]
                continue
            shape = (-1, size, residuals.shape[1])
            parts = leverage[some].reshape(-1, size, leverage.shape[1])
            kept = np.eye(size) - parts @ parts.transpose(0, 2, 1)
            scaled = residuals[some] * weights[some]
            residuals[some] = np.linalg.solve(kept, scaled.reshape(shape)).reshape(scaled.shape) / weights[some]
        begin += size * number
    np.negative(residuals, out=residuals)
    residuals[np.arange(len(rows)), own] += 1
    return residuals


def _fitted_again(
    ridge: Ridge, features: np.ndarray, labels: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the scores of a large group from a fit without it: cheaper than a system as large as the group."""
    gram, targets = ridge.gram.copy(), ridge.targets.T.copy()
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        block, weights = features[some].astype(np.float64, copy=False), ridge.class_weights[labels[some]]
        gram -= block.T @ (block * weights[:, None])
        targets -= sum_by_class(block, labels[some], len(targets)) * ridge.class_weights[:, None]
    gone = np.bincount(labels, minlength=len(targets)) == np.bincount(labels[rows], minlength=len(targets))
    targets[gone] = 0  # and not what rounding leaves
    penalty = float(ridge.gram.diagonal().min())
    coefficients = cho_solve((factored((gram + gram.T) / 2, penalty), True), targets.T)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        yield some, features[some].astype(np.float64, copy=False) @ coefficients


def _whole_groups(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows group after group, the smallest groups first, and where each group ends."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.lexsort((group, sizes[group]))
    return order, np.cumsum(np.sort(sizes))


def _of_one_group(labels: np.ndarray, groups: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Say which classes have images of one group alone, bool [classes]; and an image of each, int64 [classes]."""
    image = np.zeros(classes, np.int64)
    image[labels] = np.arange(len(labels))
    elsewhere = groups != groups[image[labels]]
    return np.bincount(labels, weights=elsewhere, minlength=classes) == 0, image


def _members(labels: np.ndarray, classes: int) -> csr_array:
    """Give which images are of which class, float64 [classes, images], sparse."""
    rows = np.arange(len(labels))
    return csr_array((np.ones(len(labels)), (labels, rows)), shape=(classes, len(labels)))


def factored(gram: np.ndarray, ridge: float) -> np.ndarray:
    """Give the lower triangle whose product with its transpose is a gram matrix, float64 [dimensions, dimensions].

    Args:
        gram: float64 [dimensions, dimensions], the penalty on its diagonal.
        ridge: the penalty.

    Raises:
        UserError: the penalty is too small for float64.
    """
    try:
        factor, _ = cho_factor(gram, lower=True)
    except np.linalg.LinAlgError:
        raise UserError(f"probe.ridge in params.yaml is too small for these features ({ridge:g}): raise it") from None
    return np.tril(factor)
