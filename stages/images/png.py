"""PNG: the chunks that pixels need, without the others.

A fault in a chunk that no pixel needs (a date, a comment, a resolution) breaks no image, and Pillow would stop at it.
In a chunk that pixels need it does, and Pillow looks at no checksum of pixels' data.
"""

import zlib
from collections.abc import Iterator

_MAGIC = b"\x89PNG\r\n\x1a\n"
# ISO/IEC 15948, section 11. Colors hang on iCCP and the way up on eXIf: where one is damaged, it is passed over, as the
# standard advises for chunks that it calls ancillary (13.2).
_PIXELS = (b"PLTE", b"tRNS", b"IDAT")
_SHOWN = (b"iCCP", b"eXIf")
_LARGEST_PROFILE = 2**20  # bytes; above, Pillow takes it for a bomb
_END = b"\0\0\0\0IEND\xaeB`\x82"


class PngError(Exception):
    """The bytes are not a whole PNG."""


def is_png(data: bytes) -> bool:
    """Say whether a file's bytes begin as a PNG."""
    return data.startswith(_MAGIC)


def needed_chunks(data: bytes, *, header_only: bool = False) -> bytes:
    """Give a PNG of nothing but what pixels need: header, palette, transparency, color profile, EXIF, pixels.

    Args:
        data: the file's bytes.
        header_only: leave out palette and transparency, and look at no checksum of pixels' data, nor for an end.

    Raises:
        PngError: a chunk that pixels need is damaged, or the file ends before its end marker.
    """
    kept = [_MAGIC]
    for kind, chunk in _chunks(data):
        if kind == b"IEND":
            return b"".join([*kept, _END])
        if kind == b"IDAT" and header_only:
            return b"".join([*kept, chunk])
        if kind == b"IHDR" or (kind in _PIXELS and not header_only):
            if not _is_whole(chunk):
                raise PngError(f"chunk {kind.decode()} is damaged")
            kept.append(chunk)
        elif kind in _SHOWN and _is_whole(chunk) and (kind != b"iCCP" or _is_profile(chunk[8:-4])):
            kept.append(chunk)
    if header_only:
        return b"".join(kept)
    raise PngError("it ends before its end marker")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the chunks, each by its kind and in all its bytes: length, kind, content, checksum; the last may be cut."""
    place = len(_MAGIC)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place:end]
        place = end


def _is_whole(chunk: bytes) -> bool:
    length = int.from_bytes(chunk[:4], "big")
    return len(chunk) == 12 + length and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _is_profile(content: bytes) -> bool:
    """Say whether the content of an iCCP chunk is a name and a compressed profile, of a size that Pillow takes."""
    name, _, compressed = content.partition(b"\0")
    if not name or compressed[:1] != b"\0":  # of methods, 0 is the one there is
        return False
    reader = zlib.decompressobj()
    try:
        reader.decompress(compressed[1:], _LARGEST_PROFILE)
    except zlib.error:
        return False
    return reader.eof
