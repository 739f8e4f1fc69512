"""Pairs of species that may be one: names that the name rules do not know to be synonyms, or that people mix up.

The rest of the data takes photos of the one for the other. Were the two one species, half of the photos of the rarer
would be taken for the other, and as many of the other for it: by how near they come to that pairs are put in order. Of
few photos that may be chance, so two more count that are not taken so. What other orders are worth, with species whose
photos were given two names, is in benchmarks/suspects.py.

Beside it stands how alike the means of their features are. The mean of few photos is far from that of many by chance
alone, so rare species would never be alike. So the cosine is that of the true means, as far as it can be told: what
chance adds to their lengths is taken away, by comparing photos of different groups alone (the correction for
attenuation: Spearman, The Proof and Measurement of Association between Two Things, 1904).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from stages.features.seen import Seen
from stages.features.suspicion import Suspicion

DIGITS = 5

_NOT_CROSSED = 2  # photos beside those of a pair, so that few photos tell less
_BLOCK = 4096


@dataclass(frozen=True)
class SpeciesPairs:
    """Pairs of species, the likeliest to be one first.

    Attributes:
        first: int64 [pairs], labels; the species with more images, of equal ones the lower label.
        second: int64 [pairs], labels of the other.
        crossed: int64 [pairs], images of both that are taken for the other of the two.
        similarity: float64 [pairs], cosine of the means, -1 to 1, rounded; NaN where a species is of one group.
    """

    first: np.ndarray
    second: np.ndarray
    crossed: np.ndarray
    similarity: np.ndarray


def species_pairs(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, said: np.ndarray, *, classes: int
) -> SpeciesPairs:
    """Find all pairs of species of which an image of one is taken for the other.

    Args:
        features: float32 [images, dimensions], of length 1.
        labels: int64 [images].
        groups: int64 [images], numbers of their groups.
        said: int64 [images], labels of what the rest of the data takes each image for; -1 where nothing is said.
        classes: how many there are.
    """
    taken = np.flatnonzero((said >= 0) & (said != labels))
    sizes = np.bincount(labels, minlength=classes)
    ends = np.stack([labels[taken], said[taken]], axis=1)
    by_size = np.lexsort((ends, -sizes[ends]), axis=1)
    ends = np.take_along_axis(ends, by_size, 1)
    pairs, crossed = np.unique(ends, axis=0, return_counts=True)
    similarity = _cosines(features, labels, groups, pairs, classes)
    mixed = crossed / (2 * sizes[pairs[:, 1]] + _NOT_CROSSED)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -np.nan_to_num(similarity, nan=-2.0), -mixed))
    return SpeciesPairs(pairs[order, 0], pairs[order, 1], crossed[order], similarity[order])


def _cosines(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, pairs: np.ndarray, classes: int
) -> np.ndarray:
    """Give the cosine of the true means of pairs of species, seen from the middle of all, float64 [pairs], rounded."""
    sizes = np.bincount(labels, minlength=classes)
    sums = np.zeros((classes, features.shape[1]))
    order = np.lexsort((groups, labels))
    cell = np.stack([labels[order], groups[order]])
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(cell) != 0).any(0), [True]]))
    own, squares, images = labels[order[starts[:-1]]], np.zeros(classes), np.diff(starts).astype(np.float64)
    present = np.flatnonzero(sizes)
    for part, of_groups in _group_sums(features, order, starts):
        np.add.at(sums, own[part], of_groups)
    middle = (sums[present] / sizes[present, None]).mean(0)
    sums -= sizes[:, None] * middle
    for part, of_groups in _group_sums(features, order, starts):
        np.add.at(squares, own[part], ((of_groups - images[part, None] * middle) ** 2).sum(1))
    of_pairs = sizes.astype(np.float64) ** 2 - np.bincount(own, weights=images**2, minlength=classes)
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = ((sums**2).sum(1) - squares) / of_pairs  # of the means, squared, by photos of different groups
        lengths = np.where((of_pairs > 0) & (lengths > 0), lengths, np.nan)
        first, second = pairs.T
        products = np.einsum("pd,pd->p", sums[first], sums[second]) / (sizes[first] * sizes[second])
        cosines = products / np.sqrt(lengths[first] * lengths[second])
    return np.round(np.clip(cosines, -1, 1), DIGITS) + 0.0


def _group_sums(features: np.ndarray, order: np.ndarray, starts: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the summed features of groups, float64 [some, dimensions], and which they are.

    Args:
        features: float32 [images, dimensions].
        order: int64 [images], group after group.
        starts: int64 [groups + 1], where each begins in it; the last is the number of images.
    """
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1)
        rows = order[starts[first] : starts[last]]
        yield slice(first, last), np.add.reduceat(features[rows].astype(np.float64), starts[first:last] - starts[first])
        first = last


def table_of_species(seen: Seen, suspicion: Suspicion) -> pl.DataFrame:
    """Give all pairs of species that may be one, columns of ``SPECIES_PAIRS``."""
    pairs = species_pairs(seen.features, seen.labels, seen.groups, suspicion.taken_for, classes=len(seen.species))
    names, sizes = np.array(seen.species, object), np.bincount(seen.labels, minlength=len(seen.species))
    return pl.DataFrame(
        {
            "species": names[pairs.first],
            "other": names[pairs.second],
            "images": sizes[pairs.first],
            "other_images": sizes[pairs.second],
            "crossed": pairs.crossed,
            "similarity": pl.Series(pairs.similarity).fill_nan(None),
        },
        schema_overrides={"species": pl.String, "other": pl.String},
    )
