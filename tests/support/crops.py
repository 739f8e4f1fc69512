"""Crops of an image, as they are measured."""

import cv2
import numpy as np

from stages.config.schema import Crop
from stages.evaluation.crops import Measured, overlap
from stages.images.crop import Square
from stages.runtime.yaml_files import read_yaml
from tests.support import ROOT

CROP = read_yaml(ROOT / "params.yaml")["crop"]
SMART = Crop(**CROP | {"mode": "smart"})


def flower(width: int, height: int, x: int, y: int, radius: int) -> np.ndarray:
    """A red disc on a dull meadow."""
    rng = np.random.default_rng(3)
    pixels = np.clip(rng.normal((70, 110, 60), 8, (height, width, 3)), 0, 255).astype(np.uint8)
    cv2.circle(pixels, (x, y), radius, (215, 30, 60), -1)
    return pixels


def kept(square: Square, x: int, y: int, radius: int) -> float:
    return overlap((x - radius, y - radius, 2 * radius, 2 * radius), square) / (2 * radius) ** 2


def measured(how: str, *, held: float = 0.9) -> Measured:
    return Measured(Square(0, 0, 10, how, held), Square(10, 10, 10, "center", 0.3), 100, 80)
