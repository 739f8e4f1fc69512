"""Decoding: from the bytes of a web image to the RGB pixels that a person would see."""

import io
import warnings
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

from stages.images.jpeg import JpegError, decode_jpeg, is_jpeg
from stages.images.png import is_png, needed_chunks

# Of a broken header Pillow warns as well as it raises, and of odd ones nobody needs to hear.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Images too large to decode are refused by inventory.max_megapixels, which reads the size first.
Image.MAX_IMAGE_PIXELS = None

# What web hosts serve as photos. Pillow knows dozens more, and one of them (EPS) runs a program on what it is given.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")

# Decoders of these read on in zeros, as a download leaves them that was given its room before it came. Whole files end
# in some too: up to a tenth, where all of the image is one color.
_UNCHECKED = ("WEBP", "AVIF", "GIF")
_ZEROS_SHARE = 0.2

# EXIF orientation (tag 0x0112) -> what to do with the stored pixels to show them upright: (mirror left-right first,
# then turn). CIPA DC-008 (Exif 2.32), section 4.6.4.
_UPRIGHT: dict[int, tuple[bool, int | None]] = {
    2: (True, None),
    3: (False, cv2.ROTATE_180),
    4: (True, cv2.ROTATE_180),
    5: (True, cv2.ROTATE_90_COUNTERCLOCKWISE),
    6: (False, cv2.ROTATE_90_CLOCKWISE),
    7: (True, cv2.ROTATE_90_CLOCKWISE),
    8: (False, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


class DecodeError(Exception):
    """The bytes are no image, or not a whole one."""


def is_of_this_machine(error: Exception) -> bool:
    """Say whether an error tells of this machine, out of memory or of open files, and nothing of the file's bytes."""
    # Pillow's own OSErrors have no number, and the system's have one.
    return isinstance(error, MemoryError | ImportError) or (isinstance(error, OSError) and error.errno is not None)


def read_header(data: bytes) -> tuple[int, int, int]:
    """Give (width, height, EXIF orientation) of an image as stored, without decoding its pixels.

    Raises:
        DecodeError: the bytes are no image.
    """
    return _read_header(data)[:3]


def _read_header(data: bytes) -> tuple[int, int, int, bytes | None]:
    """Give what ``read_header`` gives, and the ICC profile that comes with the image."""
    try:
        with _opened(data, header_only=True) as image:
            profile = image.info.get("icc_profile")
            return image.width, image.height, _orientation(image), profile if isinstance(profile, bytes) else None
    except Exception as error:  # Pillow raises whatever its many parsers meet, SyntaxError included
        if is_of_this_machine(error):
            raise
        raise DecodeError(f"no image: {error}") from None


def shown_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Give (width, height) of an image as shown: orientations 5 to 8 lay it on its side."""
    return (height, width) if orientation >= 5 else (width, height)


def decode_rgb(data: bytes, *, factor: int = 1) -> np.ndarray:
    """Decode an image, whole and strictly, to uint8 [height, width, 3] RGB as shown.

    EXIF orientation is applied, and the colors of a wide-gamut image (Display P3, Adobe RGB) are brought to sRGB by
    its ICC profile.

    Args:
        data: the file's bytes: JPEG of any color space, PNG, WebP, GIF (the first frame), ...
        factor: 1, 2, 4 or 8: a JPEG is decoded at 1/factor of its size (in the DCT domain, 2.6 times as fast). Pixels
            that would stand for less than factor x factor of the original are left out, so that each stands for as
            many; ``reduced_origin`` says where the first is. Other formats are decoded in full whatever it is.

    Raises:
        DecodeError: the bytes are no image, or not a whole one.
    """
    width, height, orientation, profile = _read_header(data)
    if is_jpeg(data):
        # A side that the factor does not divide is rounded up by the decoder.
        pixels = _decode_jpeg(data, "RGB", height, width, factor)[: height // factor, : width // factor]
    else:
        pixels = _decode_other(data)
    if profile and (transform := _to_srgb(profile)):
        pixels = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform))
    return upright(pixels, orientation)


def reduced_origin(data: bytes, factor: int) -> tuple[int, int]:
    """Say where the pixels of a reduced decode begin in the image as shown: x, y, each less than ``factor``.

    What a factor leaves over is at the right and lower edge as stored; an image that is shown turned or mirrored has it
    at another one. Pixel (column, row) of the reduced image begins at (x + factor * column, y + factor * row).
    """
    width, height, orientation = read_header(data)
    kept = np.zeros((height % factor + 1, width % factor + 1), np.uint8)
    kept[0, 0] = 1  # all pixels that are kept, as one; beside it what is left over
    y, x = np.argwhere(upright(kept, orientation))[0]
    return int(x), int(y)


def decode_gray(data: bytes, header: tuple[int, int, int], *, min_side_px: int) -> np.ndarray:
    """Decode an image, whole and strictly, to uint8 [height, width] as shown.

    Args:
        data: the file's bytes.
        header: what ``read_header`` gave for them.
        min_side_px: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size as long as its short side keeps this many pixels.

    Raises:
        DecodeError: the bytes are not a whole image.
    """
    width, height, orientation = header
    if is_jpeg(data):
        factor = reduction(min(width, height), min_side_px)
        return upright(_decode_jpeg(data, "GRAY", height, width, factor)[..., 0], orientation)
    return upright(cv2.cvtColor(_decode_other(data), cv2.COLOR_RGB2GRAY), orientation)


def reduction(side_px: int, min_side_px: int) -> int:
    """Give the largest of 8, 4, 2 and 1 by which a side can be divided and still keep ``min_side_px``."""
    return next((factor for factor in (8, 4, 2) if side_px // factor >= min_side_px), 1)


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Give what brings pixels of an ICC profile to sRGB; ``None`` where they are sRGB, or the profile is no use.

    Profiles of CMYK and gray are passed over: the decoder has made RGB of these pixels already.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if (
            cast(Any, source.profile).xcolor_space.strip() != "RGB"
            or "srgb" in ImageCms.getProfileDescription(source).lower()
        ):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the stored pixels, uint8 [height, width] or [height, width, 3], as an EXIF orientation shows them."""
    mirrored, turn = _UPRIGHT.get(orientation, (False, None))
    if mirrored:
        pixels = cv2.flip(pixels, 1)
    return pixels if turn is None else cv2.rotate(pixels, turn)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":  # Pillow turns these itself, and gives the size as shown
        return 1
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode all of it to look behind the pixels
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a header that Pillow cannot read turns nothing
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _decode_jpeg(data: bytes, colorspace: str, height: int, width: int, factor: int) -> np.ndarray:
    try:
        return decode_jpeg(data, colorspace, height, width, factor)
    except JpegError as error:
        raise DecodeError(str(error)) from None


def _decode_other(data: bytes) -> np.ndarray:
    try:
        with _opened(data) as image:
            if image.mode.startswith(("I", "F")):
                return _deep_gray(np.asarray(image))
            if not image.has_transparency_data:
                return np.asarray(image.convert("RGB"))
            rgba = image.convert("RGBA")
            return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    except Exception as error:  # as in read_header
        if is_of_this_machine(error):
            raise
        raise DecodeError(str(error)) from None


def _opened(data: bytes, *, header_only: bool = False) -> Image.Image:
    """Open an image in Pillow. Of a PNG it sees only what pixels need: it would stop at a fault in any other chunk."""
    if is_png(data):
        data = needed_chunks(data, header_only=header_only)
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if not header_only and image.format in _UNCHECKED and len(data.rstrip(b"\0")) < (1 - _ZEROS_SHARE) * len(data):
        raise DecodeError("its end is zeros")
    return image


def _deep_gray(levels: np.ndarray) -> np.ndarray:
    """Bring gray of 16 bits and more to uint8 RGB; Pillow would cut it off at 255.

    White is 255, or 65,535 where a level is above that; of floats that are all up to 1, it is 1. What is no number is
    black, what is beyond black or white, infinity included, is that.
    """
    finite = levels[np.isfinite(levels)]
    largest = finite.max(initial=0)
    white = 1 if levels.dtype.kind == "f" and largest <= 1 else 255 if largest <= 255 else 65_535
    gray = np.nan_to_num(levels.astype(np.float32), nan=0, posinf=white, neginf=0)
    return cv2.cvtColor((np.clip(gray, 0, white) * (255 / white)).astype(np.uint8), cv2.COLOR_GRAY2RGB)
