"""From names as sources write them to one spelling a species.

``name_reading.py`` beside this says what a name says; here are the rules of params.yaml (``names``) and the synonyms.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.known import Known
from stages.records.name_preparing import NOT_SCIENTIFIC, UNCERTAIN
from stages.records.name_reading import GENUS_ONLY, Reading, read_name
from stages.records.name_words import names_nothing
from stages.records.spelling import tidy
from stages.records.synonym_ends import End, Key, forms, key_of_refused, keys_as_written, resolve, row_of

MAX_LENGTH = 200  # characters: no name is as long, and the parser's time grows faster than a name does
TOO_LONG, NO_NAME = "too_long", "no_name"
AUTHORS, BELOW_SPECIES, REMARK = "authors", "below_species", "remark"  # what is cut off names


class Cleaned(NamedTuple):
    """What became of a name.

    Attributes:
        name: the one to use; ``None`` where it is refused.
        rules: the names of the rules that changed or refused it, in their order.
        cut: what was cut off: pairs of a kind (``AUTHORS``, ``BELOW_SPECIES``, ``REMARK``) and the words.
        of: what is left of it then, before synonyms; empty where the name was not cut.
        synonyms: those that led to the name, as their rows write them, in order.
    """

    name: str | None
    rules: tuple[str, ...]
    cut: tuple[tuple[str, str], ...] = ()
    of: str = ""
    synonyms: tuple[str, ...] = ()


class NameCleaner:
    """Applies the rules of params.yaml to names, one after the other.

    Attributes:
        overruled: synonyms of a checklist that are left out, as those by hand say otherwise.
    """

    def __init__(
        self,
        rules: Names,
        synonyms: Mapping[str, str],
        *,
        of_checklist: Mapping[str, str] | None = None,
        where: str = "synonyms",
        known: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare the rules.

        Args:
            rules: section ``names`` of params.yaml.
            synonyms: accepted name by synonym; their spelling is cleaned by the same rules as any name's.
            of_checklist: likewise, of a checklist; where ``synonyms`` say otherwise, they win.
            where: they come from, for messages.
            known: species' names that are known: evidence that a longer name is of one of them.

        Raises:
            UserError: the synonyms go round in a circle, a name is accepted that the rules refuse, or gnparser does
                not run on this machine.
        """
        self._rules = rules
        self._known = Known(known)
        self._read_before: dict[str, Reading] = {}
        self._ends: dict[Key, End] = {}
        self.overruled: tuple[str, ...] = ()
        if rules.synonyms:
            of_checklist = of_checklist or {}
            self._know(name for rows in (synonyms, of_checklist) for row in rows.items() for name in row)
            self._ends, self.overruled = resolve(
                [row_of(*row, self._read_synonym) for row in synonyms.items()],
                [row_of(*row, self._read_synonym) for row in of_checklist.items()],
                ways_on=self._keys,
                clean=lambda accepted: self.clean(accepted).name,
                where=where,
            )

    def knowing(self, names: Iterable[str]) -> "NameCleaner":
        """Give a cleaner that knows, beside what this one knows, the species that names plainly say."""
        other = copy(self)
        other._know(names)
        return other

    def _know(self, names: Iterable[str]) -> None:
        """Take the species that names plainly say for known.

        What is plain and open to no evidence stays what it is with more, so that it need not be read again.
        """
        texts = {tidy(name) for name in names if len(name) <= MAX_LENGTH}
        readings = ((text, self._read(text)) for text in texts if len(text) <= MAX_LENGTH and not names_nothing(text))
        plain = {text: reading for text, reading in readings if not reading.refused}
        closed = {text: reading for text, reading in plain.items() if not reading.open}
        self._read_before = self._read_before | closed
        self._known |= {reading.species for reading in plain.values() if UNCERTAIN not in reading.rules}

    def clean(self, name: str) -> Cleaned:
        """Give the species' name for a name as a source writes it."""
        if len(name) > MAX_LENGTH:
            return Cleaned(None, (TOO_LONG,))
        text = tidy(name)
        rules = ("unicode",) if text != name else ()
        if len(text) > MAX_LENGTH:
            return Cleaned(None, (*rules, TOO_LONG))
        # As written first, with authors: Rosa gallica auct. non L. And what is no scientific name may have a synonym.
        if end := self._end_of(keys_as_written(text)):
            return Cleaned(end.name, (*rules, "synonyms"), synonyms=end.synonyms)
        reading = None if names_nothing(text) else self._read(text)
        if (reading is None or reading.refused) and (end := self._end_of([key_of_refused(text)])):
            return Cleaned(end.name, (*rules, "synonyms"), synonyms=end.synonyms)
        return Cleaned(None, (*rules, NO_NAME)) if reading is None else self._decide(text, reading, rules)

    def _decide(self, text: str, reading: Reading, rules: tuple[str, ...]) -> Cleaned:
        """Apply the rules to what a name says."""
        kept_whole = {UNCERTAIN: self._rules.uncertain, NOT_SCIENTIFIC: self._rules.not_scientific}
        if reading.refused in kept_whole and kept_whole[reading.refused] == "keep":
            return Cleaned(text, rules)
        rules += tuple(rule for rule in reading.rules if rule != reading.refused)
        if reading.refused and reading.refused != GENUS_ONLY:
            return Cleaned(None, (*rules, reading.refused))
        # With what is below the species first: a subspecies may be a synonym alone.
        found = ((form.name, end) for form in forms(reading, whole=self._whole) if (end := self._end_of(form.keys)))
        name, end = next(found, (reading.full if self._whole else reading.species, None))
        if name != reading.full:
            rules += (BELOW_SPECIES,)
        cut = _cut(reading, name)
        of = name if cut else ""
        if end:
            return Cleaned(end.name, (*rules, "synonyms"), cut, of, end.synonyms)
        # A cultivar is a kind of its own, also without a species: Rosa 'Iceberg'.
        if reading.refused == GENUS_ONLY and name == reading.species and self._rules.genus_only == "refuse":
            return Cleaned(None, (*rules, GENUS_ONLY))
        if name != text and not rules:
            rules = ("spelling",)
        return Cleaned(name, rules, cut, of)

    @property
    def _whole(self) -> bool:
        return self._rules.below_species == "keep"

    def _end_of(self, keys: Iterable[Key]) -> End | None:
        return next((self._ends[key] for key in keys if key in self._ends), None)

    def _keys(self, name: str) -> Iterator[Key]:
        """Give the keys by which ``clean`` looks for a name among the synonyms, in its order."""
        text = tidy(name)
        yield from keys_as_written(text)
        reading = self._read(text) if len(text) <= MAX_LENGTH and not names_nothing(text) else None
        if reading is None or reading.refused:
            yield key_of_refused(text)
        for form in forms(reading, whole=self._whole) if reading else ():
            yield from form.keys

    def _read(self, text: str) -> Reading:
        strip = self._rules.uncertain == "strip"
        return self._read_before.get(text) or read_name(text, self._known, strip_doubts=strip)

    def _read_synonym(self, text: str, also_known: Collection[str]) -> Reading | None:
        """Read a synonym, but no longer one than any name; one that was misapplied, or is uncertain, is refused."""
        if len(text) > MAX_LENGTH or names_nothing(text):
            return None
        before = self._read_before.get(text)
        if before and UNCERTAIN not in before.rules:
            return before
        return read_name(text, self._known | also_known if also_known else self._known)


def clean_names(names: Iterable[str], cleaner: NameCleaner) -> dict[str, Cleaned]:
    """Clean each of the names; those that are plainly a species are evidence for the others."""
    distinct = sorted(set(names))
    knowing = cleaner.knowing(distinct)
    return {name: knowing.clean(name) for name in distinct}


def _cut(reading: Reading, name: str) -> tuple[tuple[str, str], ...]:
    """Say what of a name, as it was read, is no part of what is taken of it, by kind."""
    rest = reading.full.removeprefix(name).lstrip()
    below = rest if reading.below.endswith(rest) else reading.below
    # Of a subspecies' authors and its species' none tells which subspecies it is, where that is cut off with them.
    authors = reading.authors_below if name != reading.species else reading.authors
    found = ((AUTHORS, authors), (BELOW_SPECIES, below), (REMARK, reading.remarks))
    return tuple((kind, words) for kind, words in found if words)
