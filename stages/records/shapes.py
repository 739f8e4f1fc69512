"""From documents of any shape to rows of the table of records.

What a shape looks like stands in params.yaml (``documents``); a new one is a matter of params, not of code.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import bson

from stages.config.schema import DocumentShape
from stages.records.identity import MOST_ENTRIES, NULL_LIKE, id_texts, visible
from stages.records.licenses import NONE, SEVERAL
from stages.records.links import links_of
from stages.records.nothing import is_null_like
from stages.records.unknown_shapes import UnknownShapes

# The columns of a record, as text or null, and `links`: all that may connect its image with others.
Row = dict[str, Any]

LONGEST_URL = 4_000
LONGEST_TEXT = 500  # of a species' name, a license or an observer
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ABSENT = object()


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
        empty array), ``no_url``, ``url_too_long``, ``bad_url`` (not http or https, without a host, or with a control
        character). A row without a species comes with the reason ``no_species``: it cannot be used either, but it may
        know more of its image than another row does.
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

    def unusable(self) -> Counter[tuple[str, str]]:
        """Count what could not be used of values that were there, by column and type: numbers of images."""
        return sum((shape.unusable for shape in self.shapes), Counter())


def image_name(image_url: str) -> str:
    """Give the file name of an image in the cache: the MD5 of its URL. It is an address, not an identity."""
    return hashlib.md5(image_url.encode(), usedforsecurity=False).hexdigest() + ".jpg"


class _CompiledShape:
    """A shape with its paths taken apart, and what was found of them.

    Attributes:
        documents: how many were read.
        unusable: what a column said that could not be used, by column and type.
    """

    def __init__(self, name: str, shape: DocumentShape) -> None:
        self.source = name
        self.ids_of = shape.ids_of or name
        self.unusable: Counter[tuple[str, str]] = Counter()
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
        url = self._text_of(document, entry, "image_url")
        if url is None:
            return None, "no_url"
        if len(url) > LONGEST_URL:
            return None, "url_too_long"
        if not _is_web_address(url):
            return None, "bad_url"
        species = self._text_of(document, entry, "species")
        links = links_of(
            self.ids_of, url, self._id(document, entry, "photo_id"), self._id(document, entry, "observation_id")
        )
        row: Row = {
            "image_url": url,
            "image_name": image_name(url),
            "species": species and self._bounded("species", " ".join(species.split())),
            "source": self.source,
            "document_id": next(iter(id_texts(document.get("_id"))[0]), None),
            "ids_of": self.ids_of,
            "links": links,
        }
        for link in links:
            if link.value and link.kind not in row:
                row[link.kind] = link.value
        row.setdefault("photo_id", None)
        row.setdefault("observation_id", None)
        row["license"] = self._license(document, entry)
        row["observer"] = self._remark(document, entry, "observer")
        return row, self.source if species else "no_species"

    def _values(self, document: dict[str, Any], entry: Any, column: str) -> list[Any]:
        """Give what is there of a column's paths, in their order."""
        paths = self.columns.get(column, ())
        values = [_dig(entry if of_entry else document, keys) for of_entry, keys in paths]
        return [value for value in values if value is not None]

    def _text_of(self, document: dict[str, Any], entry: Any, column: str) -> str | None:
        """Give the first of a column's texts that is not empty."""
        for value in self._values(document, entry, column):
            if isinstance(value, str) and (text := value.strip()):
                return text
        return None

    def _id(self, document: dict[str, Any], entry: Any, column: str) -> Any:
        """Give the first of a column's values that names something, else the first, for what is wrong with it."""
        values = self._values(document, entry, column)
        if len(values) <= 1:
            return values[0] if values else None
        return next((value for value in values if id_texts(value)[0]), values[0])

    def _remark(self, document: dict[str, Any], entry: Any, column: str) -> str | None:
        """Give the first of a column's values that says something, as one line of text."""
        for value in self._values(document, entry, column):
            text = _as_text(value)
            if text is None:
                self.unusable[column, type(value).__name__] += 1
            elif is_null_like(text):
                self.unusable[column, NULL_LIKE] += 1
            else:
                return self._bounded(column, text)
        return None

    def _license(self, document: dict[str, Any], entry: Any) -> str | None:
        """Give what is said of the license; that there is none is said too, by null or a word for it.

        Null only where nothing is said: then another record of the image may know more.
        """
        text = self._remark(document, entry, "license")
        if text is not None:
            return text
        values = (
            _dig(entry if of_entry else document, keys, _ABSENT) for of_entry, keys in self.columns.get("license", ())
        )
        return NONE if any(value is not _ABSENT for value in values) else None

    def _bounded(self, column: str, text: str) -> str:
        """Cut off what no such text needs, and count it: a name of megabytes would be written many times."""
        if len(text) <= LONGEST_TEXT:
            return text
        self.unusable[column, "cut_off"] += 1
        return text[: LONGEST_TEXT - 1] + "…"


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


def _as_text(value: Any) -> str | None:
    """Give a text, a number or a list of them as one line; ``None`` for anything else."""
    if isinstance(value, list):
        texts = [_as_text(entry) for entry in value[:MOST_ENTRIES]]
        return SEVERAL.join(text for text in texts if text) or None
    if isinstance(value, bool) or not isinstance(value, str | int | float | bson.Decimal128 | bson.ObjectId):
        return None
    text = visible(str(value)[: 4 * LONGEST_TEXT])
    return " ".join(text.split()) if "  " in text else text


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not _CONTROL.search(url)
        )
    except ValueError:  # "https://[", a port that is no number
        return False
