"""Ranges of counts as plots name them: the same names however much data there is, and in order when sorted as text.

DVC draws two commits into one plot by these names, and sorts them as text. A name that depended on the largest count,
as leading zeros up to it do, would put one range into two places as soon as the data grow.
"""

from collections.abc import Sequence

import numpy as np


def name_bins(bounds: Sequence[int]) -> list[str]:
    """Name the ranges that end with ``bounds``, and the open one above: ``01``, ``02-05``, ``06-10``, ``11 or more``.

    Args:
        bounds: the last count of each range, rising, from 1.
    """
    digits = len(str(bounds[-1] + 1))
    lows = [1, *(bound + 1 for bound in bounds)]
    closed = [
        f"{low:0{digits}}" if low == high else f"{low:0{digits}}-{high:0{digits}}"
        for low, high in zip(lows, bounds, strict=False)
    ]
    return [*closed, f"{lows[-1]:0{digits}} or more"]


def bins_of(counts: np.ndarray, bounds: Sequence[int]) -> np.ndarray:
    """Give the number of each count's range among those of ``name_bins``, from 0.

    Args:
        counts: int, each 1 or more; of any shape, which the result has too.
        bounds: as for ``name_bins``.
    """
    return np.searchsorted(np.asarray(bounds), counts, side="left")
