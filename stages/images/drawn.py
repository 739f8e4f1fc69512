"""Signs that a picture was drawn or set by a machine, not taken by a camera: screenshots, pages, drawings, maps.

None of them says it alone: a fence has bands, a flower cut out on white has one level in most of its pixels, an apple
is smooth. Together they do, see ``stages/images/verdict.py``. Measured in gray at the short side of ``SIDE_PX``, where
neither size nor the quality of a JPEG matters much; ``docs/photos.md`` has the figures.
"""

import cv2
import numpy as np

_GROUND_LEVELS = 8  # to either side of the commonest brightness: what lies there is ground
_INNER_PX = 5  # a pixel is an inner one of an object where a square of this side around it is all object
_FLAT_LEVELS = 2  # to the next pixel, right or below
_FEWEST_PX = 20  # inner ones that a share is given of
_NEIGHBORS = 9  # levels that a level is held against, itself included
_COARSE_STEP, _JPEG_ZERO = 2, 128  # a JPEG counts its levels from the middle


def banding(small: np.ndarray) -> float:
    """Say how much the rows or columns of an image, each as a whole, stand out of those beside them.

    Lines of text, lists, frames and axes lie along rows and columns, and few plants do. A horizon does, but is one.

    Args:
        small: gray levels, float32 [height, width].

    Returns:
        The mean absolute second difference of the rows' mean levels, or of the columns' if that is larger, by the
        standard deviation of all levels; 0 for an even image, and for one that has no three rows and columns.
    """
    contrast = cv2.meanStdDev(small)[1].item()
    if not contrast or min(small.shape) < 3:
        return 0.0
    means = (cv2.reduce(small, axis, cv2.REDUCE_AVG).ravel() for axis in (0, 1))
    return max(float(np.abs(np.diff(mean, 2)).mean()) for mean in means) / contrast


def level_peaks(shares: np.ndarray, step: float = 1.0) -> float:
    """Say what share of the pixels are in gray levels that stand out: colors from a palette and not from light.

    Args:
        shares: of each of the 256 gray levels, how many of the pixels have it.
        step: what the file's levels come in, see ``level_step`` of stages/images/jpeg.py: a photo of a low quality has
            gaps between its levels, and they stand out of these. From 2 on, a step counts as one level.

    Returns:
        What levels have beyond twice the mean of the nine around them, added up: 0 for a smooth histogram, 7/9 for one
        level alone.
    """
    if step >= _COARSE_STEP:
        steps = np.rint((np.arange(len(shares)) - _JPEG_ZERO) / step).astype(int)
        shares = np.bincount(steps - steps.min(), shares)
    around = np.convolve(shares, np.ones(_NEIGHBORS) / _NEIGHBORS, mode="same")
    return float(np.clip(shares - 2 * around, 0, None).sum())


def flatness(small: np.ndarray, ground: int) -> float:
    """Say how much of the inside of objects is flat, as if filled with one color; 1 where nothing has an inside.

    Args:
        small: gray levels, float32 [height, width].
        ground: the commonest gray level; what is near it is no object.

    Returns:
        The share of inner pixels that differ by at most two levels from those to the right and below.
    """
    objects = (np.abs(small - ground) > _GROUND_LEVELS).astype(np.uint8)
    inner = cv2.erode(objects, np.ones((_INNER_PX, _INNER_PX), np.uint8))[:-1, :-1] > 0
    number = np.count_nonzero(inner)
    if number <= _FEWEST_PX:
        return 1.0
    here = small[:-1, :-1]
    steps = cv2.max(cv2.absdiff(here, small[:-1, 1:]), cv2.absdiff(here, small[1:, :-1]))
    return np.count_nonzero((steps <= _FLAT_LEVELS) & inner) / number
