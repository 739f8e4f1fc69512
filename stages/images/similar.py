"""Finding images that look alike: pairs of perceptual hashes that differ in few bits.

Comparing each with each would be 10^12 comparisons for a million. Hashes that differ in at most 31 of their 256 bits
mostly agree in at least one of 16 chunks of 16 bits, so only hashes that share a chunk are compared (multi-index
hashing, Norouzi, Punjani and Fleet 2012; by Faiss): exact up to 15 bits, and above that nearly so.
"""

from collections.abc import Iterator
from typing import NamedTuple

import faiss
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

HASH_BITS = 256
CHUNKS = 16
MAX_DISTANCE = 31  # in bits; the search misses too much beyond

_SIDE = 16
# Neighboring frequencies are disturbed together, so a chunk takes bits from all over: 109 is prime to 256.
_SCATTERED = np.arange(HASH_BITS) * 109 % HASH_BITS
# A mirror turns the sign of every other column's frequencies. The DC term (bit 0) stays.
MIRROR = np.packbits(np.tile(np.arange(_SIDE) % 2 == 1, _SIDE))
_QUERIES = 512


class Pairs(NamedTuple):
    """Pairs of hashes that look alike.

    Attributes:
        first: index of the one, int64.
        second: index of the other, larger than ``first``.
        distance: bits in which they differ, int32.
        mirrored: whether it is the mirror image that looks alike, bool.
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    mirrored: np.ndarray


def find_pairs(hashes: np.ndarray, *, max_distance: int, mirrored: bool) -> Iterator[Pairs]:
    """Find the pairs of hashes that differ in ``max_distance`` bits or fewer.

    Args:
        hashes: uint8 [n, 32], no two alike.
        max_distance: in bits, 0 to ``MAX_DISTANCE``. All pairs of up to 15 bits are found; of random differences in 24
            bits, 1 % is missed, in 31 bits 9 %.
        mirrored: find also what looks like another image's mirror image.

    Yields:
        Each pair once, by its smaller distance, sorted by (first, second); piece by piece, as thousands of pictures
        that all look alike are millions of pairs.
    """
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance must be 0 to {MAX_DISTANCE} bits (found {max_distance})")
    index = faiss.IndexBinaryMultiHash(HASH_BITS, CHUNKS, HASH_BITS // CHUNKS)
    index.add(_scattered(hashes))
    for start in range(0, len(hashes), _QUERIES):
        queries = hashes[start : start + _QUERIES]
        found = [_search(index, queries, start, max_distance, mirrored=False)]
        if mirrored:
            found.append(_search(index, queries ^ MIRROR, start, max_distance, mirrored=True))
        first, second, distance, is_mirrored = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((is_mirrored, distance, second, first))
        first, second = first[order], second[order]
        once = np.ones(len(first), bool)
        once[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        yield Pairs(first[once], second[once], distance[order][once], is_mirrored[order][once])


def _search(
    index: faiss.IndexBinaryMultiHash, queries: np.ndarray, start: int, max_distance: int, *, mirrored: bool
) -> Pairs:
    # Faiss gives what is nearer than a radius.
    limits, distances, others = index.range_search(_scattered(queries), max_distance + 1)
    own = np.repeat(np.arange(start, start + len(queries)), np.diff(limits.astype(np.int64)))
    # A pair is found from both of its ends; nothing is a duplicate of itself, symmetrical or not.
    once = own < others
    found = int(once.sum())
    return Pairs(own[once], others[once], distances[once].astype(np.int32), np.full(found, mirrored, dtype=bool))


class Sieve:
    """Keeps, of the pairs that come piece by piece, as many as there are hashes, and all that they say.

    Which hashes of one kind belong together, directly or through others, is said by a spanning forest (Kruskal 1956, a
    piece at a time); and of each hash that looks like one of another kind, the nearest such is kept.
    """

    def __init__(self, kinds: np.ndarray) -> None:
        """Begin without pairs.

        Args:
            kinds: int [n], of each hash: here, its species.
        """
        self._kinds = kinds
        self._components = np.arange(len(kinds))
        self._forest: list[Pairs] = []
        self._nearest = Pairs(*(np.empty(0, dtype) for dtype in (np.int64, np.int64, np.int32, bool)))

    def take(self, pairs: Pairs) -> None:
        """Take a piece of pairs and forget those that say nothing new."""
        alike = self._kinds[pairs.first] == self._kinds[pairs.second]
        self._nearest = _nearest_of_each(_joined([self._nearest, _chosen(pairs, ~alike)]))
        joining = _chosen(pairs, alike)
        ends = np.sort([self._components[joining.first], self._components[joining.second]], axis=0)
        joining, ends = _chosen(joining, ends[0] != ends[1]), ends[:, ends[0] != ends[1]]
        if not len(joining.first):
            return
        # The nearest pair of each two components, then no more of them than it takes to join all.
        order = np.lexsort((joining.distance, ends[1], ends[0]))
        chosen = order[np.r_[True, (np.diff(ends[:, order]) != 0).any(axis=0)]]
        nodes, local = np.unique(ends[:, chosen], return_inverse=True)
        low, high = local.reshape(2, -1)
        # By their place, as a graph's zeros are no edges, and of two equal ones any would do.
        places = np.argsort(joining.distance[chosen], kind="stable").argsort() + 1
        graph = coo_matrix((places, (low, high)), shape=(len(nodes), len(nodes))).tocsr()
        tree = minimum_spanning_tree(graph)
        self._forest.append(_chosen(joining, chosen[np.isin(places, tree.data)]))
        _, labels = connected_components(tree, directed=False)
        representative = np.full(labels.max() + 1, len(self._components))
        np.minimum.at(representative, labels, nodes)
        joined = np.arange(len(self._components))
        joined[nodes] = representative[labels]
        self._components = joined[self._components]

    def pairs(self) -> Pairs:
        """Give the pairs kept, sorted by (first, second)."""
        kept = _joined([*self._forest, self._nearest])
        return _chosen(kept, np.lexsort((kept.second, kept.first)))


def _nearest_of_each(pairs: Pairs) -> Pairs:
    """Of each hash, keep the pair with the nearest other, the first of equals."""
    number = np.arange(len(pairs.first))
    own, other, number = (
        np.concatenate(both) for both in ((pairs.first, pairs.second), (pairs.second, pairs.first), (number, number))
    )
    order = np.lexsort((other, pairs.distance[number], own))
    nearest = order[np.r_[True, np.diff(own[order]) != 0]] if len(order) else order
    return _chosen(pairs, np.unique(number[nearest]))


def _chosen(pairs: Pairs, which: np.ndarray) -> Pairs:
    return Pairs(*(column[which] for column in pairs))


def _joined(pieces: list[Pairs]) -> Pairs:
    return Pairs(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


def _scattered(hashes: np.ndarray) -> np.ndarray:
    return np.packbits(np.unpackbits(hashes, axis=1)[:, _SCATTERED], axis=1)
