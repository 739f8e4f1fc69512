"""The part of an image that a decoder filled in, as the file ended early, before someone saved it again."""

import cv2
import numpy as np

_SAME_LEVELS = 2  # to either side: what a JPEG of one color, saved again at any quality, still keeps
_WHITE_LEVEL = 250  # in all channels, and above
_NEAR_LEVELS = 10  # to either side: what slowly becomes the color, as a sky or a lit wall does
_BEFORE_SHARE = 0.35  # near the color, of the pixels where the filled part begins: with more, it was there before
_SOFT_PX = 2  # rows to either side of an edge that resizing and a JPEG's blocks have softened
_SOFT_SHARE, _SOFT_FILLED_SHARE = 0.08, 0.9  # of the height, and of its pixels, where blocks of a small image do
_STEP_SHARE = 0.16  # of the height, at most, is one row of blocks; the last one that was decoded may end half way
_STEP_VARIES = 0.08  # by as much the share of filled pixels may vary over that row
_LOOKED_AT_SHARE = 0.04  # of the height is looked at above the filled part


def may_be_filled(gray: np.ndarray) -> bool:
    """Say whether uint8 [height, width] has one gray level at a side, but for the top, and not at the opposite one.

    Every image that is filled in part has, and few others: it spares these a decode in color.
    """
    return any(
        int(np.ptp(side)) <= 2 * _SAME_LEVELS
        and np.abs(opposite.astype(np.int16) - int(np.median(side))).max() > _SAME_LEVELS
        for side, opposite in ((gray[-1], gray[0]), (gray[:, 0], gray[:, -1]), (gray[:, -1], gray[:, 0]))
    )


def filled_share(pixels: np.ndarray) -> float:
    """Say how much of an image, at its bottom, left or right, is one even color that begins all at once.

    libjpeg fills what is missing of a cut file with gray, others with black or green. Saved again, it is a whole file.
    A plant on plain ground has even ground beside it too, which does not begin on a line across the image; a frame has
    the color at the opposite side too. Neither counts, nor does white, which overexposed ground has and no decoder
    fills with; nor the top, where skies are.

    Args:
        pixels: uint8 [height, width, 3], as shown: who turned the image upright before saving it turned this part.

    Returns:
        The filled part, as a share of the height or width; 0 where there is none.
    """
    return max(_filled_below(np.rot90(pixels, turn)) for turn in (0, 1, 3))


def _filled_below(pixels: np.ndarray) -> float:
    height = pixels.shape[0]
    level = np.median(pixels[-1], axis=0)
    if level.min() >= _WHITE_LEVEL:
        return 0.0
    if np.abs(pixels[[-1]] - level).max() > _SAME_LEVELS or np.abs(pixels[[0]] - level).max() <= _SAME_LEVELS:
        return 0.0
    distance = cv2.absdiff(np.ascontiguousarray(pixels), np.array([*level.round(), 0]))
    distance = cv2.max(cv2.max(distance[..., 0], distance[..., 1]), distance[..., 2])
    same = distance.max(axis=1) <= _SAME_LEVELS
    start = height - int(np.argmin(same[::-1]))
    near = (distance <= _NEAR_LEVELS).mean(axis=1)
    top = start - _SOFT_PX
    while start - top < _SOFT_SHARE * height and top > 0 and near[top - 1] > _SOFT_FILLED_SHARE:
        top -= 1
    step = top
    while step > 0 and top - step < _STEP_SHARE * height and abs(near[step - 1] - near[top - 1]) <= _STEP_VARIES:
        step -= 1
    looked_at = max(2, round(_LOOKED_AT_SHARE * height))
    for begins in (top, step - _SOFT_PX):
        above = near[max(0, begins - looked_at) : max(0, begins)]
        if above.size and above.mean() < _BEFORE_SHARE:
            return (height - start) / height
    return 0.0
