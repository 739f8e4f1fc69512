"""Undoing what a host has done to a body on its way: encodings that nobody asked for (RFC 9110, section 8.4).

Every request asks for ``identity``, and some hosts and the caches before them compress all the same. What comes of a
body is bounded at each step, as a thousand bytes may stand for a million.
"""

import zlib
from collections.abc import Iterable

from stages.download.answer import Kind, RefusedError
from stages.images.decode import DecodeError, read_header

UNKNOWN = "unknown_encoding"
MOST = 4  # encodings of one body; more are no honest host's
MOST_MEMBERS = 64  # of one gzip file: each of them costs a copy of what stands behind it

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's wbits: what stands around the deflated data


def decoded(body: bytes, headers: Iterable[str], largest_bytes: int) -> bytes:
    """Give a body without the encodings that its ``Content-Encoding`` names.

    A body that is an image as it came is left alone, whatever the header says: hosts forget to encode what they
    announce, and S3 hands out what an upload was called (``aws-chunked``).

    Args:
        body: as it came.
        headers: the lines of that name, each with one encoding or several in the order in which they were applied.
        largest_bytes: of any step's result.

    Raises:
        RefusedError: ``unknown_encoding``, ``too_long`` (it unpacks to more) or ``truncated`` (its packed form is).
    """
    names = [name for line in headers for part in line.split(",") if (name := part.strip().lower())]
    if not body or not set(names) - {"identity"} or _is_image(body):
        return body
    if len(names) > MOST:
        raise RefusedError(UNKNOWN)
    for name in reversed(names):
        if name in ("gzip", "x-gzip"):
            body = _gunzip(body, largest_bytes)
        elif name == "deflate":
            # By the standard in zlib's frame; some hosts leave that out.
            framed = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0
            body, _ = _inflate(body, _ZLIB if framed else _RAW, largest_bytes)
        elif name != "identity":
            raise RefusedError(UNKNOWN)
    return body


def _gunzip(body: bytes, largest_bytes: int) -> bytes:
    """Unpack all members of a gzip file (RFC 1952); what is none, a page say, is left to be judged as it is."""
    whole, rest = bytearray(), body
    for _ in range(MOST_MEMBERS):
        if not rest.startswith(_GZIP_MAGIC):
            return body if rest is body else bytes(whole)
        part, rest = _inflate(rest, _GZIP, largest_bytes - len(whole))
        whole += part
    raise RefusedError("too_long")


def _inflate(body: bytes, form: int, largest_bytes: int) -> tuple[bytes, bytes]:
    """Give what one stream unpacks to, and what stands behind it."""
    stream = zlib.decompressobj(form)
    try:
        # Asked for one byte more than may be, as zlib takes 0 for no limit.
        unpacked = stream.decompress(body, largest_bytes + 1)
        if len(unpacked) > largest_bytes:
            raise RefusedError("too_long")
    except zlib.error:
        raise RefusedError("truncated", Kind.PASSING) from None
    if not stream.eof:
        raise RefusedError("truncated", Kind.PASSING)
    return unpacked, stream.unused_data


def _is_image(body: bytes) -> bool:
    try:
        read_header(body)
    except DecodeError:
        return False
    return True
