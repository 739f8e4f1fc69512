"""Finding images that look alike: pairs of perceptual hashes that differ in few bits.

Comparing each with each would be 10^12 comparisons for a million. Hashes that differ in at most 31 of their 256 bits
mostly agree in at least one of 16 chunks of 16 bits, so only hashes that share a chunk are compared (multi-index
hashing, Norouzi, Punjani and Fleet 2012; by Faiss): exact up to 15 bits, and above that nearly so.
"""

from typing import NamedTuple

import faiss
import numpy as np

HASH_BITS = 256
CHUNKS = 16
MAX_DISTANCE = 31  # in bits; the search misses too much beyond

_SIDE = 16
# Neighbouring frequencies are disturbed together, so a chunk takes bits from all over: 109 is prime to 256.
_SCATTERED = np.arange(HASH_BITS) * 109 % HASH_BITS
# A mirror turns the sign of every other column's frequencies. The DC term (bit 0) stays.
MIRROR = np.packbits(np.tile(np.arange(_SIDE) % 2 == 1, _SIDE))
_QUERIES = 65_536


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


def find_pairs(hashes: np.ndarray, *, max_distance: int, mirrored: bool) -> Pairs:
    """Find the pairs of hashes that differ in ``max_distance`` bits or fewer.

    Args:
        hashes: uint8 [n, 32], no two alike.
        max_distance: in bits, 0 to ``MAX_DISTANCE``. All pairs of up to 15 bits are found; of random differences in 24
            bits, 1 % is missed, in 31 bits 9 %.
        mirrored: find also what looks like another image's mirror image.

    Returns:
        Each pair once, by its smaller distance, sorted by (first, second).
    """
    if not 0 <= max_distance <= MAX_DISTANCE:
        raise ValueError(f"max_distance must be 0 to {MAX_DISTANCE} bits (found {max_distance})")
    index = faiss.IndexBinaryMultiHash(HASH_BITS, CHUNKS, HASH_BITS // CHUNKS)
    index.add(_scattered(hashes))
    found = [_search(index, hashes, max_distance, mirrored=False)]
    if mirrored:
        found.append(_search(index, hashes ^ MIRROR, max_distance, mirrored=True))
    first, second, distance, is_mirrored = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.lexsort((is_mirrored, distance, second, first))
    first, second = first[order], second[order]
    once = np.ones(len(first), bool)
    once[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return Pairs(first[once], second[once], distance[order][once], is_mirrored[order][once])


def _search(index: faiss.IndexBinaryMultiHash, queries: np.ndarray, max_distance: int, *, mirrored: bool) -> Pairs:
    pieces = [Pairs(*(np.empty(0, dtype) for dtype in (np.int64, np.int64, np.int32, bool)))]
    for start in range(0, len(queries), _QUERIES):
        piece = _scattered(queries[start : start + _QUERIES])
        # Faiss gives what is nearer than a radius.
        limits, distances, others = index.range_search(piece, max_distance + 1)
        own = np.repeat(np.arange(start, start + len(piece)), np.diff(limits.astype(np.int64)))
        # A pair is found from both of its ends; nothing is a duplicate of itself, symmetrical or not.
        once = own < others
        found = int(once.sum())
        pieces.append(
            Pairs(own[once], others[once], distances[once].astype(np.int32), np.full(found, mirrored, dtype=bool))
        )
    return Pairs(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))


def _scattered(hashes: np.ndarray) -> np.ndarray:
    return np.packbits(np.unpackbits(hashes, axis=1)[:, _SCATTERED], axis=1)
