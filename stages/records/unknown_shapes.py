"""What documents look like that fit no shape of params.yaml, and an entry of params that might fit them.

Only names of fields are kept and said, never what stands in them.
"""

import itertools
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stages.records.guessed_shape import FILL_IN, REQUIRED, Kind, guess_entry

SETS_KEPT = 1_000  # different sets of fields; documents of others are counted together
FIELDS_KEPT = 64  # of one document
VALUES_KEPT = 128  # of the documents of a set, by their paths
NAME_CHARACTERS = 40  # of the name of a field, as it is shown
IDS_AT_ONCE = 1_000  # of documents that are asked for whole
EXAMPLES = 20  # documents of a set that an entry is guessed from
ENTRIES = 5  # of an array that are looked into
DEPTH = 4  # keys of a path in a guessed entry, at the most
LINE_CHARACTERS = 200  # of the fields in one line


class FieldSet(NamedTuple):
    """The fields that documents have, ``photo.id`` or ``images[].href``, and how many documents have just these."""

    fields: tuple[str, ...]
    documents: int


@dataclass
class _Seen:
    documents: int = 0
    values: dict[str, Kind] = field(default_factory=dict)  # of the first documents, by path


class UnknownShapes:
    """Gathers what there is in documents that fit no shape, in bounded memory.

    Attributes:
        documents: how many there are, those too whose set of fields is not kept.
    """

    def __init__(self, whole: Callable[[Sequence[Any]], Iterable[dict[str, Any]]] | None = None) -> None:
        """Begin with none.

        Args:
            whole: gives documents by their ``_id``, where those that are added hold the fields alone that shapes look
                at; they are asked for in portions.
        """
        self.documents = 0
        self._whole = whole
        self._ids: list[Any] = []
        self._sets: dict[tuple[str, ...], _Seen] = {}

    def add(self, document: dict[str, Any]) -> None:
        """Take in a document."""
        self.documents += 1
        if self._whole is None:
            self._take(document)
            return
        self._ids.append(document["_id"])
        if len(self._ids) >= IDS_AT_ONCE:
            self._ask()

    def commonest(self, number: int) -> list[FieldSet]:
        """Give the sets of fields that most documents have, of equally common ones the first by its fields."""
        self._ask()
        listed = [FieldSet(fields, seen.documents) for fields, seen in self._sets.items()]
        return sorted(listed, key=lambda one: (-one.documents, one.fields))[:number]

    def entry(self, taken: Collection[str], *, blank: bool = True) -> list[str]:
        """Guess an entry of ``documents`` in params.yaml, as lines of YAML.

        It is for the commonest documents in which an image's address or a species' name was found.

        Args:
            taken: names that shapes have already.
            blank: where these were found in none, still give one, to be filled in, for the commonest documents.

        Returns:
            The lines, indented as they stand below ``documents:``; none where no document has a field but its id.
        """
        name = _free_name(taken)
        listed = [(self._sets[fields].values, documents) for fields, documents in self.commonest(SETS_KEPT)]
        entries = [lines for values, documents in listed if (lines := guess_entry(values, name, documents))]
        guessed = [lines for lines in entries if sum(FILL_IN in line for line in lines) < len(REQUIRED)]
        return next(iter(guessed or (entries if blank else [])), [])

    def _ask(self) -> None:
        if self._ids and self._whole is not None:
            asked, self._ids = self._ids, []
            for document in self._whole(asked):
                self._take(document)

    def _take(self, document: dict[str, Any]) -> None:
        fields = fields_of(document)
        seen = self._sets.get(fields)
        if seen is None:
            if len(self._sets) >= SETS_KEPT:
                return
            seen = self._sets[fields] = _Seen()
        seen.documents += 1
        if seen.documents <= EXAMPLES:
            for path, kind in _values(document):
                if path in seen.values and seen.values[path] != "empty":
                    continue
                if path in seen.values or len(seen.values) < VALUES_KEPT:
                    seen.values[path] = kind


def fields_of(document: dict[str, Any]) -> tuple[str, ...]:
    """Give the fields of a document and those one level below, sorted, as they can be shown; after 64 an ellipsis."""
    found: set[str] = set()
    for name in sorted(document)[:FIELDS_KEPT]:
        value, shown = document[name], _shown(name)
        if name == "_id":
            inner = set()  # whatever it is made of, it is one id
        elif isinstance(value, list):
            inner = {key for entry in value[:ENTRIES] if isinstance(entry, dict) for key in sorted(entry)[:FIELDS_KEPT]}
            shown += "[]"
        else:
            inner = set(sorted(value)[:FIELDS_KEPT]) if isinstance(value, dict) else set()
        found |= {f"{shown}.{_shown(key)}" for key in inner} or {shown}
    more = ("\u2026",) if max(len(found), len(document)) > FIELDS_KEPT else ()
    return (*sorted(found)[:FIELDS_KEPT], *more)


def fields_in_words(fields: Sequence[str]) -> str:
    """Put fields into a line of bounded length."""
    if not fields:
        return "no fields"
    line = ", ".join(fields)
    if len(line) <= LINE_CHARACTERS:
        return line
    ends = itertools.accumulate(len(name) + len(", ") for name in fields)
    shown = sum(end <= LINE_CHARACTERS for end in ends)
    return f"{', '.join(fields[:shown])} and {len(fields) - shown} more"


def _values(document: dict[str, Any]) -> Iterator[tuple[str, Kind]]:
    """Yield the paths to scalars that a shape can name, with the kind of value; through one array at the most."""
    left: deque[tuple[str, Any, int]] = deque([("", document, 0)])
    yielded = 0
    while left and yielded < VALUES_KEPT:
        path, value, depth = left.popleft()  # what stands at the top first
        if isinstance(value, dict):
            for key in sorted(value)[:FIELDS_KEPT] if depth < DEPTH else ():
                if _can_be_named(key) and not (key == "_id" and not path):
                    left.append((f"{path}.{key}" if path else key, value[key], depth + 1))
        elif isinstance(value, list):
            if "[]" not in path:
                left += [(f"{path}[]", entry, depth) for entry in value[:ENTRIES]]
        else:
            yielded += 1
            yield path, _kind(value)


def _can_be_named(key: str) -> bool:
    return 0 < len(key) <= 60 and key.isprintable() and key == key.strip() and not set(key) & set(".[]")


def _kind(value: Any) -> Kind:
    if value is None or isinstance(value, bool | bytes) or value == "":
        return "empty"
    if not isinstance(value, str):
        return "other"
    return "web" if re.match("https?://", value, re.IGNORECASE) else "text"


def _shown(name: str) -> str:
    """Give a field's name as it can be shown: bounded, and quoted with escapes where it is more than a word."""
    shown = name if re.fullmatch(r"[\w$@-]+", name) else repr(name[: NAME_CHARACTERS + 1])
    return shown if len(shown) <= NAME_CHARACTERS else f"{shown[: NAME_CHARACTERS - 1]}\u2026"


def _free_name(taken: Collection[str]) -> str:
    names = ("new_shape", *(f"new_shape_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)
