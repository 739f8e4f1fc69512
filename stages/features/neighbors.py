"""The images nearest to an image, of other groups: photos of its own observation would say nothing of it.

Of a small set all are compared with all. Of a large one an inverted file (IVF: Jégou et al., Product quantization for
nearest neighbor search, 2011) looks only into the cells nearest to an image's own; how many of the true neighbors it
finds is measured on a sample of the images. All images of a cell are looked for at once, as a product of matrices:
faiss's own search, image by image, took more of a processor for the same neighbors.

Similarities are cosines, in float64, and rounded before anything is put in order by them: so the order is not that of a
processor.
"""

from dataclasses import dataclass

import faiss
import numpy as np

DIGITS = 6  # that similarities are rounded to
EXACT_ROWS = 20_000  # images of which all are compared with all
RECALL = 0.95  # that is looked for: cells are added until the sample shows it

_BLOCK = 1024
_AT_ONCE = 2**25  # similarities in memory
_SPARE = 8  # neighbors beyond those wanted: of the own group, or as near as another by rounding
_SAMPLE = 500  # images by which recall is measured
_FIRST_CELLS = 8
_TRAINED_A_CELL = 40  # images by which a cell's middle is found: faiss warns below 39
_SEED = 1


@dataclass(frozen=True)
class Neighbors:
    """The nearest images of other groups, the nearest first, equal ones by their row.

    Attributes:
        rows: int64 [images, count]; -1 where there are no more.
        similarity: float64 [images, count], cosines rounded to ``DIGITS``; NaN where there are no more.
    """

    rows: np.ndarray
    similarity: np.ndarray


@dataclass(frozen=True)
class Search:
    """How the neighbors of all images were found.

    Attributes:
        exact: whether all were compared with all.
        cells: into which the images were divided.
        looked_into: cells that were searched for each image.
        recall: share of the true neighbors that were found, of images by which no cell was added.
    """

    exact: bool
    cells: int
    looked_into: int
    recall: float


def exact_neighbors(features: np.ndarray, groups: np.ndarray, rows: np.ndarray, *, count: int) -> Neighbors:
    """Find the neighbors of some images among all: images are compared with each.

    Args:
        features: float32 [images, dimensions], of length 1.
        groups: int64 [images], numbers of their groups.
        rows: int64 [some], of which images.
        count: neighbors of each.
    """
    found = [np.empty((0, min(count + _SPARE, len(features))), np.int64)]
    step = max(1, min(_BLOCK, _AT_ONCE // max(len(features), 1)))
    for start in range(0, len(rows), step):
        of = rows[start : start + step]
        found.append(_largest(features[of] @ features.T, groups[of][:, None] == groups[None, :], count))
    return _in_order(features, rows, np.concatenate(found), count)


def all_neighbors(features: np.ndarray, groups: np.ndarray, *, count: int) -> tuple[Neighbors, Search]:
    """Find the neighbors of all images.

    Args:
        features: float32 [images, dimensions], of length 1.
        groups: int64 [images], numbers of their groups.
        count: neighbors of each.

    Returns:
        The neighbors, and how they were found. An image that finds too few of other groups in its cells is compared
        with all.
    """
    everything = np.arange(len(features))
    if len(features) <= EXACT_ROWS:
        return exact_neighbors(features, groups, everything, count=count), Search(True, 1, 1, 1.0)
    cells = _divide(features)
    tuned_by, measured_by = np.random.default_rng(_SEED).choice(everything, (2, _SAMPLE), replace=False)
    truth = exact_neighbors(features, groups, tuned_by, count=count)
    looked_into = min(_FIRST_CELLS, len(cells))
    while _recall(_look(cells, looked_into, features, groups, tuned_by, count), truth) < RECALL:
        looked_into = min(2 * looked_into, len(cells))
        if looked_into == len(cells):
            break
    truth = exact_neighbors(features, groups, measured_by, count=count)
    recall = _recall(_look(cells, looked_into, features, groups, measured_by, count), truth)
    found = _look(cells, looked_into, features, groups, everything, count)
    return found, Search(False, len(cells), looked_into, recall)


@dataclass(frozen=True)
class _Cells:
    """Images in cells around the means of k-means.

    Attributes:
        rows: int64 [images], the images of one cell after those of another.
        starts: int64 [cells + 1], where each cell begins in ``rows``.
        near: int64 [cells, cells], the cells nearest to each, itself the first or nearly so.
        cell: int64 [images], of each image.
    """

    rows: np.ndarray
    starts: np.ndarray
    near: np.ndarray
    cell: np.ndarray

    def __len__(self) -> int:
        return len(self.near)


def _divide(features: np.ndarray) -> _Cells:
    """Divide images into cells by k-means of directions (Lloyd, 1982; Dhillon and Modha, 2001)."""
    images, dimensions = features.shape
    number = int(2 * np.sqrt(images))
    means = faiss.Kmeans(
        dimensions, number, niter=8, seed=_SEED, spherical=True,
        min_points_per_centroid=_TRAINED_A_CELL, max_points_per_centroid=_TRAINED_A_CELL,
    )  # fmt: skip
    means.train(features)
    _, found = means.assign(features)
    cell = found.astype(np.int64)
    rows = np.argsort(cell, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=number))])
    middles = np.asarray(means.centroids)
    near = np.argsort(-(middles @ middles.T), axis=1, kind="stable")
    return _Cells(rows, starts, near, cell)


def _look(
    cells: _Cells, looked_into: int, features: np.ndarray, groups: np.ndarray, rows: np.ndarray, count: int
) -> Neighbors:
    """Find the neighbors of some images in the cells nearest to theirs, or among all where these hold too few."""
    found = Neighbors(np.empty((len(rows), count), np.int64), np.empty((len(rows), count)))
    of_cells = cells.cell[rows]
    order = np.argsort(of_cells, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(of_cells[order])) + 1):
        near = cells.near[of_cells[places[0]], :looked_into].tolist()
        candidates = np.concatenate([cells.rows[cells.starts[cell] : cells.starts[cell + 1]] for cell in near])
        beside = features[candidates]
        step = max(1, _AT_ONCE // max(len(candidates), 1))
        for start in range(0, len(places), step):
            some = places[start : start + step]
            of = rows[some]
            own = groups[of][:, None] == groups[candidates][None, :]
            nearest = _largest(features[of] @ beside.T, own, count)
            block = _in_order(features, of, np.where(nearest < 0, -1, candidates[nearest]), count)
            found.rows[some], found.similarity[some] = block.rows, block.similarity
    short = np.flatnonzero((found.rows < 0).any(1))
    rest = exact_neighbors(features, groups, rows[short], count=count)
    found.rows[short], found.similarity[short] = rest.rows, rest.similarity
    return found


def _largest(similarity: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    """Give the places of the largest similarities and some to spare, int64 [images, some], in no order; -1 is none.

    Args:
        similarity: float32 [images, candidates]; it is changed.
        own: bool [images, candidates], which candidates are of the own group.
        count: how many are wanted.
    """
    similarity[own] = -np.inf
    wide = similarity.shape[1]
    taken = min(count + _SPARE, wide)
    nearest = np.argpartition(similarity, wide - taken, axis=1)[:, wide - taken :]
    return np.where(np.take_along_axis(similarity, nearest, 1) > -np.inf, nearest, -1)


def _in_order(features: np.ndarray, rows: np.ndarray, nearest: np.ndarray, count: int) -> Neighbors:
    """Give the nearest of some candidates in their order, with their similarities.

    Args:
        features: float32 [images, dimensions].
        rows: int64 [some].
        nearest: int64 [some, candidates], in any order; -1 is none.
        count: to give.
    """
    found = Neighbors(np.full((len(rows), count), -1, np.int64), np.full((len(rows), count), np.nan))
    for start in range(0, len(rows), _BLOCK // 4):
        of = slice(start, start + _BLOCK // 4)
        near = nearest[of]
        own, others = features[rows[of]].astype(np.float64), features[near].astype(np.float64)
        similarity = np.where(near < 0, -np.inf, np.round(np.einsum("nd,nkd->nk", own, others), DIGITS) + 0.0)
        order = np.lexsort((near, -similarity), axis=1)[:, :count]
        near, similarity = (np.take_along_axis(values, order, 1) for values in (near, similarity))
        wide = near.shape[1]
        found.rows[of, :wide] = near
        found.similarity[of, :wide] = np.where(near < 0, np.nan, similarity)
    return found


def _recall(found: Neighbors, truth: Neighbors) -> float:
    """Give the share of the true neighbors that were found; one just as near as a true one counts as it."""
    there = truth.rows >= 0
    furthest = np.where(there, truth.similarity, np.inf).min(1, keepdims=True)
    right = (found.rows >= 0) & (found.similarity >= furthest)
    return float(right.sum() / max(int(there.sum()), 1))
