"""Smaller pictures: thumbnails that crops are looked for in, and tiles."""

import cv2
import numpy as np


def shrink(pixels: np.ndarray, long_px: int) -> np.ndarray:
    """Bring uint8 [height, width, 3] to a long side of ``long_px``, or leave it where it is no larger."""
    scale = long_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
