"""From the bytes of anybody's photo to what the network looks at: the middle of the square that ``pack`` makes."""

from dataclasses import dataclass

import numpy as np

from stages.answering.cropped import Cropped, crop_photo
from stages.images.crop import Square
from stages.learning.augment import cut_center
from stages.tables.preprocessing import Preprocessing


@dataclass(frozen=True)
class Photo:
    """A photo as the network looks at it.

    Attributes:
        pixels: uint8 [image_px, image_px, 3], RGB.
        square: the crop, in pixels of the photo as shown; of it the network sees ``seen``.
        seen: what the network sees of the photo, likewise: the middle of the crop.
        width: of the photo as shown.
        height: of the photo as shown.
        sha256: digest of its bytes.
    """

    pixels: np.ndarray
    square: Square
    seen: Square
    width: int
    height: int
    sha256: str


def prepare_photo(data: bytes, preprocessing: Preprocessing, image_px: int) -> Photo:
    """Bring a photo to what the network looks at, through the very JPEG that training would have seen.

    Args:
        data: the file's bytes.
        preprocessing: of the model.
        image_px: side of what the network sees.

    Raises:
        PhotoError: the bytes are no whole image, of a format that is not read, or of too many pixels.
    """
    return look_at(crop_photo(data, preprocessing), image_px)


def look_at(cropped: Cropped, image_px: int) -> Photo:
    """Give what the network sees of a photo that is cropped: a square of ``image_px`` in the middle."""
    pixels = np.ascontiguousarray(cut_center(cropped.pixels, image_px))
    seen = _middle(cropped.square, image_px / len(cropped.pixels))
    return Photo(pixels, cropped.square, seen, cropped.width, cropped.height, cropped.sha256)


def _middle(square: Square, share: float) -> Square:
    side = round(square.side * share)
    inset = (square.side - side) // 2
    return Square(square.x + inset, square.y + inset, side, square.how, square.saliency)
