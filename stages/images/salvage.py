"""What can be seen of files that no image can be made of: for people who judge a cache, and never for training."""

import io

import numpy as np
from PIL import Image, ImageFile

from stages.images.decode import FORMATS, DecodeError, decode_rgb, read_header, upright
from stages.images.jpeg import is_jpeg

_EOI = b"\xff\xd9"  # ends a JPEG
_FILLED = 128  # the gray level of the blocks of a JPEG that no data say anything of
_LARGEST_LOOK_MP = 1_000  # a JPEG of so many megapixels takes seconds to look at, at an eighth of its size


def decode_part(data: bytes, side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode what is there of an image that ends early or is damaged inside, to be seen by people.

    The file is decoded twice, once over black and once over white: what differs is missing. Of a progressive JPEG what
    is there shows in coarse, and only what is left even gray at its end counts as missing.

    Args:
        data: the file's bytes.
        side_px: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as both sides keep this many pixels.

    Returns:
        uint8 [height, width, 3], RGB as shown, and bool [height, width], true where the file says nothing.

    Raises:
        DecodeError: the bytes are no image, or of one of which nothing can be decoded.
    """
    orientation = read_header(data)[2]
    try:
        pixels, missing = _decode_over_two(data, side_px)
        if missing.all() and _is_progressive(data):
            pixels, missing = _decode_over_two(data + _EOI, side_px)
            written = np.flatnonzero((np.asarray(pixels) != _FILLED).any(axis=(1, 2)))
            missing[written[-1] + 1 if written.size else 0 :] = True
    except Exception as error:  # Pillow raises whatever its many parsers meet
        raise DecodeError(str(error)) from None
    if missing.all():
        raise DecodeError("nothing of it can be decoded")
    return upright(np.asarray(pixels), orientation), upright(missing.astype(np.uint8), orientation).astype(bool)


def look_at_large(data: bytes, max_megapixels: float) -> np.ndarray | None:
    """Decode an image that is too large to be used, where that is cheap: uint8 [height, width, 3], RGB as shown.

    It is cheap for a sequential JPEG, which can be decoded at an eighth of its size row by row, and stays below
    ``max_megapixels`` so; for any other, ``None`` is returned.
    """
    try:
        width, height, _ = read_header(data)
        megapixels = width * height / 1e6
        if not is_jpeg(data) or _is_progressive(data) or megapixels > min(64 * max_megapixels, _LARGEST_LOOK_MP):
            return None
        return decode_rgb(data, factor=8)
    except Exception:  # of whatever it is, its size is all that can be said
        return None


def _decode_over_two(data: bytes, side_px: int) -> tuple[Image.Image, np.ndarray]:
    """Decode as far as it goes over black and over white; give it in RGB, and where the two differ."""
    stored, shown = [], []
    for level in (0, 255):
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            assert isinstance(image, ImageFile.ImageFile)
            if image.format == "JPEG":
                image.draft(None, (side_px, side_px))
            bands = len(Image.new(image.mode, (1, 1)).getbands())
            image.im = Image.new(image.mode, image.size, level if bands == 1 else (level,) * bands).im
            try:
                image.load()
            except (OSError, SyntaxError):
                image.tile = []  # nothing more to load: what has come stands there
            stored.append(np.asarray(image).reshape(image.height, image.width, -1).copy())
            shown.append(_on_white(image))
    return shown[0], (stored[0] != stored[1]).all(axis=2)


def _is_progressive(data: bytes) -> bool:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return image.format == "JPEG" and "progressive" in image.info


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
