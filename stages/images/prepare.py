"""From a file's bytes to its crop: the one way in which pack, the comparison and predictions look at an image."""

import math

import numpy as np

from stages.images.crop import Square, find_crop
from stages.images.decode import decode_rgb
from stages.params import Crop


def decode_and_crop(data: bytes, params: Crop, size_px: int) -> tuple[np.ndarray, Square]:
    """Decode an image, no larger than its crop needs, and choose the crop.

    Args:
        data: the file's bytes.
        params: section ``crop`` of params.yaml.
        size_px: side that the crop will be sized to. The smallest crop is not enlarged for the sake of a faster
            decode: the image keeps the pixels for it where it has them.

    Returns:
        uint8 [height, width, 3], RGB as shown, perhaps reduced; and the square, in pixels of it.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    smallest = min(params.scales) if params.mode == "smart" else 1.0
    pixels = decode_rgb(data, min_side_px=math.ceil(size_px / smallest))
    return pixels, find_crop(pixels, params)
