"""What a name says: one species, a genus alone, or nothing that is plain, and then why.

The parser says what the words are. Here is decided what may be cut off: authors, what stands below the species behind
its rank, and remarks that leave the species what it is. What is not plainly one species is refused, and never cut.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from stages.records.name_words import (
    ALTERNATIVES,
    MISAPPLIED,
    NO_EPITHET,
    PARTICLES,
    QUALIFIERS,
    RANKS,
    REMARK,
    of_nothing,
)
from stages.records.parser import Parsed, Word, parse
from stages.records.spelling import (
    SIGN,
    drop_higher_taxa,
    is_plain,
    join_compounds,
    plain_vowels,
    set_case,
    sign_hybrids,
    spell_ranks,
    spread,
)

GENUS_ONLY, UNCERTAIN, UNCLEAR, NOT_SCIENTIFIC = "genus_only", "uncertain_name", "unclear_name", "not_scientific"

_QUOTED = re.compile(r"(?<=\s)(?:'(?=\S)[^']*(?:(?<=\S)'[^\s'][^']*)*'|\"[^\"]+\")(?=[\s,;]|$)")
_SUBGENUS = re.compile(rf"^((?:{SIGN} )?[^\W\d_]+) \([^\W\d_]+\)(?= (?:{SIGN} )?[^\W\d_A-Z])")
_IN_BRACKETS = re.compile(r" \(([^()]*)\)")
_YEAR = re.compile(r"\(?(?:1[5-9]|20)\d\d\)?\.?")
_SENSU_OF_A_RANGE = re.compile(r"\bsensu (?:lato|latiore|lat\.?|amplo|ampl\.?|stricto|strictiore|str\.?)(?!\S)")
# What the parser finds odd and names of plants may yet have; with any other oddity a name is not plain.
_HARMLESS = frozenset({
    "Non-standard characters in canonical", "Named hybrid", "Hybrid formula", "Incomplete hybrid formula",
    "Hybrid char is not separated by space", "Named graft-chimera", "Numeric prefix", "Author in upper case",
    "Ambiguous f. (filius or forma)", "`ex` authors are not required (ICZN only)", "`in` authors are not required",
    "Emend authors are not required", "Apostrophe is not allowed in canonical", "Combination of two uninomials",
    "Ex authors are not required",
})  # fmt: skip
_NAMING = ("GENUS", "UNINOMIAL", "SPECIES")
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
    """

    species: str
    full: str
    refused: str | None
    rules: tuple[str, ...]
    authors: str = ""
    authors_below: str = ""
    below: str = ""
    remarks: str = ""


def read_name(text: str, is_known: Callable[[str], bool], *, strip_doubts: bool = False) -> Reading:
    """Read a name in tidy text.

    Args:
        text: the name, at most some hundred characters long.
        is_known: whether a species' name is known from elsewhere, and so evidence that a longer name is of it.
        strip_doubts: leave out remarks that the name is not certain, where it is plain without them.

    Raises:
        UserError: gnparser does not run on this machine.
    """
    rules: list[str] = []
    remarks: list[str] = []
    cultivars = [_cultivar(found) for found in _QUOTED.findall(text)]
    text = spread(_QUOTED.sub(" ", text))
    if not text:
        return _refused(NOT_SCIENTIFIC, rules)

    def apply(rule: str, changed: str) -> str:
        if changed != text:
            rules.append(rule)
        return changed

    text = apply("hybrids", sign_hybrids(text))
    if _of_another_species(text):
        return _refused(UNCERTAIN, rules)
    if doubts := [word for word in text.split() if _key(word) in QUALIFIERS]:
        if not strip_doubts:
            return _refused(UNCERTAIN, rules)
        remarks += doubts
        text = apply(UNCERTAIN, " ".join(word for word in text.split() if _key(word) not in QUALIFIERS))
        if not text:
            return _refused(UNCERTAIN, rules)
    of_small = text == text.lower()
    text = apply("higher_taxon", drop_higher_taxa(text))
    text = apply("case", set_case(text, is_known))
    if not _lists_authors_only(text):
        return _refused(UNCERTAIN, rules)
    text = " ".join(re.sub(r"[,;]", " ", text).split())
    text = apply("hyphen", join_compounds(text, is_known))
    text = apply("subgenus", _SUBGENUS.sub(r"\1", text))
    parentage = [found for found in _IN_BRACKETS.findall(text) if SIGN in found.split()]
    text = apply("parentage", _IN_BRACKETS.sub(lambda found: "" if found[1] in parentage else found[0], text))
    remarks += [*parentage, *(found[0] for found in REMARK.finditer(_behind_genus(text)))]
    text = apply("remark", _without_remarks(text))
    of_genus = _without_marks_of_a_genus(text)
    only_genus = of_genus != text
    text = _end_epithet(spell_ranks(of_genus))
    written = set(text.split())
    text = plain_vowels(text)
    if not text:
        return _refused(NOT_SCIENTIFIC, rules)

    parsed = parse(text)
    if not parsed.readable or of_nothing(text):
        return _refused(NOT_SCIENTIFIC, rules)
    if "\N{REPLACEMENT CHARACTER}" in text or not _is_understood(parsed, text):
        return _refused(_unless_common(UNCLEAR, text, of_small=of_small), rules)
    taken = _read_formula(parsed) if parsed.hybrid == "HYBRID_FORMULA" else _read_species(parsed, text, is_known)
    if taken is None or (only_genus and not taken.is_genus):
        return _refused(_unless_common(UNCLEAR, text, of_small=of_small), rules)

    below = [*taken.below, *cultivars]
    authors, authors_below = _authors(parsed)
    if parsed.hybrid == "HYBRID_FORMULA" and taken.species != text and "hybrids" not in rules:
        rules.append("hybrids")
    if any(word.spelled not in written for word in parsed.words if word.kind in _NAMING and "." not in word.written):
        rules.append("spelling")
    return Reading(
        species=taken.species,
        full=" ".join([taken.full, *cultivars]),
        refused=GENUS_ONLY if taken.is_genus else None,
        rules=(*rules, "authorship") if authors or authors_below else tuple(rules),
        authors=authors,
        authors_below=authors_below,
        below=" ".join(below),
        remarks=" ".join([*remarks, *taken.remarks]),
    )


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


def _refused(reason: str, rules: list[str]) -> Reading:
    return Reading("", "", reason, tuple(rules))


def _unless_common(reason: str, text: str, *, of_small: bool) -> str:
    """Give the reason, but for three or more small words without mark or author: black eyed susan is no name."""
    return NOT_SCIENTIFIC if of_small and len(text.split()) > 2 and all(map(is_plain, text.split())) else reason


def _key(word: str) -> str:
    return word.strip("().,[]:").casefold()


def _cultivar(quoted: str) -> str:
    """Write a cultivar's epithet in single quotes, its words with capitals (ICNCP Art. 14 and 21)."""
    words = " ".join(quoted[1:-1].split())
    return f"'{words.title() if words.islower() or words.isupper() else words}'"


def _of_another_species(text: str) -> bool:
    """Whether a name says that it is one of several, or that it was misapplied: or another species than it says."""
    words = _SENSU_OF_A_RANGE.sub("", text.lower() if text.isupper() else text).split()
    return not ALTERNATIVES.isdisjoint(words) or any(
        _key(word) in MISAPPLIED for place, word in enumerate(words) if place > 1
    )


def _lists_authors_only(text: str) -> bool:
    """Whether all that follows a comma or semicolon is plainly an author or a year, no remark and no other name."""
    first, *more = re.split(r"[,;]", text)
    return all(_are_authors(part.split()) for part in more if part.strip()) and (bool(first.strip()) or not more)


def _are_authors(words: list[str]) -> bool:
    authorlike = all(
        _YEAR.fullmatch(word)
        or word == "&"
        or _key(word) in PARTICLES
        or word.strip("(")[:1].isupper()
        or ("." in word and _key(word) not in RANKS)
        for word in words
    )
    return authorlike and any("." in word or word == "&" or _YEAR.fullmatch(word) for word in words)


def _behind_genus(text: str) -> str:
    return text.partition(" ")[2]


def _without_remarks(text: str) -> str:
    genus, _, rest = text.partition(" ")
    return " ".join([genus, *REMARK.sub(" ", rest).split()])


def _without_marks_of_a_genus(text: str) -> str:
    """Leave out what says that the species is not known: ``sp.``, ``hyb.``, a rank that no epithet follows."""
    genus, *words = text.split()
    kept = [word for word in words if _key(word) not in NO_EPITHET]
    if len(words) == 1 and _key(words[0]) in RANKS:
        kept = []
    return " ".join([genus, *kept])


def _end_epithet(text: str) -> str:
    """Leave out the full stop of a sentence: ``Rosa canina.``; a short word with one is an abbreviation."""
    words = text.split()
    last = words[-1].rstrip(".") if words else ""
    if len(words) in (2, 3) and len(last) > 3 and is_plain(last) and last.islower():
        words[-1] = last
    return " ".join(words)


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


def _read_species(parsed: Parsed, text: str, is_known: Callable[[str], bool]) -> _Taken | None:
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
    if "SPECIES" not in kinds:
        plain = _are_authors_of_a_genus(parsed.words, text)
        return _Taken(species, " ".join([species, *below]), tuple(below), is_genus=True) if plain else None
    epithets = [word.written for word in words if word.kind in ("SPECIES", "INFRASPECIES")]
    if kinds.count("SPECIES") > 1 or not PARTICLES.isdisjoint(epithets) or not NO_EPITHET.isdisjoint(epithets):
        return None
    unranked = [part for part in below if " " not in part and part[0] != "'"]
    # Zoologists and iNaturalist write no rank; who writes common names or forgets a hyphen writes three words too.
    if unranked and (len(unranked) > 1 or below[0] != unranked[0] or not is_known(species)):
        return None
    return _Taken(species, " ".join([species, *below]), tuple(below))


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
            parts.append(_cultivar(word.spelled))
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
        if parts is None or any(" " not in part for part in parts) or named[0].written in PARTICLES | NO_EPITHET:
            return None
        species.add(f"{genus} {named[0].spelled}")
        full.add(" ".join([genus, named[0].spelled, *parts]))
        below += parts
    if len(species) < 2 or len(full) < len(parents):
        return None
    return _Taken(f" {SIGN} ".join(sorted(species)), f" {SIGN} ".join(sorted(full)), tuple(below))
