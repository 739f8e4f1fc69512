"""What a name says: one species, a genus alone, or nothing that is plain, and then why.

The parser says what the words are. Here is decided what may be cut off: authors, what stands below the species behind
its rank, and remarks that leave the species what it is. What is not plainly one species is refused, and never cut.
"""

import re
from itertools import pairwise
from typing import NamedTuple

from stages.records.known import Known
from stages.records.name_authors import are_authors, full_words
from stages.records.name_preparing import (
    NOT_SCIENTIFIC,
    UNCLEAR,
    Prepared,
    cultivar,
    prepare,
    why_no_cultivar,
)
from stages.records.name_words import NEVER_EPITHETS, NOTES, PARTICLES, SMALL_NOTES, key_of, of_nothing
from stages.records.parser import Parsed, Word, parse
from stages.records.spelling import SIGN, is_higher, plain_vowels

GENUS_ONLY = "genus_only"

# What the parser finds odd and names of plants may yet have; with any other oddity a name is not plain.
_HARMLESS = frozenset({
    "Non-standard characters in canonical", "Named hybrid", "Hybrid formula", "Incomplete hybrid formula",
    "Hybrid char is not separated by space", "Named graft-chimera", "Numeric prefix", "Author in upper case",
    "Ambiguous f. (filius or forma)", "`ex` authors are not required (ICZN only)", "`in` authors are not required",
    "Emend authors are not required", "Apostrophe is not allowed in canonical", "Combination of two uninomials",
    "Ex authors are not required", "The genus is a homonym of a bacterial genus",
})  # fmt: skip
_NAMING = ("GENUS", "UNINOMIAL", "SPECIES")
_QUOTES = "'‘’"  # as the parser sets a cultivar in
_SHORTEST_BELOW = 4  # letters of an epithet without a rank
_AUTHOR = ("AUTHOR_WORD", "AUTHOR_WORD_FILIUS", "YEAR")


class Reading(NamedTuple):
    """What a name says.

    Attributes:
        species: the species' name, or that of the genus where it names no more, or a hybrid's formula; empty where
            the name is refused.
        full: it with what is below the species: ranks, epithets, cultivars.
        refused: why it is not plainly a species: ``GENUS_ONLY``, where it is a genus, ``UNCERTAIN``, ...
        rules: what had to be done to it, by name, in order.
        authors: of the species, as the name has them; empty for none.
        authors_below: of what is below the species.
        below: what is below the species, part of ``full`` and not of ``species``.
        remarks: what else is no part of either.
        open: whether more known species may change what it says.
    """

    species: str
    full: str
    refused: str | None
    rules: tuple[str, ...]
    authors: str = ""
    authors_below: str = ""
    below: str = ""
    remarks: str = ""
    open: bool = False


def read_name(text: str, known: Known, *, strip_doubts: bool = False) -> Reading:
    """Read a name in tidy text.

    Args:
        text: the name, at most some hundred characters long.
        known: species from elsewhere: evidence that a longer name is of one of them, or names another one.
        strip_doubts: leave out remarks that the name is not certain, where it is plain without them.

    Raises:
        UserError: gnparser does not run on this machine.
    """
    prepared = prepare(text, known, strip_doubts=strip_doubts)
    if prepared.refused:
        return Reading("", "", prepared.refused, tuple(prepared.rules))
    genus, _, behind = prepared.text.partition(" ")
    if behind and is_higher(genus):
        return Reading(genus, genus, GENUS_ONLY, tuple(prepared.rules), remarks=behind)
    return _decide(prepared, parse(plain_vowels(prepared.text)), known)


def _decide(prepared: Prepared, parsed: Parsed, known: Known) -> Reading:
    """Say what a name says whose words the parser told."""
    rules, text = list(prepared.rules), plain_vowels(prepared.text)
    taken, refused = _take(prepared, parsed, text, known)
    if taken is None:
        return Reading("", "", refused, tuple(rules))
    authors, authors_below = _authors(parsed)
    if parsed.hybrid == "HYBRID_FORMULA" and taken.species != text and "hybrids" not in rules:
        rules.append("hybrids")
    written = set(prepared.text.split())
    if any(word.spelled not in written for word in parsed.words if word.kind in _NAMING and "." not in word.written):
        rules.append("spelling")
    if authors or authors_below:
        rules.append("authorship")
    return Reading(
        species=taken.species,
        full=" ".join([taken.full, *prepared.cultivars]),
        refused=GENUS_ONLY if taken.is_genus else None,
        rules=tuple(rules),
        authors=authors,
        authors_below=authors_below,
        below=" ".join([*taken.below, *prepared.cultivars]),
        remarks=" ".join([*prepared.remarks, *taken.remarks]),
        open=prepared.open or taken.open or bool(full_words(text)),
    )


def _take(prepared: Prepared, parsed: Parsed, text: str, known: Known) -> "tuple[_Taken | None, str]":
    """Take what is plainly a species or a genus; or ``None`` and why there is none."""
    if not parsed.readable or of_nothing(text):
        return None, NOT_SCIENTIFIC
    unclear = prepared.unless_common(UNCLEAR)
    if "\N{REPLACEMENT CHARACTER}" in text or not _is_understood(parsed, text):
        return None, unclear
    taken = _read_formula(parsed) if parsed.hybrid == "HYBRID_FORMULA" else _read_species(parsed, text, known)
    if taken is None or (prepared.of_genus and not taken.is_genus):
        return None, unclear
    if not taken.is_genus and not are_authors(text, known):
        return None, unclear
    return taken, ""


def _authors(parsed: Parsed) -> tuple[str, str]:
    """Give the authors in front of the first rank or epithet below the species, and those behind it."""
    authors: tuple[list[str], list[str]] = ([], [])
    below = 0
    for word in parsed.words:
        if word.kind in _AUTHOR:
            authors[below].append(word.written)
        elif word.kind == "INFRASPECIES":
            below = 1
        elif word.kind == "HYBRID_CHAR":
            below = 0
    return " ".join(authors[0]), " ".join(authors[1])


class _Taken(NamedTuple):
    """What is taken of a name that the parser understood."""

    species: str
    full: str
    below: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    is_genus: bool = False
    open: bool = False


def _is_understood(parsed: Parsed, text: str) -> bool:
    """Whether the parser took each word of a name for something, and found nothing odd about it."""
    warnings = parsed.warnings - _HARMLESS
    authors = [word.written for word in parsed.words if word.kind == "AUTHOR_WORD"]
    # One letter without a full stop is Linnaeus or nothing: Rosa canina B may be of somebody's kinds A, B and C.
    if any(len(author) == 1 and author != "L" for author in authors):
        return False
    warnings -= {"Author is too short"}
    if parsed.hybrid == "HYBRID_FORMULA":
        warnings -= {"Abbreviated uninomial word"}
    if parsed.tail or warnings or parsed.surrogate:
        return False
    taken = {run for word in parsed.words for run in _runs(word.written)}
    if parsed.words[0].kind == "RANK":  # Rosa sect. Caninae: the parser names no genus then
        taken |= set(_runs(text.partition(" ")[0]))
    connecting = PARTICLES | {"cv", "and"}
    return all(run in taken or run in connecting for run in _runs(text)) and all(
        any(letter.isupper() for letter in author) or not (set(_runs(author)) - PARTICLES) for author in authors
    )


def _runs(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _read_species(parsed: Parsed, text: str, known: Known) -> _Taken | None:
    """Read what is no formula; ``None`` where it is not plain."""
    words = [word for word in parsed.words if word.kind not in _AUTHOR]
    kinds = [word.kind for word in words]
    if kinds[0] == "RANK":
        genus, _, section = text.partition(" ")
        return _Taken(genus, genus, remarks=(section,), is_genus=True)
    named = [word for word in words if word.kind in ("GENUS", "UNINOMIAL", "SPECIES", "HYBRID_CHAR")]
    if kinds[0] == "GRAFT_CHIMERA_CHAR":
        named.insert(0, Word("GRAFT_CHIMERA_CHAR", "+", "+"))
    below = _ranked([word for word in words if word not in named and word.kind != "GRAFT_CHIMERA_CHAR"])
    if below is None or not {"GENUS", "UNINOMIAL"} & set(kinds):
        return None
    species = " ".join(word.spelled for word in named)
    genus = next(word.spelled for word in named if word.kind in ("GENUS", "UNINOMIAL"))
    cultivars = [word.spelled.strip(_QUOTES) for word in words if word.kind == "CULTIVAR"]
    if any(why_no_cultivar(words, genus, known) for words in cultivars):
        return None
    if "SPECIES" not in kinds:
        plain = _are_authors_of_a_genus(parsed.words, text)
        return _Taken(species, " ".join([species, *below]), tuple(below), is_genus=True) if plain else None
    epithets = [word.written for word in words if word.kind in ("SPECIES", "INFRASPECIES")]
    if kinds.count("SPECIES") > 1 or not all(map(_may_be_epithet, epithets)):
        return None
    signed = "HYBRID_CHAR" in kinds[1:]
    if signed and known.is_genus(epithets[0]) and epithets[0] != key_of(named[0].spelled):  # crossed with a genus
        return None
    if _is_behind_a_bare_word(parsed.words):
        return None
    unranked = [part for part in below if " " not in part and part[0] != "'"]
    # Zoologists and iNaturalist write no rank; who writes common names or forgets a hyphen writes three words too.
    if unranked and (len(unranked) > 1 or below[0] != unranked[0] or not _is_below(unranked[0], species, known)):
        return None
    return _Taken(species, " ".join([species, *below]), tuple(below), open=signed or bool(unranked or cultivars))


def _is_behind_a_bare_word(words: tuple[Word, ...]) -> bool:
    """Whether an epithet without rank follows what may be no author: ``Rosa canina Se parece``, ``P. nigra``."""
    return any(
        word.kind == "AUTHOR_WORD" and after.kind == "INFRASPECIES" and word.written not in ("L", "L.")
        and (word.written.isalpha() or len(word.written.rstrip(".")) == 1)
        for word, after in pairwise(words)
    )  # fmt: skip


def _may_be_epithet(word: str) -> bool:
    """Whether a word may be an epithet: no particle, no placeholder, no note, no family."""
    key = key_of(word)
    return key not in NEVER_EPITHETS and key not in NOTES and not key.endswith("aceae")


def _is_below(word: str, species: str, known: Known) -> bool:
    """Whether a third word is plainly below a species: that is known, and the word says neither another nor a note."""
    genus, _, epithet = species.rpartition(" ")
    if species not in known or len(word) < _SHORTEST_BELOW or key_of(word) in SMALL_NOTES:
        return False
    if word == epithet:  # the subspecies that has its species' own name
        return True
    # A hybrid's sign may stick to a word, as no Latin word begins so.
    stuck = re.match(r"x[^aeiouy]", word) or (word[0] == "x" and f"{genus} {word[1:]}" in known)
    return not stuck and f"{genus} {word}" not in known and not known.is_genus(word)


def _ranked(words: list[Word]) -> list[str] | None:
    """Put ranks and the epithets behind them together, a part each; ``None`` where it is anything else."""
    parts: list[str] = []
    rank = ""
    for word in words:
        if word.kind == "RANK" and not rank:
            rank = f"{word.spelled} "
        elif word.kind == "INFRASPECIES":
            parts.append(f"{rank}{word.spelled}")
            rank = ""
        elif word.kind == "CULTIVAR" and not rank:
            parts.append(cultivar(word.spelled.strip(_QUOTES)))
        else:
            return None
    return None if rank else parts


def _are_authors_of_a_genus(words: tuple[Word, ...], text: str) -> bool:
    """Whether what follows a genus is plainly its author, no common name: ``Mill.``, ``(Miller)``, ``Miller 1754``."""
    authors = [word.written for word in words if word.kind == "AUTHOR_WORD"]
    if not authors:
        return True
    dated = any(word.kind == "YEAR" for word in words)
    return "." in authors[0] or f"({authors[0]}" in text or authors == ["L"] or (dated and len(authors) == 1)


def _read_formula(parsed: Parsed) -> _Taken | None:
    """Read a hybrid's formula as its parents in full, in alphabetical order (ICN Art. H.2.1); ``None`` without two."""
    parents: list[list[Word]] = [[]]
    for word in parsed.words:
        if word.kind == "HYBRID_CHAR":
            parents.append([])
        elif word.kind not in _AUTHOR:
            parents[-1].append(word)
    genus = ""
    species, full = set(), set()
    below: list[str] = []
    for parent in parents:
        named = parent
        if parent and parent[0].kind == "GENUS":
            genus, named = parent[0].spelled, parent[1:]
        if not genus or genus[-1] == "." or not named or named[0].kind != "SPECIES":
            return None
        parts = _ranked(named[1:])
        if parts is None or any(" " not in part for part in parts) or not _may_be_epithet(named[0].written):
            return None
        species.add(f"{genus} {named[0].spelled}")
        full.add(" ".join([genus, named[0].spelled, *parts]))
        below += parts
    if len(species) < 2 or len(full) < len(parents):
        return None
    return _Taken(f" {SIGN} ".join(sorted(species)), f" {SIGN} ".join(sorted(full)), tuple(below))
