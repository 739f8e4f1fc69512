"""What is done to a training image in the loader, on uint8: the part of it that is seen, mirroring, RandAugment.

All of it is a pure function of the image and a generator, and the generator one of (seed, epoch, image), so that a run
goes on from anywhere and the number of loader processes changes nothing. Color and mixing work on whole batches on the
device, see ``stages/learning/device.py``.
"""

import math

import cv2
import numpy as np
from PIL import Image
from timm.data.auto_augment import rand_augment_transform

from stages.config.schema import Augment
from stages.images.portable import portable_opencv
from stages.learning.rng import global_draws

_TRIES = 10  # of a part of the right area and shape; then it is the largest square in the middle
_ASPECTS = (3 / 4, 4 / 3)
_MAGNITUDE_BELOW = 9.99  # of the scale's 10: there timm keeps no bit of a posterized image, and Pillow refuses


def augment(pixels: np.ndarray, params: Augment, rng: np.random.Generator, out: np.ndarray) -> None:
    """Change a training image.

    Args:
        pixels: uint8 [size, size, 3], as packed.
        params: section ``augment`` of params.yaml.
        rng: of this image in this epoch.
        out: uint8 [side, side, 3], contiguous: where the changed image goes.
    """
    side = out.shape[0]
    part = cut_at_random(pixels, side, rng) if params.crop == "random" else cut_resized(pixels, side, params, rng)
    if params.flip and rng.random() < 0.5:
        part = cv2.flip(part, 1, dst=out)  # six times as fast as copying a mirrored view
    if params.randaugment:
        part = rand_augment(np.ascontiguousarray(part), params.randaugment, rng)
    if part is not out:
        out[:] = part


def cut_at_random(pixels: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a square out at a drawn place, without resizing."""
    top, left = (int(rng.integers(0, edge - side + 1)) for edge in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def cut_center(pixels: np.ndarray, side: int) -> np.ndarray:
    """Cut a square out of the middle: what validation and test see."""
    top, left = ((edge - side) // 2 for edge in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def cut_resized(pixels: np.ndarray, side: int, params: Augment, rng: np.random.Generator) -> np.ndarray:
    """Cut a part of drawn area and shape out and size it to a square (Szegedy et al., CVPR 2015).

    The area is ``params.min_area`` to all of the image, the sides are 3:4 to 4:3, both drawn as torchvision does.
    """
    height, width = pixels.shape[:2]
    part_h = part_w = min(height, width)
    top, left = (height - part_h) // 2, (width - part_w) // 2
    for _ in range(_TRIES):
        area = height * width * rng.uniform(params.min_area, 1)
        aspect = math.exp(rng.uniform(math.log(_ASPECTS[0]), math.log(_ASPECTS[1])))
        drawn_w, drawn_h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if drawn_w <= width and drawn_h <= height:
            part_w, part_h = drawn_w, drawn_h
            top, left = int(rng.integers(0, height - part_h + 1)), int(rng.integers(0, width - part_w + 1))
            break
    part = pixels[top : top + part_h, left : left + part_w]
    portable_opencv()
    method = cv2.INTER_AREA if min(part_h, part_w) > side else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=method)


def rand_augment(pixels: np.ndarray, magnitude: int, rng: np.random.Generator) -> np.ndarray:
    """Apply two drawn operations of a magnitude (RandAugment, Cubuk et al., NeurIPS 2020), as timm does."""
    gray = tuple(int(value) for value in pixels.mean(axis=(0, 1)))
    settings = {"translate_const": 100, "img_mean": gray, "magnitude_max": _MAGNITUDE_BELOW}
    transform = rand_augment_transform(f"rand-m{magnitude}-mstd0.5-inc1", settings)
    with global_draws(int(rng.integers(2**32))):
        return np.asarray(transform(Image.fromarray(pixels)))
