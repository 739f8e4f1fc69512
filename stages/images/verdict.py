"""Judging one file of the image cache: is it a sound image, and if not, why not?

Headers and Pillow's ``verify()`` miss truncation, and a full load in Pillow misses a tail of zeros: so each file is
decoded whole and strictly, at 1/8 of its size where it is large enough, which costs two thirds of a full decode.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from stages.images.decode import DecodeError, decode_grey, read_header, shown_size
from stages.params import Inventory
from stages.tables import SOUND

VERDICTS = (
    SOUND,
    "empty",  # no bytes
    "not_an_image",  # HTML, XML, anything else
    "truncated",  # an image that ends early or is damaged inside
    "too_large",  # by its header, more pixels than inventory.max_megapixels: not decoded
    "too_small",  # a side under inventory.min_side_px
    "blank",  # varies by less than inventory.blank_std grey levels
)


@dataclass(frozen=True)
class Judgement:
    """What is known of one file.

    Attributes:
        verdict: one of ``VERDICTS``.
        bytes: the file's size.
        sha256: hexadecimal digest of its content.
        width: in pixels as shown (after the EXIF rotation); 0 for what is no image.
        height: likewise.
    """

    verdict: str
    bytes: int
    sha256: str
    width: int
    height: int


def judge(data: bytes, limits: Inventory) -> Judgement:
    """Judge the content of one file by the limits of params.yaml."""
    verdict, width, height = _verdict(data, limits)
    return Judgement(verdict, len(data), hashlib.sha256(data).hexdigest(), width, height)


def _verdict(data: bytes, limits: Inventory) -> tuple[str, int, int]:
    if not data:
        return "empty", 0, 0
    try:
        stored_width, stored_height, orientation = read_header(data)
    except DecodeError:
        return "not_an_image", 0, 0
    size = shown_size(stored_width, stored_height, orientation)
    if stored_width * stored_height > limits.max_megapixels * 1_000_000:
        return "too_large", *size
    try:
        grey = decode_grey(data, min_side_px=64)
    except DecodeError:
        return "truncated", *size
    if min(size) < limits.min_side_px:
        return "too_small", *size
    if float(np.std(grey)) < limits.blank_std:
        return "blank", *size
    return SOUND, *size
