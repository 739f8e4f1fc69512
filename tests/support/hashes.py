"""Perceptual hashes, and their pairs found by comparing each with each."""

import numpy as np

from stages.images.similar import Pairs, find_pairs


def random_hashes(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, 32), dtype=np.uint8)


def flipped(hash_: np.ndarray, bits: list[int]) -> np.ndarray:
    unpacked = np.unpackbits(hash_)
    unpacked[bits] ^= 1
    return np.packbits(unpacked)


def all_pairs(hashes: np.ndarray, **limits) -> Pairs:
    nothing = Pairs(*(np.empty(0, dtype) for dtype in (np.int64, np.int64, np.int32, bool)))
    pieces = [nothing, *find_pairs(hashes, **limits)]
    return Pairs(*(np.concatenate(columns) for columns in zip(*pieces, strict=True)))
