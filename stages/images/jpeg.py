"""JPEG, decoded strictly: what is damaged or ends early is refused, and every layout that libjpeg knows is not.

simplejpeg is strict and fast. But it goes by TurboJPEG's list of a few layouts of the color planes (chroma sampling),
and takes each of libjpeg's warnings for damage, also those of a header that says something odd and harmless. So what it
refuses is looked at a second time: a whole file is decoded all the same, and nothing else is.
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from stages.images.portable import portable_opencv
from stages.runtime.errors import UserError

JPEG_MAGIC = b"\xff\xd8\xff"

# Second bytes of markers (ISO/IEC 10918-1, table B.1).
_APP0, _APP14, _DQT, _SOS, _EOI = 0xE0, 0xEE, 0xDB, 0xDA, 0xD9
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}  # frames whose scans each hold all coefficients of their blocks
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xD8), _EOI}  # markers without a segment behind them
# Places in the segments, counted from the marker.
_COMPONENTS, _TABLE, _JFIF_MAJOR, _TRANSFORM = 9, 12, 9, 15  # _TABLE is of the first component
_UNKNOWN_LAYOUT = "subsampling"  # in what TurboJPEG says of planes that it has no name for
# libjpeg calls data that is damaged or ends early a warning, and through OpenCV and Pillow tells nobody: the
# words go to the standard error of the process. So this is a process that does nothing else. What it says once its
# libraries are there is libjpeg's, and comes out at the standard output: what Python and the loader say before, as the
# environment asks them to, is of no file. At an eighth of the size, the data are read as strictly as at the whole.
_NO_PIXELS = 3  # how it ends where there are none; with 0 otherwise, whatever was warned of
_CHECK = f"""
import os, sys, cv2, numpy
data = numpy.frombuffer(sys.stdin.buffer.read(), numpy.uint8)
os.dup2(1, 2)
try:
    pixels = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8)
except cv2.error:
    pixels = None
os._exit({_NO_PIXELS} if pixels is None else 0)
"""
_CHECK_S = 120.0  # of one file by libjpeg: a bound on what a file can cost
_CRASHED = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL}  # libjpeg, of the file


class JpegError(Exception):
    """The bytes are not a whole JPEG, or of a kind that libjpeg does not know."""


def is_jpeg(data: bytes) -> bool:
    """Say whether a file's bytes begin as a JPEG."""
    return data.startswith(JPEG_MAGIC)


def decode_jpeg(data: bytes, colorspace: str, height: int, width: int, factor: int) -> np.ndarray:
    """Decode a whole JPEG to uint8 [height / factor, width / factor, channels], each side rounded up or down.

    Args:
        data: the file's bytes.
        colorspace: ``RGB`` or ``GRAY``.
        height: of the image as stored.
        width: likewise.
        factor: 1, 2, 4 or 8.

    Raises:
        JpegError: it ends early, is damaged inside, or cannot be decoded.
        UserError: this machine does not let it be looked at, whatever it is.
    """
    try:
        return _decode_strictly(data, colorspace, height, width, factor)
    except JpegError:
        plain = in_plain_words(data)
        if plain is None:
            raise
    try:
        return _decode_strictly(plain, colorspace, height, width, factor)
    except JpegError as error:
        if _UNKNOWN_LAYOUT not in str(error):
            raise
    return _decode_rare(plain, colorspace, height, width, factor)


def _decode_strictly(data: bytes, colorspace: str, height: int, width: int, factor: int) -> np.ndarray:
    try:
        # Strict: libjpeg only warns of data that ends early and fills the rest with gray.
        return simplejpeg.decode_jpeg(
            data, colorspace, min_height=height // factor, min_width=width // factor, min_factor=factor, strict=True
        )
    except ValueError as error:
        raise JpegError(str(error)) from None


def _decode_rare(data: bytes, colorspace: str, height: int, width: int, factor: int) -> np.ndarray:
    """Decode a layout that TurboJPEG does not know: the pixels by Pillow, whether they are whole by ``_CHECK``.

    That takes a process (0.2 s), which few files are worth, but all of these few. The pixels are decoded in full and
    averaged: reduced, libjpeg would keep one color of three pixels where it had to divide by three.
    """
    _check(data)
    mode = {"RGB": "RGB", "GRAY": "L"}[colorspace]
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            pixels = np.asarray(image.convert(mode))
    except MemoryError:  # which says nothing of the file
        raise
    except Exception as error:  # Pillow raises whatever its parsers meet
        raise JpegError(str(error)) from None
    if factor > 1:
        portable_opencv()
        small = (width // factor, height // factor)
        pixels = cv2.resize(pixels[: small[1] * factor, : small[0] * factor], small, interpolation=cv2.INTER_AREA)
    return pixels.reshape(*pixels.shape[:2], -1)


def _check(data: bytes) -> None:
    command = [sys.executable, "-P", "-W", "ignore", "-c", _CHECK]
    quiet = os.environ | {"OPENCV_LOG_LEVEL": "SILENT"}
    try:
        check = subprocess.run(command, input=data, env=quiet, capture_output=True, timeout=_CHECK_S, check=False)
    except subprocess.TimeoutExpired:
        raise JpegError(f"not decoded within {_CHECK_S:g} s") from None
    if check.stdout or check.returncode in {_NO_PIXELS, *_CRASHED}:
        raise JpegError(check.stdout.decode(errors="replace").strip() or "cannot be decoded")
    if check.returncode:  # killed, or it did not get to the file: that says nothing of it
        said = check.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        ended = f"by signal {-check.returncode}" if check.returncode < 0 else f"with {check.returncode}"
        raise UserError(
            f"the process that looks at JPEGs of rare layouts ended {ended}"
            f"{f' ({said})' if said else ''}: free some memory, then run it again"
        )


def in_plain_words(data: bytes) -> bytes | None:
    """Give a JPEG up to its end marker with what libjpeg warns of, and no pixel hangs on, in the usual words.

    That is a JFIF version that does not exist, a color transform by Adobe's marker that does not exist (libjpeg takes
    it for YCbCr or YCCK, as here), the band of coefficients of a scan where it is all of them anyway, and stray bytes
    before a marker of the header. What stands inside the pixels' data stays as it is.

    Returns:
        The bytes; ``None`` where there is no end marker behind the first scan, so that something is missing.
    """
    try:
        parts = list(_segments(data))
    except JpegError:
        return None
    frames = [(marker, segment) for marker, segment in parts if marker in _FRAMES and len(segment) > _COMPONENTS]
    frame, components = (frames[0][0], frames[0][1][_COMPONENTS]) if frames else (None, 0)
    for marker, segment in parts:
        if marker == _APP0 and segment[4:9] == b"JFIF\0" and len(segment) > _JFIF_MAJOR:
            segment[_JFIF_MAJOR] = 1
        elif marker == _APP14 and segment[4:9] == b"Adobe" and len(segment) > _TRANSFORM and segment[_TRANSFORM] > 2:
            segment[_TRANSFORM] = 2 if components == 4 else 1
        elif marker == _SOS and frame in _SEQUENTIAL:
            segment[-3:] = b"\0\x3f\0"
    return b"".join([data[:2], *(segment for _, segment in parts)])


def level_step(data: bytes) -> float:
    """Say in what steps the gray levels of a JPEG's even areas come: the coarser, the lower its quality.

    A block of one level is its first coefficient alone, 8 times the level, in whole steps of the quantization table.

    Returns:
        The step, in levels of 0 to 255; 1 where it is finer than these, or the header does not say.
    """
    tables: dict[int, int] = {}
    try:
        for marker, segment in _segments(data):
            if marker == _DQT:
                tables |= _first_steps(segment[4:])
            elif marker in _FRAMES and len(segment) > _TABLE:
                return max(1.0, tables.get(segment[_TABLE], 1) / 8)
    except JpegError:
        pass
    return 1.0


def _first_steps(tables: bytearray) -> dict[int, int]:
    """Give the first entry of each quantization table of a segment, by the table's number."""
    steps, place = {}, 0
    while place < len(tables):
        wide, number = divmod(tables[place], 16)
        size = 2 if wide else 1
        steps[number] = int.from_bytes(tables[place + 1 : place + 1 + size], "big")
        place += 1 + 64 * size
    return steps


def _segments(data: bytes) -> Iterator[tuple[int | None, bytearray]]:
    """Give the segments of a JPEG by their markers, the pixels' data under ``None``.

    Raises:
        JpegError: it does not end, or ends before any pixels.
    """
    place, in_pixels = 2, False
    while True:
        start = place
        while (place := data.find(b"\xff", place)) >= 0 and data[place + 1 : place + 2] in (b"\xff", b"\0"):
            place += 1 if data[place + 1] else 2
        if place < 0 or place + 2 > len(data):
            break
        marker, end = data[place + 1], place + 2
        if in_pixels:
            yield None, bytearray(data[start:place])
        if marker not in _BARE:
            length = int.from_bytes(data[end : end + 2], "big")
            end += length
            if length < 2 or end > len(data):
                break
        yield marker, bytearray(data[place:end])
        if marker == _EOI:
            if in_pixels:
                return
            break
        in_pixels |= marker == _SOS
        place = end
    raise JpegError("it has no end marker")
