"""From documents of any shape to rows of the table of records.

What a shape looks like stands in params.yaml (``documents``); a new one is a matter of params, not of code.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import bson

from stages.config.schema import DocumentShape
from stages.records.inaturalist import PHOTO_URL
from stages.records.unknown_shapes import UnknownShapes

Row = dict[str, str | None]

_OPTIONAL = ("observation_id", "license", "observer")
_ABSENT = object()
# JSON can say one half of a surrogate pair, which is no text that could be written or asked for.
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


class DocumentReader:
    """Turns documents into rows by the shapes of params.yaml.

    Paths are taken apart once, as a full export calls this 741,533 times.

    Attributes:
        shapes: with what was found of each so far, in alphabetical order.
        ties: how many documents fit several shapes equally well, by the names of these in alphabetical order.
        unknown: what there is in documents that fit none.
    """

    def __init__(self, shapes: Mapping[str, DocumentShape], unknown: UnknownShapes | None = None) -> None:
        """Begin with no document read; ``unknown`` is to be given where documents that fit no shape come cut down."""
        self.shapes = [_CompiledShape(name, shape) for name, shape in sorted(shapes.items())]
        self.ties: Counter[tuple[str, ...]] = Counter()
        self.unknown = unknown or UnknownShapes()
        ranked = sorted(self.shapes, key=lambda shape: -len(shape.when))
        # Each with those behind it that ask for as many fields: a document that fits one of them too is a tie.
        self._ranked = [
            (shape, [rival for rival in ranked[place + 1 :] if len(rival.when) == len(shape.when)])
            for place, shape in enumerate(ranked)
        ]

    def read(self, document: dict[str, Any]) -> Iterator[tuple[Row | None, str]]:
        """Yield (row, source) for each image of a document, or (None, reason) for what cannot be used.

        Of the shapes whose ``when`` fields are all there, the one with the most of them is taken, whatever their order.

        Reasons: ``unknown_shape``, ``ambiguous_shape`` (two shapes with equally many fields fit), ``no_image`` (an
        empty array), ``no_url``, ``bad_url`` (not http or https, or without a host), ``no_species``.
        """
        for shape, rivals in self._ranked:
            if not shape.fits(document):
                continue
            if tied := [rival.source for rival in rivals if rival.fits(document)]:
                self.ties[(shape.source, *tied)] += 1
                yield None, "ambiguous_shape"
            else:
                yield from shape.read(document)
            return
        self.unknown.add(document)
        yield None, "unknown_shape"


def image_name(image_url: str) -> str:
    """Give the file name of an image in the cache: the MD5 of its URL. It is an address, not an identity."""
    return hashlib.md5(image_url.encode(), usedforsecurity=False).hexdigest() + ".jpg"


class _CompiledShape:
    """A shape with its paths taken apart, and what was found of them.

    Attributes:
        documents: how many were read.
    """

    def __init__(self, name: str, shape: DocumentShape) -> None:
        self.source = name
        self.ids_of = shape.ids_of or name
        self.when = [path.split(".") for path in sorted(set(shape.when))]
        self.array: list[str] | None = None
        self.columns: dict[str, list[tuple[bool, list[str]]]] = {}
        for column, paths in shape.columns.model_dump(exclude_none=True).items():
            self.columns[column] = [self._compile(path) for path in ([paths] if isinstance(paths, str) else paths)]
        self.documents = 0
        # Those that no document had so far: soon few or none, so that a document costs hardly more for it.
        self._not_found = {_named(self.array, *path): path for paths in self.columns.values() for path in paths}

    def _compile(self, path: str) -> tuple[bool, list[str]]:
        """Take a path apart: (does it start at an entry of the array?, its keys)."""
        array, brackets, rest = path.partition("[]")
        if not brackets:
            return False, path.split(".")
        self.array = array.split(".")
        return True, [key for key in rest.split(".") if key]

    def paths_never_found(self) -> list[str]:
        """Give the paths that none of the documents has, whatever would stand there."""
        return list(self._not_found)

    def columns_never_found(self) -> dict[str, list[str]]:
        """Give the columns of which no document has any path, with these."""
        named = {column: [_named(self.array, *path) for path in paths] for column, paths in self.columns.items()}
        return {column: paths for column, paths in named.items() if all(path in self._not_found for path in paths)}

    def _look_for_paths(self, document: dict[str, Any]) -> None:
        entries = None if self.array is None else _dig(document, self.array)
        places = ((document,), entries if isinstance(entries, list) else ())
        found = []
        for name, (of_entry, keys) in self._not_found.items():
            for place in places[of_entry]:
                if _dig(place, keys, _ABSENT) is not _ABSENT:
                    found.append(name)
                    break
        for name in found:
            del self._not_found[name]

    def fits(self, document: dict[str, Any]) -> bool:
        # A loop, as all() with a generator takes twice the time.
        for keys in self.when:  # noqa: SIM110
            if _dig(document, keys, _ABSENT) is _ABSENT:
                return False
        return True

    def read(self, document: dict[str, Any]) -> Iterator[tuple[Row | None, str]]:
        self.documents += 1
        if self._not_found:
            self._look_for_paths(document)
        if self.array is None:
            yield self._row(document, document)
            return
        entries = _dig(document, self.array)
        if not isinstance(entries, list) or not entries:
            yield None, "no_image"
            return
        for entry in entries:
            yield self._row(document, entry)

    def _row(self, document: dict[str, Any], entry: Any) -> tuple[Row | None, str]:
        url = self._value(document, entry, "image_url", text_only=True)
        if url is None:
            return None, "no_url"
        if not _is_web_address(url):
            return None, "bad_url"
        species = self._value(document, entry, "species", text_only=True)
        if species is None:
            return None, "no_species"
        row: Row = {column: self._value(document, entry, column) for column in _OPTIONAL}
        if match := PHOTO_URL.match(url):
            row["photo_id"] = match[1]
        else:
            # Ids of other sources count on their own: the same number there is another photo.
            own_id = self._value(document, entry, "photo_id")
            row["photo_id"] = own_id and f"{self.source}:{own_id}"
        if row["observation_id"]:
            row["observation_id"] = f"{self.source}:{row['observation_id']}"
        row |= {
            "image_url": url,
            "image_name": image_name(url),
            "species": " ".join(species.split()),
            "source": self.source,
            "document_id": _text(document.get("_id")),
        }
        return row, self.source

    def _value(self, document: dict[str, Any], entry: Any, column: str, *, text_only: bool = False) -> str | None:
        """Give the first of a column's paths that leads to a non-empty value, as text."""
        for of_entry, keys in self.columns.get(column, ()):
            value = _dig(entry if of_entry else document, keys)
            if text_only and not isinstance(value, str):
                continue
            if text := _text(value):
                return text
        return None


def _named(array: list[str] | None, of_entry: bool, keys: list[str]) -> str:
    """Write a path as params.yaml has it."""
    path = ".".join(keys)
    return f"{'.'.join(array)}[]{path and f'.{path}'}" if of_entry and array else path


def _dig(value: Any, keys: list[str], default: Any = None) -> Any:
    """Follow ``keys`` through nested documents; ``default`` where they lead nowhere."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value


def _text(value: Any) -> str | None:
    """Give a scalar as text without surrounding white space; null for nothing, and for what is no scalar."""
    if value is None or isinstance(value, bool | dict | list | bytes):
        return None
    if isinstance(value, bson.Decimal128):
        value = value.to_decimal()
    # What a table program writes for "nothing"; as an id it would join what has nothing in common.
    if (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, Decimal) and not value.is_finite()
    ):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a number that went through JavaScript: 12345.0 is the id 12345
    text = str(value).strip()
    return None if not text or _HALF_A_CHARACTER.search(text) else text


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # "https://[", a port that is no number
        return False
