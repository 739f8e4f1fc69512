"""From the bytes of anybody's photo to the square that ``pack`` would have made of it: decoded, cropped and encoded.

Nothing here needs torch, so that processes that only do this start quickly and stay small.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import simplejpeg

from stages.config.schema import Image, Params
from stages.images.crop import Square
from stages.images.decode import DecodeError, read_header, shown_size
from stages.images.packing import pack_image
from stages.tables.preprocessing import Preprocessing

MOST_MEGAPIXELS = 200
# Brands of ISO base media files: those of HEIC (ISO/IEC 23008-12, annex B), which phones write, and those of AVIF,
# which is read. `mif1` and `msf1` are of either, so all brands of a file count.
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}

_UNKNOWN = "cannot identify image file"  # as Pillow says it

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
class Cropped:
    """A photo as ``pack`` would have stored it.

    Attributes:
        pixels: uint8 [pack_px, pack_px, 3], RGB, through the very JPEG that training would have seen.
        square: the crop, in pixels of the photo as shown.
        width: of the photo as shown.
        height: of the photo as shown.
        sha256: digest of its bytes.
    """

    pixels: np.ndarray
    square: Square
    width: int
    height: int
    sha256: str


def crop_photo(data: bytes, preprocessing: Preprocessing) -> Cropped:
    """Decode and crop a photo.

    Args:
        data: the file's bytes.
        preprocessing: of the model.

    Raises:
        PhotoError: the bytes are no whole image, of a format that is not read, or of too many pixels.
    """
    if not data:
        raise PhotoError("empty", "the file is empty")
    if is_heic(data):
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
        packed = pack_image(data, "", digest, pack_params(preprocessing))
    except DecodeError as error:
        said = "of no format that is known" if _UNKNOWN in str(error) else str(error).removeprefix("no image: ")
        raise PhotoError("not_an_image", f"no photo that can be read ({said})") from None
    square = Square(packed.x, packed.y, packed.side, packed.crop, float("nan"))
    return Cropped(simplejpeg.decode_jpeg(packed.jpeg), square, width, height, digest)


def is_heic(data: bytes) -> bool:
    """Say whether a file is HEIC, by its beginning (a hundred bytes do)."""
    brands = _brands(data)
    return bool(brands & _HEIC) and not brands & _AVIF


def is_avif(data: bytes) -> bool:
    """Say whether a file is AVIF, by its beginning."""
    return bool(_brands(data) & _AVIF)


def _brands(data: bytes) -> set[bytes]:
    """Give the brands of an ISO base media file (ISO/IEC 14496-12, 4.3): its own and those that it can be read as."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 128, len(data))
    return {data[8:12]} | {data[start : start + 4] for start in range(16, end - 3, 4)}


def pack_params(preprocessing: Preprocessing) -> Params:
    """Give the sections of parameters that packing reads, and no others."""
    image = Image(pack_px=preprocessing.pack_px, train_px=preprocessing.pack_px)
    return Params.model_construct(crop=preprocessing.crop, image=image, pack=preprocessing.pack)
