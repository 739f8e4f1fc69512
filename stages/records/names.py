"""From names as sources write them to one spelling a species.

``name_reading.py`` beside this says what a name says; here are the rules of params.yaml (``names``) and the synonyms.
"""

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

from stages.config.schema import Names
from stages.records.known import Known
from stages.records.name_reading import GENUS_ONLY, NOT_SCIENTIFIC, UNCERTAIN, Reading, read_name
from stages.records.name_words import names_nothing
from stages.records.spelling import tidy
from stages.runtime.errors import UserError

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
    """

    name: str | None
    rules: tuple[str, ...]
    cut: tuple[tuple[str, str], ...] = ()
    of: str = ""


class NameCleaner:
    """Applies the rules of params.yaml to names, one after the other."""

    def __init__(
        self, rules: Names, synonyms: dict[str, str], *, where: str = "synonyms", known: frozenset[str] = frozenset()
    ) -> None:
        """Prepare the rules.

        Args:
            rules: section ``names`` of params.yaml.
            synonyms: accepted name by synonym; their spelling is cleaned by the same rules as any name's.
            where: they come from, for messages.
            known: species' names that are known: evidence that a longer name is of one of them.

        Raises:
            UserError: the synonyms go round in a circle, a name is accepted that the rules refuse, or gnparser does
                not run on this machine.
        """
        self._rules = rules
        self._known = Known(known)
        self._read_before: dict[str, Reading] = {}
        self._accepted: dict[str, str] = {}  # by a synonym in small letters
        if rules.synonyms:
            self._know(synonyms.values())
            self._accepted = self._resolve(synonyms, where)

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
        if (accepted := self._accepted.get(text.casefold())) is not None:
            return Cleaned(accepted, (*rules, "synonyms"))
        if names_nothing(text):
            return Cleaned(None, (*rules, NO_NAME))
        return self._decide(text, self._read(text), rules)

    def _decide(self, text: str, reading: Reading, rules: tuple[str, ...]) -> Cleaned:
        """Apply the rules to what a name says."""
        kept_whole = {UNCERTAIN: self._rules.uncertain, NOT_SCIENTIFIC: self._rules.not_scientific}
        if reading.refused in kept_whole and kept_whole[reading.refused] == "keep":
            return Cleaned(text, rules)
        rules += tuple(rule for rule in reading.rules if rule != reading.refused)
        if reading.refused and reading.refused != GENUS_ONLY:
            return Cleaned(None, (*rules, reading.refused))
        is_genus = reading.refused == GENUS_ONLY
        # Before a subspecies is rolled up into its species: it may be a synonym alone.
        whole = self._rules.below_species == "keep" or reading.full.casefold() in self._accepted
        label = reading.full if whole else reading.species
        if label != reading.full:
            rules += (BELOW_SPECIES,)
        cut = _cut(reading, label)
        of = label if cut else ""
        if (accepted := self._accepted.get(label.casefold())) is not None:
            return Cleaned(accepted, (*rules, "synonyms"), cut, of)
        # A cultivar is a kind of its own, also without a species: Rosa 'Iceberg'.
        if is_genus and label == reading.species and self._rules.genus_only == "refuse":
            return Cleaned(None, (*rules, GENUS_ONLY))
        if label != text and not rules:
            rules = ("spelling",)
        return Cleaned(label, rules, cut, of)

    def _read(self, text: str) -> Reading:
        strip = self._rules.uncertain == "strip"
        return self._read_before.get(text) or read_name(text, self._known, strip_doubts=strip)

    def _spellings(self, synonym: str) -> tuple[str, ...]:
        """Give how a synonym is found, in small letters: as it is written, and as what it plainly names.

        What is below its species stays; and one that was misapplied, or is uncertain, stands for what it says alone.
        """
        text = tidy(synonym)
        reading = read_name(text, self._known) if len(text) <= MAX_LENGTH else None
        named = reading.full.casefold() if reading and reading.full else ""
        return tuple(dict.fromkeys(filter(None, (named, text.casefold()))))

    def _resolve(self, synonyms: dict[str, str], where: str) -> dict[str, str]:
        direct: dict[str, str] = {}
        for synonym, accepted in synonyms.items():
            after = self.clean(accepted).name
            if after is None:
                raise UserError(f"{where}: {accepted!r} cannot be an accepted name: the rules of `names` refuse it")
            for before in self._spellings(synonym):
                if before != after.casefold() and direct.setdefault(before, after) != after:
                    raise UserError(
                        f"{where}: {synonym!r} has two accepted names, {direct[before]!r} and {after!r}: keep one"
                    )
        resolved = {}
        for synonym, accepted in direct.items():
            way, name = [synonym], accepted
            while name.casefold() in direct:
                way.append(name)
                name = direct[name.casefold()]
                if name in way:
                    raise UserError(f"{where}: {' -> '.join([*way, name])} goes round in a circle")
            resolved[synonym] = name
        return resolved


def clean_names(names: Iterable[str], cleaner: NameCleaner) -> dict[str, Cleaned]:
    """Clean each of the names; those that are plainly a species are evidence for the others."""
    distinct = sorted(set(names))
    knowing = cleaner.knowing(distinct)
    return {name: knowing.clean(name) for name in distinct}


def _cut(reading: Reading, label: str) -> tuple[tuple[str, str], ...]:
    """Say what of a name is no part of its label, by kind."""
    below = "" if label == reading.full else reading.below
    # Of a subspecies' authors and its species' none tells which subspecies it is, where that is cut off with them.
    authors = reading.authors_below if label != reading.species else reading.authors
    found = ((AUTHORS, authors), (BELOW_SPECIES, below), (REMARK, reading.remarks))
    return tuple((kind, words) for kind, words in found if words)
