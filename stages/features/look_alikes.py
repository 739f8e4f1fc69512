"""Pairs of images that look alike by features, for people to judge: two photos of one kind of flower look alike too.

So they are proposed, and never merged: photos that are no copies reach a cosine of 0.93 on the sample. Of pictures that
all look alike as many pairs are proposed as hold them together, not each with each.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from stages.features.neighbors import Neighbors

DIGITS = 5


@dataclass(frozen=True)
class LookAlikes:
    """Pairs to propose, the most alike first.

    Attributes:
        first: int64 [pairs], the lower row of each.
        second: int64 [pairs].
        similarity: float64 [pairs], cosine, rounded.
        alike: pairs that are as alike as asked, found among the nearest of each image.
        known: of these, held together by their hashes, or judged by people.
        repeated: of these, held together by pairs that come before them.
        left: of these, beyond the number asked for.
    """

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray
    alike: int
    known: int
    repeated: int
    left: int

    def counts(self) -> dict[str, int]:
        """Give how many pairs there are, and what became of them."""
        return {name: getattr(self, name) for name in ("alike", "known", "repeated", "left")} | {
            "proposed": len(self.first)
        }


def linked(groups: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number images by what holds them together: a group, or pairs. int64 [images].

    Args:
        groups: int64 [images], numbers of their groups, from 0.
        first: int64 [pairs], rows.
        second: int64 [pairs], the rows that each is held together with.
    """
    number = int(groups.max(initial=-1)) + 1
    pairs = csr_array((np.ones(len(first)), (groups[first], groups[second])), shape=(number, number))
    _, components = connected_components(pairs, directed=False)
    return components.astype(np.int64)[groups]


def look_alikes(
    neighbors: Neighbors, links: np.ndarray, judged: set[tuple[int, int]], *, min_similarity: float, most: int
) -> LookAlikes:
    """Find pairs of images of different groups that look alike, and are not known to.

    Args:
        neighbors: of all images, of other groups.
        links: int64 [images], of ``linked``: images of one number are no pair.
        judged: pairs of rows that people have judged, the lower row first.
        min_similarity: cosine that a pair must have.
        most: pairs to give.
    """
    similarity = np.round(np.nan_to_num(neighbors.similarity, nan=-1.0), DIGITS)
    rows, places = np.nonzero(similarity >= min_similarity)
    others = neighbors.rows[rows, places]
    pairs, at = np.unique(
        np.stack([np.minimum(rows, others), np.maximum(rows, others)], axis=1), axis=0, return_index=True
    )
    cosines = similarity[rows, places][at]
    new = links[pairs[:, 0]] != links[pairs[:, 1]]
    new &= np.array([pair not in judged for pair in map(tuple, pairs.tolist())], bool)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -cosines))
    order = order[new[order]]
    kept = order[_holding_together(links[pairs[order]])]
    shown = kept[:most]
    return LookAlikes(
        first=pairs[shown, 0],
        second=pairs[shown, 1],
        similarity=cosines[shown],
        alike=len(pairs),
        known=len(pairs) - len(order),
        repeated=len(order) - len(kept),
        left=len(kept) - len(shown),
    )


def _holding_together(ends: np.ndarray) -> np.ndarray:
    """Say which pairs join what no pair before them has joined: int64, rising (Kruskal, 1956).

    Args:
        ends: int64 [pairs, 2], what each joins.
    """
    numbers, ends = np.unique(np.sort(ends, axis=1), return_inverse=True)
    ends = ends.reshape(-1, 2)
    _, first = np.unique(ends, axis=0, return_index=True)  # the others join the same two again
    size = len(numbers)
    graph = csr_array((first + 1.0, (ends[first, 0], ends[first, 1])), shape=(size, size))
    return np.sort(minimum_spanning_tree(graph).data.astype(np.int64) - 1)
