"""What names a thing, in one spelling: ids as databases, exports and people write them, and the addresses of images.

Two spellings of one id that stay apart are a leak: images of one observation stand in train and in test. Two ids that
become one join what does not belong together. So what names something has one text, and what does not has none, and
the reason why.
"""

import hashlib
import json
import math
import re
import unicodedata
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import bson
from bson.datetime_ms import DatetimeMS

from stages.records.nothing import is_null_like

LONGEST = 200  # characters of an id; a longer one is named by its digest
MOST_ENTRIES = 100  # of a list of ids, those of lists in it included, and fields of a compound id
_LONGEST_LOOKED_AT = 1_000  # characters; composing accents takes time that grows with their square
NULL_LIKE, INEXACT, NESTED = "null_like", "inexact_number", "nested"
_INEXACT = 2**53  # from there on, a floating-point number stands for several whole ones (IEEE 754)
_MOST_DIGITS = 40
_ZERO = re.compile(r"[+-]?0+(?:\.0+)?")
_WHOLE = re.compile(r"\+?(-?\d+)(?:\.0*)?")
_ROUNDED = re.compile(r"[+-]?\d\.\d+E\+?\d+", re.IGNORECASE)  # how spreadsheets write long numbers, cut to six digits
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")
_UUID = re.compile(r"(?:urn:uuid:)?\{?([0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12})\}?", re.IGNORECASE | re.ASCII)
_OBJECT_ID_TEXT = re.compile(r"ObjectId\(['\"]?([0-9a-fA-F]{24})['\"]?\)")
_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_HERE = re.compile(r"/(?:\./)+")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
_DEFAULT_PORTS = {"http": 80, "https": 443}


def id_texts(value: Any) -> tuple[list[str], str | None]:
    """Give what an id names, each in its one spelling: 77, 77.0, "77" and Decimal128 77.0 are all ``77``.

    A list names each of its entries, and a document (a compound ``_id``) is one id of all its fields, whatever their
    order. A UUID and an ObjectId are the same as texts and as binary. A text keeps leading zeros and the zeros of a
    fraction: ``1.10`` may be the tenth photo of plot 1.

    Returns:
        The ids; and why there is none: ``null_like``, ``inexact_number``, ``nested`` (too deep to be looked at), or the
        type of what cannot name anything. Neither for what is not there.
    """
    try:
        return _texts(value)
    except RecursionError:
        return [], NESTED


def _texts(value: Any) -> tuple[list[str], str | None]:
    if value is None:
        return [], None
    if isinstance(value, list | tuple):
        if len(value) > MOST_ENTRIES:
            return [], "list"
        found = [_texts(entry) for entry in value]
        ids = sorted({text for texts, _ in found for text in texts})
        if len(ids) > MOST_ENTRIES:
            return [], "list"
        problems = [problem for _, problem in found if problem]
        return ids, None if ids else next(iter(problems), NULL_LIKE)
    if isinstance(value, dict):
        return _compound(value)
    text, problem = _scalar(value)
    if text is None:
        return [], problem
    if is_null_like(text) or _ZERO.fullmatch(text) or not text.strip("0-"):
        return [], NULL_LIKE
    return [bounded(text)], None


def _compound(document: dict[Any, Any]) -> tuple[list[str], str | None]:
    """Name a document by all of its fields; by nothing, where none of them names anything."""
    if len(document) > MOST_ENTRIES:
        return [], "dict"
    fields: dict[str, Any] = {}
    names_something = False
    for key, value in document.items():
        texts, problem = ([], None) if isinstance(value, bool) else _texts(value)
        if problem not in (None, NULL_LIKE):
            return [], problem
        names_something |= bool(texts)
        # A field may well be 0 or false beside others: the first photo of sighting 5 is {sighting: 5, photo: 0}.
        if isinstance(value, bool):
            fields[str(key)] = str(value).lower()
        elif value is None or isinstance(value, dict | list | tuple):
            fields[str(key)] = texts
        else:
            fields[str(key)] = _scalar(value)[0]
    if not names_something:
        return [], NULL_LIKE
    return [bounded(json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")))], None


def _scalar(value: Any) -> tuple[str | None, str | None]:
    """Give the one spelling of a scalar; or why it has none."""
    match value:
        case bool() | bson.Code():
            return None, type(value).__name__.lower()
        case int() | float() | Decimal():
            return _number(value)
        case bson.Decimal128():
            return _number(value.to_decimal())
        case str():
            text = _text(value)
            return (None, INEXACT) if _ROUNDED.fullmatch(text) else (text, None)
        case bson.ObjectId() | uuid.UUID():
            return str(value), None
        case bytes():
            return _bytes(value), None
        case bson.DBRef():
            texts, problem = _texts(value.id)
            return (texts[0], None) if texts else (None, problem)
    if text := _moment(value):
        return text, None
    return None, type(value).__name__.lower()


def _number(value: float | Decimal) -> tuple[str | None, str | None]:
    """Spell a number without an exponent, and a whole one without a fraction."""
    if isinstance(value, int):
        return str(int(value)), None
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return None, NULL_LIKE
    if isinstance(value, float) and abs(value) >= _INEXACT:
        return None, INEXACT
    exact = Decimal(repr(float(value))) if isinstance(value, float) else value
    if abs(exact.adjusted()) > _MOST_DIGITS:
        return None, INEXACT
    text = format(exact, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text), None


def _moment(value: Any) -> str | None:
    """Spell a time; ``None`` for what is none."""
    match value:
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        case DatetimeMS():
            return f"{int(value)} ms"
        case bson.Timestamp():
            return f"{value.time}:{value.inc}"
    return None


def _text(text: str) -> str:
    """Bring a text to one spelling; letters' case stays, but in what is hexadecimal."""
    if len(text) > _LONGEST_LOOKED_AT:
        return text
    text = visible(text)
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    if quoted := _OBJECT_ID_TEXT.fullmatch(text):
        return quoted[1].lower()
    if _HEX_ID.fullmatch(text) and not text.isdecimal():
        return text.lower()
    if (digits := _UUID.fullmatch(text)) and not text.isdecimal():
        return str(uuid.UUID(hex=digits[1]))
    if text[:8].lower().startswith(("http://", "https://")):
        # Pages that are put together in the browser name things behind the #, and so do addresses that are names.
        return address(text, fragment=True).rstrip("/")
    return text


def visible(text: str) -> str:
    """Give a text in composed characters (NFC), without what cannot be seen and white space around.

    Full-width letters and digits are as others; x² stays what it is, as x2 may be another.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_plain(letter) for letter in text)
        text = unicodedata.normalize("NFC", text)
    return text.strip()


def _plain(letter: str) -> str:
    if letter.isspace():
        return " "
    if unicodedata.category(letter) in ("Cc", "Cf", "Cs"):
        return ""
    return unicodedata.normalize("NFKC", letter) if unicodedata.east_asian_width(letter) == "F" else letter


def _bytes(value: bytes) -> str:
    """Name bytes: sixteen are a UUID, under whichever subtype a driver stored it, and twelve an ObjectId."""
    if len(value) == 16:
        return str(uuid.UUID(bytes=bytes(value)))
    return value.hex() if len(value) == 12 else f"0x{value.hex()}"


def bounded(text: str) -> str:
    """Give a text, or the digest of one that is longer than ``LONGEST``."""
    return text if len(text) <= LONGEST else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def address(url: str, *, fragment: bool = False) -> str:
    """Give a URL without what makes no difference: scheme, letters' case of the host, its usual port, who asks.

    Escapes are written in one way (RFC 3986, 6.2.2), names of hosts in their ASCII form. What follows a question mark
    stays: it may say which image it is. What follows a # is never sent, and stays only where it is asked for.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:  # UnicodeError too
        return url.strip()
    usual = port in (None, _DEFAULT_PORTS.get(parts.scheme))
    path, query = (quote(_ESCAPED.sub(_unescape, part), safe=_PRINTABLE) for part in (parts.path or "/", parts.query))
    path = _HERE.sub("/", path)
    query = f"?{query}" if query else ""
    return (
        f"{host}{'' if usual else f':{port}'}{path}{query}{f'#{parts.fragment}' if fragment and parts.fragment else ''}"
    )


def _unescape(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else match[0].upper()
