"""Reading one document, of BSON or JSON: the same content gives the same Python objects, whatever the source.

What is read, and how:

- Text that is no UTF-8, and half a surrogate pair in JSON, has replacement characters (U+FFFD) where it cannot be
  read; the document is a ``Mended`` one, so that it can be counted.
- ``NaN`` and ``Infinity``, in JSON too, are floats, as BSON has them. A JSON number too large for a float is infinite.
- Of a key that stands twice, the last value is taken.
- Whole numbers of JSON stay exact, beyond 64 bits too.
- Extended JSON, as mongoexport writes it, canonical or relaxed, gives what the BSON of the same document does: dates
  have milliseconds and no time zone (UTC), those past the year 9999 are ``DatetimeMS``.
"""

import json
import re
import struct
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import bson
import orjson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion

Document = dict[str, Any]

# MongoDB takes documents of up to 16 MB, which may be three times as long in extended JSON.
LARGEST_BYTES = 48_000_000
_SHORT = 200  # characters of a reason

_STRICT = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_LENIENT = _STRICT.with_options(unicode_decode_error_handler="replace")
_JSON = json_util.JSONOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)

# orjson makes a float of a whole number beyond 64 bits, which has 19 digits or more.
_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
# https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/, and what older versions wrote.
_TYPES = frozenset({
    "$binary", "$code", "$date", "$dbPointer", "$maxKey", "$minKey", "$numberDecimal", "$numberDouble", "$numberInt",
    "$numberLong", "$oid", "$ref", "$regex", "$regularExpression", "$symbol", "$timestamp", "$undefined", "$uuid",
})  # fmt: skip
_HALF_A_PAIR = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class Mended(Document):
    """A document in which some text could not be read: replacement characters stand there."""


class Unreadable(NamedTuple):
    """A document that cannot be read at all."""

    place: str  # "document 17", "line 17" or "_id 69220000a1b2c3d4e5000001"
    reason: str  # one short line without control characters


@dataclass
class Oddities:
    """What documents had that none should have."""

    unreadable: list[Unreadable] = field(default_factory=list)  # the first of them
    text_mended: int = 0


class NoDocumentError(Exception):
    """There is no document; the message is a reason as ``Unreadable`` has it."""


class NoJSONError(NoDocumentError):
    """What should be JSON breaks its grammar, as the beginning of a longer text does."""


def from_bson(raw: bytes) -> Document:
    """Read one BSON document.

    Raises:
        NoDocumentError: what is inside cannot be decoded.
    """
    try:
        return bson.decode(raw, _STRICT)
    except Exception:
        return _from_odd_bson(raw)


def _from_odd_bson(raw: bytes) -> Document:
    try:
        return Mended(bson.decode(raw, _LENIENT))
    except MemoryError:  # says something of this machine, and nothing of the document
        raise
    except Exception as error:  # whatever the decoders of its many types meet
        raise NoDocumentError(one_line(error)) from None


def from_json(text: bytes, *, plain: bool = False) -> Document:
    """Read one JSON or extended JSON object.

    Args:
        text: the object, with white space around it or without.
        plain: that ``is_plain`` has said so of it, or of a longer text that it is a part of.

    Raises:
        NoJSONError: it is no JSON.
        NoDocumentError: it is JSON, but no object, or malformed extended JSON.
    """
    if not (plain or is_plain(text)):
        return _from_odd_json(text)
    try:
        document = orjson.loads(text)
    except ValueError:  # it is strict; what it refuses may still be read
        return _from_odd_json(text)
    if type(document) is dict:
        return document
    raise NoDocumentError("no JSON object")


def is_plain(text: bytes) -> bool:
    """Whether a text holds nothing that orjson reads in another way than it is meant: extended JSON, long numbers.

    The other parser takes several times as long. First a single byte is looked for, as that is the fastest by far.
    """
    return (
        (b"$" not in text or b'"$' not in text)
        and (b"\\" not in text or b'"\\u0024' not in text)
        and _LONG_NUMBER not in text.translate(_DIGITS)
    )


def _from_odd_json(raw: bytes) -> Document:
    try:
        text, mended = raw.decode(), False
    except UnicodeDecodeError:
        text, mended = raw.decode(errors="replace"), True
    if "\\ud" in text or "\\uD" in text:
        whole = _HALF_A_PAIR.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
        mended, text = mended or whole != text, whole
    try:
        document = json.loads(text, strict=False, object_hook=_object)
    except json.JSONDecodeError as error:
        raise NoJSONError(one_line(f"{error.msg} at character {error.pos + 1}")) from None
    except MemoryError:
        raise
    except Exception as error:  # whatever the readers of its many types meet
        raise NoDocumentError(one_line(error)) from None
    if not isinstance(document, dict):
        raise NoDocumentError("no JSON object")
    return Mended(document) if mended else document


def _object(document: Document) -> Any:
    if _TYPES.isdisjoint(document):
        return document
    value = json_util.object_hook(document, _JSON)
    if isinstance(value, datetime) and value.microsecond % 1000:
        # BSON has milliseconds. One more, as json_util reads fractions as floats: .289 s may be 288,999 microseconds.
        return value.replace(microsecond=min((value.microsecond + 1) // 1000, 999) * 1000)
    return value


def identity_element(raw: bytes) -> bytes | None:
    """Give the bytes of a document's ``_id``, type and name before its value, though the rest may be unreadable.

    None where the document does not begin with it, as a server's does, or the ``_id`` itself is cut off.
    """
    if raw[5:9] != b"_id\0":
        return None
    kind, at = raw[4], 9
    try:
        if kind in _FIXED_BYTES:
            end = at + _FIXED_BYTES[kind]
        elif kind in _MEASURED_BYTES:
            end = at + _MEASURED_BYTES[kind] + struct.unpack_from("<i", raw, at)[0]
        else:
            return None
    except struct.error:
        return None
    return raw[4:end] if at <= end < len(raw) else None


# https://bsonspec.org/spec.html: how long a value is, by its type; by its length at its beginning, and so many bytes.
_FIXED_BYTES = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 0xFF: 0, 0x7F: 0}
_MEASURED_BYTES = {2: 4, 3: 0, 4: 0, 5: 5, 13: 4, 14: 4, 15: 0}


def identity(element: bytes, *, mend: bool = False) -> Any:
    """Give the ``_id`` of what ``identity_element`` found.

    Raises:
        bson.errors.InvalidBSON: it cannot be decoded, or not without mending its text.
    """
    document = struct.pack("<i", len(element) + 5) + element + b"\0"
    return bson.decode(document, _LENIENT if mend else _STRICT)["_id"]


def one_line(words: object) -> str:
    """Give the beginning of what an error or a value says as one line, with escapes for what cannot be printed."""
    text = " ".join(str(words).split())[:_SHORT]
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return shown[:_SHORT] or type(words).__name__
