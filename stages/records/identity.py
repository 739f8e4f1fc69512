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
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import bson
from bson.datetime_ms import DatetimeMS

from stages.records import inaturalist
from stages.records.nothing import is_null_like

LONGEST = 200  # characters of an id; a longer one is named by its digest
MOST_ENTRIES = 100  # of a list of ids
NULL_LIKE, INEXACT = "null_like", "inexact_number"
_LARGEST_EXACT = 2**53  # beyond, a floating-point number stands for several whole ones (IEEE 754)
_MOST_DIGITS = 40
_ZERO = re.compile(r"[+-]?0+(?:\.0+)?")
_WHOLE = re.compile(r"\+?(\d+)\.0*")
_HEX_ID = re.compile(r"[0-9a-fA-F]{24}")
_UUID = re.compile(r"(?:urn:uuid:)?\{?[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?", re.IGNORECASE)
_OBJECT_ID_TEXT = re.compile(r"ObjectId\(['\"]?([0-9a-fA-F]{24})['\"]?\)")
_ESCAPED = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Link(NamedTuple):
    """Something that may connect an image with others.

    Attributes:
        kind: ``observation_id``, ``photo_id`` or ``address``.
        raw: what the document says, as text; of more than ``LONGEST`` characters the beginning and a digest.
        value: its one spelling, with whose id it is before it (``inaturalist:77``); ``None`` where it names nothing.
        problem: why it names nothing: ``null_like``, ``inexact_number`` or a type; ``None`` where it does.
    """

    kind: str
    raw: str
    value: str | None
    problem: str | None


def id_texts(value: Any) -> tuple[list[str], str | None]:
    """Give what an id names, each in its one spelling: 77, 77.0, "77" and Decimal128 77.0 are all ``77``.

    A list names each of its entries, and a document (a compound ``_id``) is one id of all its fields, whatever their
    order. A UUID and an ObjectId are the same as texts and as binary.

    Returns:
        The ids; and why there is none: ``null_like``, ``inexact_number``, or the type of what cannot name anything.
        Neither for what is not there.
    """
    if value is None:
        return [], None
    if isinstance(value, list | tuple):
        if len(value) > MOST_ENTRIES:
            return [], "list"
        found = [id_texts(entry) for entry in value]
        ids = sorted({text for texts, _ in found for text in texts})
        problems = [problem for _, problem in found if problem]
        return ids, None if ids else next(iter(problems), NULL_LIKE)
    if isinstance(value, dict):
        return _compound(value)
    text, problem = _scalar(value)
    if text is None:
        return [], problem
    if is_null_like(text) or _ZERO.fullmatch(text) or not text.strip("0-"):
        return [], NULL_LIKE
    return [_bounded(text)], None


def _compound(document: dict[Any, Any]) -> tuple[list[str], str | None]:
    """Name a document by all of its fields; by nothing, where none of them names anything."""
    named = {str(key): id_texts(value) for key, value in document.items()}
    for _, problem in named.values():
        if problem not in (None, NULL_LIKE):
            return [], problem
    if not any(texts for texts, _ in named.values()):
        return [], NULL_LIKE
    # A field may well be 0 beside others: the first photo of sighting 5 is {sighting: 5, photo: 0}.
    fields = {
        key: texts if isinstance(value, dict | list | tuple) or value is None else _scalar(value)[0]
        for (key, (texts, _)), value in zip(named.items(), document.values(), strict=True)
    }
    return [_bounded(json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":")))], None


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
            return _text(value), None
        case bson.ObjectId() | uuid.UUID():
            return str(value), None
        case bytes():
            return _bytes(value), None
        case bson.DBRef():
            texts, problem = id_texts(value.id)
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
    if isinstance(value, float) and abs(value) > _LARGEST_EXACT:
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
    text = visible(text)
    if whole := _WHOLE.fullmatch(text):
        return whole[1]
    if quoted := _OBJECT_ID_TEXT.fullmatch(text):
        return quoted[1].lower()
    if _HEX_ID.fullmatch(text) and not text.isdecimal():
        return text.lower()
    if _UUID.fullmatch(text) and not text.isdecimal():
        return str(uuid.UUID(text))
    if text[:8].lower().startswith(("http://", "https://")):
        return address(text).rstrip("/")
    return text


def visible(text: str) -> str:
    """Give a text in composed compatibility characters (NFKC), without what cannot be seen and white space around."""
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFKC", text)
        text = "".join(
            " " if letter.isspace() else letter
            for letter in text
            if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
        )
        text = unicodedata.normalize("NFKC", text)  # what was hidden may have kept two letters apart
    return text.strip()


def _bytes(value: bytes) -> str:
    """Name bytes in hexadecimal; sixteen are a UUID, under whichever subtype a driver stored it."""
    return str(uuid.UUID(bytes=bytes(value))) if len(value) == 16 else value.hex()


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def address(url: str) -> str:
    """Give a URL without what makes no difference: scheme, letters' case of the host, its usual port, the fragment.

    Escapes are written in one way (RFC 3986, 6.2.2). What follows a question mark stays: it may say which image it is.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url.strip()
    usual = port in (None, _DEFAULT_PORTS.get(parts.scheme))
    path = _ESCAPED.sub(_unescape, parts.path or "/")
    return f"{host}{'' if usual else f':{port}'}{path}{f'?{parts.query}' if parts.query else ''}"


def _unescape(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else match[0].upper()


def links_of(source: str, image_url: str, photo: Any, observation: Any) -> list[Link]:
    """Give all that may connect an image with others, what names nothing too.

    The same number in another source is another thing, so ids bear the name of their source. Photos and observations
    of iNaturalist are known by their addresses, whichever source tells of them. A plain number that a source gives as
    the observation of a photo of iNaturalist's may be its own or iNaturalist's: it links as either.

    Args:
        source: whose ids ``photo`` and ``observation`` are.
        image_url: of the image.
        photo: the photo's id in the document, or ``None``.
        observation: the observation's id in the document, or ``None``.
    """
    links = []
    number = inaturalist.photo_number(image_url)
    if number:
        links.append(Link("photo_id", _raw(image_url), f"{inaturalist.SOURCE}:{number}", None))
    else:
        links.append(Link("address", _raw(image_url), _bounded(address(image_url)), None))
    for kind, value in (("photo_id", photo), ("observation_id", observation)):
        if value is None:
            continue
        try:
            texts, problem = id_texts(value)
        except RecursionError:
            texts, problem = [], "nested"
        if problem:
            links.append(Link(kind, _raw(value), None, problem))
        for text in texts:
            if of_inaturalist := _of_inaturalist(kind, text):
                links.append(Link(kind, _raw(value), f"{inaturalist.SOURCE}:{of_inaturalist}", None))
                continue
            if kind == "observation_id" and number and text.isdecimal() and source != inaturalist.SOURCE:
                links.append(Link(kind, _raw(value), f"{inaturalist.SOURCE}:{text}", None))
            links.append(Link(kind, _raw(value), f"{source}:{text}", None))
    return list(dict.fromkeys(links))


def _of_inaturalist(kind: str, text: str) -> str | None:
    # An id that is a web address has lost its scheme.
    return inaturalist.photo_number(f"https://{text}") if kind == "photo_id" else inaturalist.observation_number(text)


def _raw(value: Any) -> str:
    """Give what a document says, as text that can be stored."""
    if isinstance(value, bson.Binary):
        text = f"binary {value.subtype} {value.hex()}"
    elif isinstance(value, bytes):
        text = f"binary 0 {value.hex()}"
    else:
        try:
            text = str(value)
        except RecursionError:
            text = type(value).__name__
    text = text.encode("utf-8", "replace").decode()
    # The digest keeps apart what begins alike.
    return text if len(text) <= LONGEST else f"{text[:150]}… {hashlib.sha256(text.encode()).hexdigest()[:32]}"
