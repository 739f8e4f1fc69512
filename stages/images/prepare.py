"""From a file's bytes to its crop: the one way in which pack, the comparison and predictions look at an image."""

import numpy as np

from stages.images.crop import Square, find_crop
from stages.images.decode import decode_rgb, read_header, reduction
from stages.params import Crop


def decode_and_crop(data: bytes, params: Crop, size_px: int) -> tuple[np.ndarray, Square]:
    """Decode an image, no larger than its crop needs, and choose the crop.

    The crop is looked for in the smallest decode that a centre crop would do with. Where it turns out to be so small
    that it would have to be enlarged, the image is decoded once more with the pixels that it has: a second decode of
    few images costs less than a larger one of all.

    Args:
        data: the file's bytes.
        params: section ``crop`` of params.yaml.
        size_px: side that the crop will be sized to.

    Returns:
        uint8 [height, width, 3], RGB as shown, perhaps reduced; and the square, in pixels of it.

    Raises:
        DecodeError: the bytes are no whole image.
    """
    pixels = decode_rgb(data, min_side_px=size_px)
    square = find_crop(pixels, params)
    height, width = pixels.shape[:2]
    # What the image's short side must keep so that the crop's side keeps size_px.
    wanted = -(-size_px * min(width, height) // square.side)
    short_side = min(read_header(data)[:2])
    if reduction(short_side, wanted) < reduction(short_side, size_px):
        pixels = decode_rgb(data, min_side_px=wanted)
        square = square.scaled((width, height), (pixels.shape[1], pixels.shape[0]))
    return pixels, square
