"""From the bytes of anybody's photo to what the network looks at: decoded, cropped and encoded as ``pack`` does."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import simplejpeg

from stages.config.schema import Image, Params
from stages.images.crop import Square
from stages.images.decode import DecodeError, read_header, shown_size
from stages.images.packing import pack_image
from stages.learning.augment import cut_center
from stages.tables.preprocessing import Preprocessing

MOST_MEGAPIXELS = 200
# Brands of ISO base media files in which phones write HEIC (ISO/IEC 23008-12, annex B); AVIF has others, and is read.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

Trouble = Literal["empty", "heic", "not_an_image", "too_many_pixels", "no_answer"]


class PhotoError(Exception):
    """A photo that the model cannot be asked about. Its message is one line, and says what to do.

    Attributes:
        trouble: which of the troubles it is, for those who say it in another language.
    """

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble: Trouble = trouble


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
    if not data:
        raise PhotoError("empty", "the file is empty")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise PhotoError(
            "heic",
            "HEIC is not read: save the photo as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)",
        )
    try:
        width, height = shown_size(*read_header(data))
        if width * height > MOST_MEGAPIXELS * 1e6:
            raise PhotoError(
                "too_many_pixels", f"{width:,} x {height:,} px are more than {MOST_MEGAPIXELS} megapixels: shrink it"
            )
        digest = hashlib.sha256(data).hexdigest()
        packed = pack_image(data, "", digest, _as_params(preprocessing, image_px))
    except DecodeError as error:
        raise PhotoError("not_an_image", f"no photo that can be read ({error})") from None
    pixels = cut_center(simplejpeg.decode_jpeg(packed.jpeg), image_px)
    square = Square(packed.x, packed.y, packed.side, packed.crop, float("nan"))
    seen = _middle(square, image_px / preprocessing.pack_px)
    return Photo(np.ascontiguousarray(pixels), square, seen, width, height, digest)


def _middle(square: Square, share: float) -> Square:
    side = round(square.side * share)
    inset = (square.side - side) // 2
    return Square(square.x + inset, square.y + inset, side, square.how, square.saliency)


def _as_params(preprocessing: Preprocessing, image_px: int) -> Params:
    """Give the sections of parameters that packing reads, and no others."""
    image = Image(pack_px=preprocessing.pack_px, train_px=image_px)
    return Params.model_construct(crop=preprocessing.crop, image=image, pack=preprocessing.pack)
