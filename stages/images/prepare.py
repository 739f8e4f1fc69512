"""From a file's bytes to its crop: the one way in which pack, the comparison and predictions look at an image."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stages.config.schema import Crop
from stages.images.crop import Square, find_crop
from stages.images.decode import decode_rgb, read_header, reduced_origin
from stages.images.jpeg import is_jpeg

# How many pixels a crop must have for each that it is sized to, by the factor of the decode: with fewer, what the
# decoder leaves of the finest detail shows. Sized, it is within 41 dB (PSNR) of the crop of a full decode.
_PIXELS_A_PIXEL = {8: 1.75, 4: 1.35, 2: 1.0}


class Prepared(NamedTuple):
    """A decoded image and its crop.

    Attributes:
        pixels: uint8 [height, width, 3], RGB as shown, perhaps reduced.
        square: the crop, in pixels of them.
        factor: by which the image was reduced.
        origin: x and y in the original of the first of the pixels, see ``reduced_origin``.
    """

    pixels: np.ndarray
    square: Square
    factor: int
    origin: tuple[int, int]

    def in_original(self, square: Square) -> Square:
        """Give a square of ``pixels`` in pixels of the original as shown."""
        x, y = self.origin
        return replace(
            square, x=x + self.factor * square.x, y=y + self.factor * square.y, side=self.factor * square.side
        )


def decode_and_crop(data: bytes, params: Crop, size_px: int) -> Prepared:
    """Decode an image, no larger than its crop needs, and choose the crop.

    The crop is looked for in the smallest decode that a center crop would do with. Where it turns out to be so small
    that it needs more pixels, the image is decoded once more: a second decode of few images costs less than a larger
    one of all.

    Args:
        data: the file's bytes.
        params: section ``crop`` of params.yaml.
        size_px: side that the crop will be sized to.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    width, height, _ = read_header(data)
    factor = reduction_for(data, min(width, height), size_px)
    pixels = decode_rgb(data, factor=factor)
    prepared = Prepared(pixels, find_crop(pixels, params), factor, reduced_origin(data, factor))
    finer = reduction_for(data, prepared.square.side * factor, size_px)
    if finer == factor:
        return prepared
    square, (x, y) = prepared.in_original(prepared.square), reduced_origin(data, finer)
    # All of these divide: what the coarser factor leaves over, the finer one does as far as it can.
    square = replace(square, x=(square.x - x) // finer, y=(square.y - y) // finer, side=square.side // finer)
    return Prepared(decode_rgb(data, factor=finer), square, finer, (x, y))


def reduction_for(data: bytes, side_px: int, size_px: int) -> int:
    """Give the factor by which an image can be reduced so that a crop of ``side_px`` can still be sized to ``size_px``.

    It is 1 of all but JPEG.
    """
    if not is_jpeg(data):
        return 1
    return next((factor for factor, spare in _PIXELS_A_PIXEL.items() if side_px // factor >= spare * size_px), 1)
