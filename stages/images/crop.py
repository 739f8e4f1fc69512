"""Where in a photo the plant is: the square that training sees.

Saliency is looked for in a thumbnail, because the fine detail of a 12-megapixel photo is not where plants differ from
what is behind them: the spectral residual (Hou and Zhang, CVPR 2007, by OpenCV), weighted by how far a colour is from
those along the frame's border (the background prior of Wei et al., ECCV 2012, as a Mahalanobis distance in CIELAB).
The best square is the one that holds most of it for the area it takes. Where the map tells nothing, the crop is the
largest square in the middle, with the reason.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from stages.params import Crop

# OpenCV's IPP code picks other routines on other processors; without it a crop is the same everywhere.
cv2.ipp.setUseIPP(False)

SMART = "smart"
CENTER = "center"
FALLBACKS = ("flat", "diffuse")


@dataclass(frozen=True)
class Square:
    """A square crop, in pixels of the image as shown.

    Attributes:
        x: left edge.
        y: upper edge.
        side: width and height.
        how: ``smart``; ``center`` where that was asked for; or why smart fell back to it: ``flat`` (nothing stands
            out in the map), ``diffuse`` (no square holds more of it than its share of the area).
        saliency: share of the map that the square holds, 0 to 1; NaN where no map was made.
    """

    x: int
    y: int
    side: int
    how: str
    saliency: float

    def scaled(self, factor: float) -> "Square":
        """Give the same square in pixels of the image ``factor`` times as large."""
        x, y, side = (round(value * factor) for value in (self.x, self.y, self.side))
        return replace(self, x=x, y=y, side=side)


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
    return best_square(saliency_map(pixels, params.thumbnail_px), width, height, params)


def center_crop(width: int, height: int, *, how: str = CENTER, saliency: float = float("nan")) -> Square:
    """Give the largest square in the middle of an image."""
    side = min(width, height)
    return Square((width - side) // 2, (height - side) // 2, side, how, saliency)


def saliency_map(pixels: np.ndarray, thumbnail_px: int) -> np.ndarray:
    """Say how much each place of an image stands out.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        thumbnail_px: long side of the map; a smaller image keeps its size.

    Returns:
        uint8 [h, w], 0 to 255. Whole numbers on purpose: the last digits of floating point must not decide on a crop.
    """
    scale = min(1.0, thumbnail_px / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    thumbnail = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    thumbnail = cv2.GaussianBlur(thumbnail, (0, 0), 1.0)
    done, residual = cv2.saliency.StaticSaliencySpectralResidual_create().computeSaliency(
        cv2.cvtColor(thumbnail, cv2.COLOR_RGB2BGR)
    )
    if not done:
        return np.zeros(thumbnail.shape[:2], np.uint8)
    spread = max(1.0, max(thumbnail.shape[:2]) / 40)
    residual = cv2.GaussianBlur(residual, (0, 0), spread)
    distance = cv2.GaussianBlur(_distance_from_border(thumbnail), (0, 0), spread / 2)
    together = distance * (0.2 + residual / max(float(residual.max()), 1e-6))
    # The brightest 0.5 % count alike: one glint must not outshine a flower.
    ceiling = max(float(np.quantile(together, 0.995)), 1e-6)
    return np.clip(together / ceiling * 255, 0, 255).astype(np.uint8)


def best_square(saliency: np.ndarray, width: int, height: int, params: Crop) -> Square:
    """Choose the square of an image that holds most of a saliency map for the area it takes.

    Args:
        saliency: uint8 [h, w], the map, of the image's aspect at any scale.
        width: of the image, in pixels.
        height: of the image, in pixels.
        params: scales to try, price of area, and when the map is no use.
    """
    total = float(saliency.sum())
    middle, bright = np.quantile(saliency, [0.5, 0.99])
    whole = center_crop(width, height)
    if total == 0 or bright - middle < params.min_contrast:
        return center_crop(width, height, how="flat", saliency=saliency_held(saliency, whole, width, height))

    sums = cv2.integral(saliency, sdepth=cv2.CV_64F)
    map_h, map_w = saliency.shape
    best: tuple[float, float, float, tuple[int, int, int]] | None = None
    for scale in params.scales:
        side = max(8, round(min(map_h, map_w) * scale))
        side = min(side, map_h, map_w)
        held = (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / total
        # Of equal squares the one nearest to the middle.
        ys, xs = np.mgrid[0 : held.shape[0], 0 : held.shape[1]]
        off = np.hypot(xs - (held.shape[1] - 1) / 2, ys - (held.shape[0] - 1) / 2) / max(map_h, map_w)
        place = np.unravel_index(np.argmax(held - 0.02 * off), held.shape)
        area = side * side / (map_h * map_w)
        score = float(held[place]) - params.area_price * area
        if best is None or score > best[0]:
            best = (score, float(held[place]), area, (int(place[1]), int(place[0]), side))
    _, held_share, area, (x, y, side) = best
    if held_share - area < params.min_gain:
        return center_crop(width, height, how="diffuse", saliency=saliency_held(saliency, whole, width, height))
    to_image = min(width / map_w, height / map_h)
    full_side = min(round(side * to_image), width, height)
    left = min(round(x * width / map_w), width - full_side)
    top = min(round(y * height / map_h), height - full_side)
    return Square(left, top, full_side, SMART, held_share)


def cut(pixels: np.ndarray, square: Square, size_px: int) -> np.ndarray:
    """Cut a square out of uint8 [h, w, 3] and size it to [size_px, size_px, 3]."""
    piece = pixels[square.y : square.y + square.side, square.x : square.x + square.side]
    method = cv2.INTER_AREA if square.side >= size_px else cv2.INTER_CUBIC
    return cv2.resize(piece, (size_px, size_px), interpolation=method)


def _distance_from_border(thumbnail: np.ndarray) -> np.ndarray:
    """Mahalanobis distance of each pixel's CIELAB colour to those within 6 % of the frame's border; float32 [h, w]."""
    lab = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2LAB).astype(np.float32)
    h, w = lab.shape[:2]
    edge = max(2, round(0.06 * min(h, w)))
    inside = np.zeros((h, w), bool)
    inside[edge:-edge, edge:-edge] = True
    border = lab[~inside]
    inverse = np.linalg.inv(np.cov(border, rowvar=False) + 20 * np.eye(3)).astype(np.float32)
    off = lab - border.mean(axis=0)
    return np.sqrt(np.einsum("hwi,ij,hwj->hw", off, inverse, off))


def saliency_held(saliency: np.ndarray, square: Square, width: int, height: int) -> float:
    """Share of a map that a square of the image holds."""
    total = float(saliency.sum())
    if total == 0:
        return float("nan")
    h, w = saliency.shape
    rows = slice(round(square.y * h / height), round((square.y + square.side) * h / height))
    columns = slice(round(square.x * w / width), round((square.x + square.side) * w / width))
    return float(saliency[rows, columns].sum()) / total
