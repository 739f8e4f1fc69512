"""Where in a photo the plant is: the square that training sees.

What stands out is looked for in a thumbnail (``stages/images/saliency.py``), because the fine detail of a 12-megapixel
photo is not where plants differ from what is behind them. The crop is the square that holds most of the map for the
area it takes, where what is near the middle counts for more, as people point cameras at plants; and a margin. It must
be clearly better than the largest square in the middle, which is the crop otherwise, with the reason.
docs/crops.md says how each choice was made and what it is worth.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from stages.config.schema import Crop
from stages.images.portable import portable_opencv
from stages.images.saliency import LEVELS, saliency_map

SMART = "smart"
CENTER = "center"
FALLBACKS = ("flat", "everywhere", "unsure")
_SAME = 1e-9  # shares of a map that differ by less are the same, but for rounding


@dataclass(frozen=True)
class Square:
    """A square crop, in pixels of the image as shown.

    Attributes:
        x: left edge.
        y: upper edge.
        side: width and height.
        how: ``smart``; ``center`` where that was asked for; or why smart fell back to it: ``flat`` (nothing stands out
            in the map), ``everywhere`` (most of it is bright), ``unsure`` (no square is
            clearly better than the one in the middle).
        saliency: share of the map that the square holds, 0 to 1; NaN where there is no map, or nothing in it.
    """

    x: int
    y: int
    side: int
    how: str
    saliency: float


def find_crop(pixels: np.ndarray, params: Crop) -> Square:
    """Choose the crop of an image by the mode of ``params``.

    Args:
        pixels: uint8 [height, width, 3], RGB as shown, at any scale.
        params: section ``crop`` of params.yaml.

    Returns:
        The square, in pixels of ``pixels``.
    """
    height, width = pixels.shape[:2]
    if params.mode == "center":
        return center_crop(width, height)
    return best_square(saliency_map(pixels, params), width, height, params)


def center_crop(width: int, height: int) -> Square:
    """Give the largest square in the middle of an image."""
    side = min(width, height)
    return Square((width - side) // 2, (height - side) // 2, side, CENTER, float("nan"))


def unusable_reason(saliency: np.ndarray, params: Crop) -> str | None:
    """Give the reason that a map, uint8 [h, w], is unusable, one of ``FALLBACKS``, or ``None``.

    ``unsure`` is none of them: that shows only when a square is looked for.
    """
    # The brightest place of all, as a plant may be a thousandth of the frame.
    dark, bright = level_of(saliency, 0.05), int(saliency.max())
    if bright - dark < params.min_contrast:
        return "flat"
    if (saliency > (dark + bright) / 2).mean() > params.max_bright_share:
        return "everywhere"
    return None


def level_of(saliency: np.ndarray, share: float) -> int:
    """Give the level, 0 to 255, that ``share`` of a uint8 map does not exceed: a quantile, by the histogram."""
    return int(np.searchsorted(np.cumsum(np.bincount(saliency.ravel(), minlength=LEVELS + 1)), share * saliency.size))


def best_square(saliency: np.ndarray, width: int, height: int, params: Crop) -> Square:
    """Choose the square of an image that holds most of a saliency map for the area it takes.

    Args:
        saliency: uint8 [h, w], the map, of the image's aspect at any scale.
        width: of the image, in pixels.
        height: of the image, in pixels.
        params: section ``crop``.
    """
    square = center_crop(width, height)
    if reason := unusable_reason(saliency, params):
        square = replace(square, how=reason)
    else:
        sums = _weighted_sums(saliency, params)
        # Each edge by its own scale: the map's aspect is the image's but for rounding.
        map_h, map_w = saliency.shape
        across, down = width / map_w, height / map_h
        x, y, side = _search(sums, params)
        larger = min(round(side * params.margin * min(across, down)), width, height)
        left, top = (
            min(max(0, round(middle - larger / 2)), edge - larger)
            for middle, edge in (((x + side / 2) * across, width), ((y + side / 2) * down, height))
        )
        found = Square(left, top, larger, SMART, float("nan"))
        gains = [_gain(sums, _on_map(one, across, down, saliency.shape), params) for one in (found, square)]
        square = found if gains[0] - gains[1] >= params.min_gain else replace(square, how="unsure")
    return replace(square, saliency=saliency_held(saliency, square, width, height))


def saliency_held(saliency: np.ndarray, square: Square, width: int, height: int) -> float:
    """Share of a map that a square of the image holds."""
    total = float(saliency.sum())
    if total == 0:
        return float("nan")
    h, w = saliency.shape
    rows = slice(round(square.y * h / height), round((square.y + square.side) * h / height))
    columns = slice(round(square.x * w / width), round((square.x + square.side) * w / width))
    return float(saliency[rows, columns].sum()) / total


def cut(pixels: np.ndarray, square: Square, size_px: int) -> np.ndarray:
    """Cut a square out of uint8 [h, w, 3] and size it to [size_px, size_px, 3]."""
    portable_opencv()
    piece = pixels[square.y : square.y + square.side, square.x : square.x + square.side]
    method = cv2.INTER_AREA if square.side >= size_px else cv2.INTER_CUBIC
    return cv2.resize(piece, (size_px, size_px), interpolation=method)


def _weighted_sums(saliency: np.ndarray, params: Crop) -> np.ndarray:
    """Give the summed-area table, float64 [h + 1, w + 1], of a map, weighted by place, as shares of its whole."""
    height, width = saliency.shape
    weighted = saliency.astype(np.uint16) * _center_weights(height, width, params.center_sigma)
    sums = cv2.integral(weighted.astype(np.float32), sdepth=cv2.CV_64F)  # exact: whole numbers below 2**24 each
    return sums / (sums[-1, -1] or 1.0)


def _search(sums: np.ndarray, params: Crop) -> tuple[int, int, int]:
    """Give x, y and side, in pixels of the map, of the square that gains most."""
    h, w = sums.shape[0] - 1, sums.shape[1] - 1
    best, found = -np.inf, (0, 0, min(h, w))
    for scale in params.scales:
        side = min(max(8, round(min(h, w) * scale)), h, w)
        held = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        y, x = _middle_best(held)
        if (gain := _gain(sums, (x, y, side), params)) > best:
            best, found = gain, (x, y, side)
    return found


def _middle_best(held: np.ndarray) -> tuple[int, int]:
    """Give row and column of the largest of float64 [h, w]; of several, the one nearest to the middle of them all.

    A square that holds the whole of a plant does so in many places, and the first of these would put it to the edge.
    """
    rows, columns = np.nonzero(held >= held.max() - _SAME)
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return int(rows[nearest]), int(columns[nearest])


def _gain(sums: np.ndarray, place: tuple[int, int, int], params: Crop) -> float:
    """Say what a square of the map is worth: the share that it holds, less the price of its area."""
    x, y, side = place
    held = sums[y + side, x + side] - sums[y, x + side] - sums[y + side, x] + sums[y, x]
    largest = min(sums.shape) - 1
    return float(held) - params.area_price * (side / largest) ** 2


def _on_map(square: Square, across: float, down: float, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Give x, y and side of a square of the image in pixels of its map, [h, w] = ``shape``."""
    side = min(max(1, round(square.side / max(across, down))), *shape)
    return min(round(square.x / across), shape[1] - side), min(round(square.y / down), shape[0] - side), side


def _center_weights(height: int, width: int, sigma: float) -> np.ndarray:
    """Weights of the places of a map by a bell around its middle, of ``sigma`` half sides; uint16 [h, w], 0 to 255."""
    rows, columns = (np.exp(-np.square(np.linspace(-1, 1, side)) / (2 * sigma**2)) for side in (height, width))
    return np.rint(np.outer(rows, columns) * LEVELS).astype(np.uint16)
