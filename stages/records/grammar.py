"""The grammar of scientific names: what each word of a name is.

A name is taken apart into genus, epithet, ranks below the species, authors and remarks, by the order and the form of
its words; the codes of nomenclature fix both (ICN, Shenzhen Code 2018, articles 20 to 24 and H.3 to H.7).
"""

import re
from enum import Enum

_HYBRID_SIGNS = frozenset("×xX✕✖⨯⨉*")
_QUALIFIERS = frozenset({"cf", "aff", "nr", "near", "prob", "?", "(?)"})
_NO_EPITHET = frozenset({"sp", "spp", "species", "spec", "indet"})
RANKS = {
    "subsp": "subsp.", "ssp": "subsp.", "subspecies": "subsp.", "nothosubsp": "nothosubsp.",
    "var": "var.", "variety": "var.", "varietas": "var.", "nothovar": "nothovar.", "convar": "convar.",
    "subvar": "subvar.", "f": "f.", "fo": "f.", "form": "f.", "forma": "f.", "cv": "cv.",
}  # fmt: skip
_RANKS_ABOVE = frozenset({"sect", "section", "subg", "subgen", "subgenus", "ser", "series"})
# Small words of author citations and of remarks on usage; no epithet follows or is one of them.
_PARTICLES = frozenset({
    "ex", "et", "in", "de", "den", "der", "van", "von", "da", "di", "du", "la", "le", "f", "fil",
    "auct", "auctt", "hort", "non", "nec", "sensu", "emend", "agg", "aggr", "sl", "ss", "coll", "complex", "group",
    "lato", "stricto", "nom", "nud", "illeg", "ined",
})  # fmt: skip
# Those of them that make a name mean something else than it says: Rosa gallica auct. non L. is no Rosa gallica.
USAGE = frozenset({"auct", "auctt", "hort", "non", "nec", "sensu"})
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:-[A-Za-z\u00c0-\u024f]+)*")  # Latin letters, as names are in Latin


_PUNCTUATION = ".,;"


class Part(Enum):
    """What a word of a name is."""

    GENUS = "genus"
    HYBRID = "hybrid sign"
    EPITHET = "epithet"
    RANK = "rank below the species"
    INFRASPECIFIC = "epithet below the species"
    CULTIVAR = "cultivar"
    QUALIFIER = "remark that the name is not certain"
    NO_EPITHET = "remark that the species is not known"
    AUTHOR = "author, year or remark on usage"
    PARENT = "part of a hybrid formula, behind its sign"


Parts = list[tuple[Part, str]]
BELOW_SPECIES = (Part.RANK, Part.INFRASPECIFIC, Part.CULTIVAR)


def parse(name: str) -> Parts:
    """Say what each word of a name is; nothing for what does not look like a scientific name."""
    words = name.split()
    # Common names have three small words too: black eyed susan is no trinomial.
    common = name == name.lower()
    parts: Parts = []
    while words and (is_hybrid_sign(words[0]) or _is_qualifier(words[0])):
        parts.append((Part.HYBRID if is_hybrid_sign(words[0]) else Part.QUALIFIER, words.pop(0)))
    if not words or not _WORD.fullmatch(words[0]):
        return []
    parts.append((Part.GENUS, words.pop(0)))
    while words:
        kinds = {part for part, _ in parts}
        if Part.PARENT in kinds:
            found = [_in_formula(parts[-1][1], words[0])]
        elif Part.EPITHET in kinds:
            found = _after_epithet(parts[-1][0], words)
            if common and found == [Part.INFRASPECIFIC]:
                return []
        else:
            found = _before_epithet(kinds, words)
        if not found:
            return []
        named = found[-1] in (Part.EPITHET, Part.INFRASPECIFIC)
        last = words[len(found) - 1]
        parts += zip(found, [*words[: len(found) - 1], last.rstrip(_PUNCTUATION) if named else last], strict=False)
        words = words[len(found) :]
        if named and last[-1] in ",;":  # Rosa canina, dog rose
            parts += ((Part.AUTHOR, word) for word in words)
            break
    return parts


def _before_epithet(kinds: set[Part], words: list[str]) -> list[Part]:
    """Say what the next words are while no epithet has come; nothing where this is no scientific name."""
    word = words[0]
    if is_hybrid_sign(word):
        return [Part.HYBRID]
    if _is_qualifier(word):
        return [Part.QUALIFIER]
    if cultivar := _quoted(words):
        return [Part.CULTIVAR] * cultivar
    if key(word) in _NO_EPITHET | _RANKS_ABOVE:
        return [Part.NO_EPITHET] * len(words)
    if Part.AUTHOR not in kinds and _is_epithet(word):
        return [Part.EPITHET]
    return [] if word[0].isdigit() and Part.AUTHOR not in kinds else [Part.AUTHOR]


def _after_epithet(last: Part, words: list[str]) -> list[Part]:
    """Say what the next words are after an epithet and the part ``last``."""
    word = words[0]
    if is_hybrid_sign(word):
        return [Part.PARENT]
    if _is_qualifier(word):
        return [Part.QUALIFIER]
    if cultivar := _quoted(words):
        return [Part.CULTIVAR] * cultivar
    # The f. of an author is "filius": what follows a forma is an epithet, in small letters.
    filius = key(word) == "f" and not (len(words) > 1 and words[1].islower())
    if key(word) in RANKS and not filius and len(words) > 1 and _is_epithet(words[1]):
        return [Part.RANK, Part.INFRASPECIFIC]
    # Zoologists and iNaturalist write no rank.
    follows_a_name = last in (Part.EPITHET, Part.INFRASPECIFIC)
    if follows_a_name and word.islower() and len(word) > 2 and _is_epithet(word):
        return [Part.INFRASPECIFIC]
    return [Part.AUTHOR]


def _in_formula(before: str, word: str) -> Part:
    """Say what a word behind the sign of a hybrid formula is: part of a parent's name, or an author."""
    return Part.PARENT if is_hybrid_sign(before) or is_hybrid_sign(word) or word.islower() else Part.AUTHOR


def _quoted(words: list[str]) -> int:
    """Give the number of words that a quotation at the beginning takes; 0 if there is none, or no end of it."""
    quote = words[0][0]
    if quote not in "'\"":
        return 0
    ends = (number for number, word in enumerate(words, 1) if word[-1] == quote and (number > 1 or len(word) > 1))
    return next(ends, 0)


def _is_qualifier(word: str) -> bool:
    """Whether a word says that a name is not certain; ``/gallica`` is the other of two names that it may be."""
    return key(word) in _QUALIFIERS or (len(word) > 1 and word[0] == "/")


def is_hybrid_sign(word: str) -> bool:
    """Whether a word is one of the signs that people write for a hybrid's ×."""
    return word in _HYBRID_SIGNS


def _is_epithet(word: str) -> bool:
    word = word.rstrip(_PUNCTUATION)
    return len(word) > 1 and bool(_WORD.fullmatch(word)) and word.lower() not in _PARTICLES


def key(word: str) -> str:
    """Give a word as the tables of this module have it: in small letters, without a full stop or comma behind it."""
    return word.lower().rstrip(".,") or word


def spelled(parts: Parts, name: str) -> str:
    """Put the parts of a name together; ``name`` itself where it has none."""
    return " ".join(word for _, word in parts) if parts else name
