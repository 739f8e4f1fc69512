"""The part of an image that a decoder filled in, as the file ended early, before someone saved it again."""

import numpy as np

_SAME_LEVELS = 2  # to either side: what a JPEG of one color, saved again at any quality, still keeps
_EDGE_SHARE = 0.04  # of the height above the filled part, where the last, half-decoded row of blocks lies
_LOOKED_AT_SHARE = 0.06  # of the height above that, which shows whether the color was there before


def filled_share(gray: np.ndarray) -> float:
    """Say how much of an image, at one of its four sides, is one even color that begins all at once.

    libjpeg fills what is missing of a cut file with gray, others with black or green. Saved again, such a file is whole.
    A plant on plain ground has even ground beside it too, which does not begin on a line across the image; a frame has
    the color at the opposite side too. Neither counts.

    Args:
        gray: uint8 [height, width], as shown: who turned the image before saving it turned the filled part.

    Returns:
        The filled part, as a share of the height or width; 0 where there is none.
    """
    return max(_filled_below(np.rot90(gray, turn)) for turn in range(4))


def _filled_below(gray: np.ndarray) -> float:
    height = gray.shape[0]
    level = int(np.median(gray[-1]))
    low, high = max(level - _SAME_LEVELS, 0), min(level + _SAME_LEVELS, 255)
    if gray[-1].min() < low or gray[-1].max() > high:
        return 0.0
    same = ((gray >= low) & (gray <= high)).mean(axis=1)
    start = height - int(np.argmin(same[::-1] == 1))
    begins = start - max(2, round(_EDGE_SHARE * height))
    above = same[max(0, begins - max(1, round(_LOOKED_AT_SHARE * height))) : max(0, begins)]
    if start == height or not above.size or above.mean() > 0.5 or same[0] == 1:
        return 0.0
    return (height - start) / height
