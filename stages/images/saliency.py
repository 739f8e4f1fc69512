"""How much each place of a photo stands out, as a plant does before what is behind it.

Four cues, each of the thumbnail, none of them asks what the thing is:

- *surrounded*: of all thresholds of its color channels, in how many the place lies in a region that does not reach the
  frame (boolean maps, Zhang and Sclaroff, ICCV 2013);
- *compact*: how close together in the frame the places of its color are (the element distribution of Perazzi et al.,
  CVPR 2012);
- *texture*: how much finer or coarser the detail is than in the wider surroundings: lenses focus on the plant;
- *residual*: the spectral residual (Hou and Zhang, CVPR 2007, by OpenCV).

Their logarithms are added with the weights of ``crop.cues``: log odds, which ``benchmarks/crop_fitting.py`` learns by
logistic regression. That place in the frame counts, too, is left to the search for a crop.
"""

from typing import NamedTuple

import cv2
import numpy as np

from stages.config.schema import Crop
from stages.images.portable import portable_opencv
from stages.images.shrink import shrink

LEVELS = 255  # a map holds whole numbers on purpose: the last digits of a float must not decide on a crop

_COLORS_PX = 48  # long side of what the cues of color look at: larger ones told no more
_THRESHOLDS = 6  # of each channel
_BINS = 8  # of each channel of CIELAB
_FLOOR = 0.05  # of a cue whose largest is 1: what is less is as good as nothing
_NEAREST = 0.02  # likewise of a color's spread, in short sides
# The largest of a cue is 1, but where it is less than this: then nothing stands out, and noise must not.
_LEAST_CHANCE = 0.1
_LEAST_CHANNEL, _LEAST_TEXTURE, _LEAST_RESIDUAL = 6, 0.1, 1e-6


class Cues(NamedTuple):
    """Logarithms of the cues, each float32 [h, w]: the more, the more it stands out; of ``spread`` the less."""

    surrounded: np.ndarray
    spread: np.ndarray
    texture: np.ndarray
    residual: np.ndarray


def saliency_map(pixels: np.ndarray, params: Crop) -> np.ndarray:
    """Say how much each place of an image stands out.

    Args:
        pixels: uint8 [height, width, 3], RGB.
        params: section ``crop``; the map's long side is ``thumbnail_px``, or the image's where that is smaller.

    Returns:
        uint8 [h, w], 0 to 255.
    """
    return map_of(read_cues(pixels, params.thumbnail_px), params)


def map_of(cues: Cues, params: Crop) -> np.ndarray:
    """Weigh the cues of an image: its map, uint8 [h, w]."""
    weights = params.cues
    log_odds = (
        weights.bias
        + weights.surrounded * cues.surrounded
        - weights.compact * cues.spread
        + weights.texture * cues.texture
        + weights.residual * cues.residual
    )
    chance = 1 / (1 + cv2.exp(-log_odds))
    # The likeliest place is white; but where nothing is likely, nothing is.
    chance /= max(float(chance.max()), _LEAST_CHANCE)
    return np.rint(LEVELS * cv2.pow(chance, params.map_power)).astype(np.uint8)


def read_cues(pixels: np.ndarray, thumbnail_px: int) -> Cues:
    """Look for the cues in uint8 [height, width, 3] RGB, made smaller to this long side where it is larger."""
    portable_opencv()
    thumbnail = shrink(pixels, thumbnail_px)
    height, width = thumbnail.shape[:2]
    colors = cv2.cvtColor(cv2.GaussianBlur(shrink(thumbnail, _COLORS_PX), (0, 0), 0.7), cv2.COLOR_RGB2LAB)
    texture = _texture_contrast(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY))

    def at_full_size(cue: np.ndarray) -> np.ndarray:
        return cv2.resize(cue, (width, height), interpolation=cv2.INTER_LINEAR)

    return Cues(
        at_full_size(_log_share(_surrounded(colors), 1e-3)),
        at_full_size(cv2.log(_spread(colors) + _NEAREST)),
        _log_share(texture, _LEAST_TEXTURE),
        at_full_size(_log_share(_spectral_residual(thumbnail), _LEAST_RESIDUAL)),
    )


def _log_share(cue: np.ndarray, least: float) -> np.ndarray:
    """Give the logarithm of a cue as a share of its largest value, which counts as ``least`` where it is less."""
    return cv2.log(cue / max(float(cue.max()), least) + _FLOOR)


def _surrounded(lab: np.ndarray) -> np.ndarray:
    """Share of the boolean maps of uint8 [h, w, 3] in which a place is cut off from the frame; float32 [h, w].

    A channel counts by the range of its levels.
    """
    cut_off = np.zeros(lab.shape[:2], np.float32)
    maps = 0.0
    for channel in cv2.split(lab):
        low, high, _, _ = cv2.minMaxLoc(channel)
        if high - low < _LEAST_CHANNEL:
            continue
        for step in range(1, _THRESHOLDS + 1):
            threshold = low + (high - low) * step / (_THRESHOLDS + 1)
            for above in (cv2.THRESH_BINARY, cv2.THRESH_BINARY_INV):
                region = cv2.threshold(channel, threshold, 1, above)[1]
                # What reaches the frame hangs together with a rim around it, and is washed away from there.
                rimmed = cv2.copyMakeBorder(region, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)  # pyright: ignore[reportCallIssue, reportArgumentType]
                cv2.floodFill(rimmed, None, (0, 0), 0)  # pyright: ignore[reportCallIssue, reportArgumentType]
                cut_off += rimmed[1:-1, 1:-1] * np.float32(high - low)
                maps += high - low
    return cut_off / np.float32(max(maps, 1.0))


def _spread(lab: np.ndarray) -> np.ndarray:
    """Standard deviation, in short sides of the frame, of where each place's color is; float32 [h, w].

    Colors are those of a histogram of CIELAB, smoothed so that a step between two bins parts no color.
    """
    height, width = lab.shape[:2]
    lightness, a, b = (channel.astype(np.int32) for channel in cv2.split(lab))
    # Photos hardly leave the middle of a and b.
    bins = [lightness * _BINS // 256, *(np.clip((channel - 80) // 12, 0, _BINS - 1) for channel in (a, b))]
    color = ((bins[0] * _BINS + bins[1]) * _BINS + bins[2]).ravel()
    y, x = (np.mgrid[:height, :width] / min(height, width)).reshape(2, -1)
    sums = np.stack([np.bincount(color, moment, _BINS**3) for moment in (np.ones_like(x), x, y, x * x + y * y)])
    sums = sums.reshape(4, _BINS, _BINS, _BINS)
    for axis in (1, 2, 3):
        around = np.pad(sums, [(1, 1) if one == axis else (0, 0) for one in range(4)])
        before, here, after = (np.take(around, np.arange(step, step + _BINS), axis) for step in range(3))
        sums = before / 4 + here / 2 + after / 4
    number, of_x, of_y, of_squares = sums.reshape(4, -1)
    number = np.maximum(number, 1e-9)
    variance = of_squares / number - (of_x / number) ** 2 - (of_y / number) ** 2
    return np.sqrt(np.maximum(variance, 0))[color].reshape(height, width).astype(np.float32)


def _texture_contrast(gray: np.ndarray) -> np.ndarray:
    """By how much the logarithm of the fine detail differs from that of the wider surroundings; float32 [h, w]."""
    short = min(gray.shape)
    detail = np.abs(cv2.Laplacian(gray.astype(np.float32), cv2.CV_32F))
    texture = cv2.log(cv2.GaussianBlur(detail, (0, 0), max(short / 40, 0.5)) + 1)
    near, far = (cv2.blur(texture, (side, side)) for side in (_box(short / 24), _box(short / 4)))
    return cv2.absdiff(near, far)


def _box(sigma: float) -> int:
    """Odd side, 3 or more, of the box that is as wide as a bell of this standard deviation."""
    return max(3, round(sigma * 12**0.5) | 1)


def _spectral_residual(thumbnail: np.ndarray) -> np.ndarray:
    """Saliency by the spectral residual, smoothed, float32 [64, 64]; zero where OpenCV finds none.

    OpenCV looks at 64 x 64 px whatever it is given, so there is nothing to lose by smoothing at that size.
    """
    small = cv2.cvtColor(cv2.resize(thumbnail, (64, 64), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
    finder = cv2.saliency.StaticSaliencySpectralResidual_create()  # pyright: ignore[reportAttributeAccessIssue]
    done, residual = finder.computeSaliency(small)
    return cv2.GaussianBlur(residual, (0, 0), 64 / 40) if done else np.zeros((64, 64), np.float32)
