"""Measuring one file of the image cache: is it a whole image, and how much does it show?

Nothing is judged here: measures are facts of a file and are taken once, as that means reading and decoding it. What
they mean depends on the limits of params.yaml, see ``stages/images/verdict.py``.

Headers and Pillow's ``verify()`` miss truncation, and a full load in Pillow misses a tail of zeros: so each file is
decoded whole and strictly, at 1/8 of its size where it is large enough, which costs two thirds of a full decode.
"""

import builtins
import hashlib
from dataclasses import dataclass

import cv2
import imagehash
import numpy as np
from PIL import Image

from stages.images.decode import DecodeError, decode_gray, decode_rgb, read_header, reduction, shown_size
from stages.images.drawn import banding, flatness, level_peaks
from stages.images.filled import filled_share, may_be_filled
from stages.images.jpeg import is_jpeg, level_step
from stages.images.portable import portable_opencv

# States other than "decoded" say why there are no measures.
DECODED, EMPTY, NOT_AN_IMAGE, TRUNCATED, NOT_DECODED = "decoded", "empty", "not_an_image", "truncated", "not_decoded"
NO_IMAGE = (EMPTY, NOT_AN_IMAGE, TRUNCATED)  # whatever the limits
ONE_SHADE_STD = 1.0  # gray levels: what varies by less is of one shade, a black image, and no photo under any limit

SIDE_PX = 128  # measured at this short side, so that a sharp image of any size is as sharp as any other
EVEN_LEVELS = 8  # gray levels to either side that still count as the same brightness
HASH_SIDE = 16  # the perceptual hash has the square of this in bits
_DIGITS = 3  # of the measures: processors round the last ones in their own way


@dataclass(frozen=True)
class Measurement:
    """What is known of one file; the measures are null unless it was decoded.

    Attributes:
        state: ``decoded``, ``empty``, ``not_an_image``, ``truncated`` (ends early or is damaged inside), or
            ``not_decoded`` (its header says that it is too large).
        bytes: the file's size.
        sha256: hexadecimal digest of its content.
        width: in pixels as shown (after the EXIF rotation); 0 for what is no image.
        height: likewise.
        gray_std: standard deviation of the gray levels (0 to 255).
        even_share: of the pixels, how many are within ``EVEN_LEVELS`` of one gray level, the best there is.
        sharpness: standard deviation of the Laplacian by that of the gray levels, at a short side of ``SIDE_PX``: the
            measure of Pech-Pacheco et al. (2000), made independent of contrast.
        banding: how much rows or columns stand out of those beside them; this one and the next two say whether an
            image was drawn, see ``stages/images/drawn.py``.
        level_peaks: the share of pixels in gray levels that stand out of their neighbors.
        flatness: how much of the inside of objects is flat, 0 to 1.
        filled_share: how much of height or width is one even color that begins all at once: what was missing of a file
            when it was saved again, see ``stages/images/filled.py``.
        phash: the perceptual hash, 32 bytes: signs of 16 x 16 low frequencies of the discrete cosine transform
            against their median, row by row (Zauner 2010; by imagehash).
    """

    state: str
    bytes: int
    sha256: str
    width: int = 0
    height: int = 0
    gray_std: float | None = None
    even_share: float | None = None
    sharpness: float | None = None
    banding: float | None = None
    level_peaks: float | None = None
    flatness: float | None = None
    filled_share: float | None = None
    phash: builtins.bytes | None = None


def measure(data: bytes, *, max_megapixels: float) -> Measurement:
    """Measure the content of one file; an image of more pixels by its header is not decoded."""
    portable_opencv()
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        return Measurement(EMPTY, 0, digest)
    try:
        header = read_header(data)
    except DecodeError:
        return Measurement(NOT_AN_IMAGE, len(data), digest)
    size = shown_size(*header)
    if size[0] * size[1] > max_megapixels * 1_000_000:
        return Measurement(NOT_DECODED, len(data), digest, *size)
    try:
        gray = decode_gray(data, header, min_side_px=SIDE_PX)
        filled = filled_share(decode_rgb(data, factor=reduction(min(size), SIDE_PX))) if may_be_filled(gray) else 0.0
    except DecodeError:
        return Measurement(TRUNCATED, len(data), digest, *size)
    shares = cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel().astype(np.float64) / gray.size
    small = _at_side(gray)
    measures = {
        "gray_std": deviation(shares),
        "even_share": float(around(shares).max()),
        "sharpness": sharpness(small),
        "banding": banding(small),
        "level_peaks": level_peaks(shares, level_step(data) if is_jpeg(data) else 1.0),
        "flatness": flatness(small, ground=int(around(shares).argmax())),
        "filled_share": filled,
    }
    rounded = {name: round(value, _DIGITS) for name, value in measures.items()}
    return Measurement(DECODED, len(data), digest, *size, **rounded, phash=perceptual_hash(gray))


def deviation(shares: np.ndarray) -> float:
    """Give the standard deviation of gray levels from the share of pixels that each of the 256 has."""
    grades = np.arange(256)
    mean = float(shares @ grades)
    return float(shares @ (grades - mean) ** 2) ** 0.5


def around(shares: np.ndarray) -> np.ndarray:
    """Give, for each of the 256 gray levels, the share of pixels within ``EVEN_LEVELS`` of it."""
    return np.convolve(shares, np.ones(2 * EVEN_LEVELS + 1), mode="same")


def sharpness(small: np.ndarray) -> float:
    """Give the sharpness of float32 [height, width], 0 for an even area; see ``Measurement``."""
    contrast, edges = (cv2.meanStdDev(one)[1].item() for one in (small, cv2.Laplacian(small, cv2.CV_32F)))
    return edges / contrast if contrast else 0.0


def _at_side(gray: np.ndarray) -> np.ndarray:
    """Bring uint8 [height, width] to a short side of ``SIDE_PX`` at most, float32."""
    # As floats: rounded to whole gray levels, a smooth area would look as if it had detail.
    pixels = gray.astype(np.float32)
    factor = SIDE_PX / min(gray.shape)
    if factor >= 1:
        return pixels
    # Decoded reduced, an image is less than twice as large as this, and two pixels a side are all that matter.
    method = cv2.INTER_LINEAR if factor > 0.5 else cv2.INTER_AREA
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=method)


def perceptual_hash(gray: np.ndarray) -> bytes:
    """Give the perceptual hash of uint8 [height, width]: 32 bytes, see ``Measurement``."""
    # At the size that imagehash brings it to anyway; its own filter would take most of the time of all measures.
    side = 4 * HASH_SIDE
    small = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
    return np.packbits(imagehash.phash(Image.fromarray(small), hash_size=HASH_SIDE).hash).tobytes()
