"""Where in a photo the plant is: the square that training sees.

Saliency is looked for in a thumbnail, because the fine detail of a 12-megapixel photo is not where plants differ from
what is behind them. Two cues make the map: how far a color is from those along the frame's border (the background
prior of Wei et al., ECCV 2012, as a Mahalanobis distance in CIELAB), and the spectral residual (Hou and Zhang, CVPR
2007, by OpenCV). The crop is the square that holds most of the map for the area it takes, where what is near the middle
counts for more, as people point cameras at plants; and a margin. Where the map tells nothing, it is the largest square
in the middle, with the reason. benchmarks/crops.py says what each choice is worth.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from stages.config.schema import Crop
from stages.images.portable import portable_opencv

SMART = "smart"
CENTER = "center"
FALLBACKS = ("black", "flat", "everywhere", "diffuse")

_LEVELS = 255  # maps and weights are whole numbers on purpose: the last digits of a float must not decide on a crop

_LEAST_DISTANCE = 0.05  # in standard deviations of the border's colors; what is less is rounding, not a plant


@dataclass(frozen=True)
class Square:
    """A square crop, in pixels of the image as shown.

    Attributes:
        x: left edge.
        y: upper edge.
        side: width and height.
        how: ``smart``; ``center`` where that was asked for; or why smart fell back to it: ``black`` (the map is zero),
            ``flat`` (nothing stands out in it), ``everywhere`` (most of it is bright), ``diffuse`` (no square holds
            more of it than its share of the area).
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


def saliency_map(pixels: np.ndarray, params: Crop) -> np.ndarray:
    """Say how much each place of an image stands out.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        params: section ``crop``; the map's long side is ``thumbnail_px``, or the image's where that is smaller.

    Returns:
        uint8 [h, w], 0 to 255.
    """
    portable_opencv()
    scale = min(1.0, params.thumbnail_px / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    thumbnail = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    thumbnail = cv2.GaussianBlur(thumbnail, (0, 0), 1.0)
    residual = _spectral_residual(thumbnail)
    residual /= max(float(residual.max()), 1e-6)
    distance = cv2.GaussianBlur(_distance_from_border(thumbnail), (0, 0), max(0.5, max(thumbnail.shape[:2]) / 80))
    together = cv2.pow(distance, params.color_power) * (params.residual_floor + residual)
    # The brightest 0.5 % count alike: one glint must not outshine a flower.
    ceiling = max(float(np.quantile(together, 0.995)), _LEAST_DISTANCE)
    return np.clip(together / ceiling * _LEVELS, 0, _LEVELS).astype(np.uint8)


def unusable_reason(saliency: np.ndarray, params: Crop) -> str | None:
    """Give the reason that a map, uint8 [h, w], is unusable, one of ``FALLBACKS``, or ``None``.

    ``diffuse`` is none of them: that shows only when a square is looked for.
    """
    dark, bright = (level_of(saliency, share) for share in (0.05, 0.99))
    if bright == 0:
        return "black"
    if bright - dark < params.min_contrast:
        return "flat"
    if (saliency > (dark + bright) / 2).mean() > params.max_bright_share:
        return "everywhere"
    return None


def level_of(saliency: np.ndarray, share: float) -> int:
    """Give the level, 0 to 255, that ``share`` of a uint8 map does not exceed: a quantile, by the histogram."""
    return int(np.searchsorted(np.cumsum(np.bincount(saliency.ravel(), minlength=_LEVELS + 1)), share * saliency.size))


def best_square(saliency: np.ndarray, width: int, height: int, params: Crop) -> Square:
    """Choose the square of an image that holds most of a saliency map for the area it takes.

    Args:
        saliency: uint8 [h, w], the map, of the image's aspect at any scale.
        width: of the image, in pixels.
        height: of the image, in pixels.
        params: section ``crop``.
    """
    map_h, map_w = saliency.shape
    if reason := unusable_reason(saliency, params):
        square = replace(center_crop(width, height), how=reason)
    else:
        # What the background has of it would outweigh a small plant.
        standing_out = cv2.subtract(saliency, np.full_like(saliency, level_of(saliency, params.map_floor)))
        x, y, side = _search(standing_out, params)
        held = cv2.sumElems(standing_out[y : y + side, x : x + side])[0] / (cv2.sumElems(standing_out)[0] or 1)
        if held - side * side / (map_h * map_w) < params.min_gain:
            square = replace(center_crop(width, height), how="diffuse")
        else:
            # Each edge by its own scale: the map's aspect is the image's but for rounding.
            middle_x, middle_y = (x + side / 2) * width / map_w, (y + side / 2) * height / map_h
            side = min(round(side * params.margin * min(width / map_w, height / map_h)), width, height)
            x, y = (
                min(max(0, round(middle - side / 2)), edge - side)
                for middle, edge in ((middle_x, width), (middle_y, height))
            )
            square = Square(x, y, side, SMART, float("nan"))
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


def _search(saliency: np.ndarray, params: Crop) -> tuple[int, int, int]:
    """Give x, y and side, in pixels of the map, of the square that gains most; by a summed-area table."""
    h, w = saliency.shape
    weighted = saliency.astype(np.uint16) * _center_weights(h, w, params.center_sigma)
    total = float(weighted.sum()) or 1.0
    sums = cv2.integral(weighted.astype(np.float32), sdepth=cv2.CV_64F)  # exact: whole numbers below 2**24 each
    best, found = -np.inf, (0, 0, min(h, w))
    for scale in params.scales:
        side = min(max(8, round(min(h, w) * scale)), h, w)
        held = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        y, x = np.unravel_index(np.argmax(held), held.shape)
        gain = float(held[y, x]) / total - params.area_price * side * side / (h * w)
        if gain > best:
            best, found = gain, (int(x), int(y), side)
    return found


def _center_weights(height: int, width: int, sigma: float) -> np.ndarray:
    """Weights of the places of a map by a bell around its middle, of ``sigma`` half sides; uint16 [h, w], 0 to 255."""
    rows, columns = (np.exp(-np.square(np.linspace(-1, 1, side)) / (2 * sigma**2)) for side in (height, width))
    return np.rint(np.outer(rows, columns) * _LEVELS).astype(np.uint16)


def _spectral_residual(thumbnail: np.ndarray) -> np.ndarray:
    """Saliency by the spectral residual, smoothed, float32 [h, w]; zero where OpenCV finds none.

    OpenCV looks at 64 x 64 px whatever it is given, so there is nothing to lose by smoothing at that size.
    """
    small = cv2.cvtColor(cv2.resize(thumbnail, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    finder = cv2.saliency.StaticSaliencySpectralResidual_create()  # pyright: ignore[reportAttributeAccessIssue]
    done, residual = finder.computeSaliency(small)
    if not done:
        return np.zeros(thumbnail.shape[:2], np.float32)
    return cv2.resize(cv2.GaussianBlur(residual, (0, 0), 64 / 40), thumbnail.shape[1::-1])


def _distance_from_border(thumbnail: np.ndarray) -> np.ndarray:
    """Mahalanobis distance of each pixel's CIELAB color to those within 6 % of the frame's border; float32 [h, w]."""
    lab = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2LAB).astype(np.float32)
    edge = max(2, round(0.06 * min(lab.shape[:2])))
    sides = lab[:edge], lab[-edge:], lab[edge:-edge, :edge], lab[edge:-edge, -edge:]
    border = np.concatenate([side.reshape(-1, 3) for side in sides])
    # The floor keeps a border of one color from making every other color infinitely far.
    flags = cv2.COVAR_NORMAL | cv2.COVAR_ROWS | cv2.COVAR_SCALE
    covariance, mean = cv2.calcCovarMatrix(border, None, flags)  # pyright: ignore[reportCallIssue, reportArgumentType]
    whiten = np.linalg.cholesky(np.linalg.inv(covariance + 20 * np.eye(3))).T
    first, second, third = cv2.split(cv2.transform(lab, np.column_stack([whiten, -whiten @ mean[0]])))
    return cv2.magnitude(cv2.magnitude(first, second), third)
