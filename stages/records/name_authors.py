"""What stands behind an epithet: whether it can be authors, or is a doubt, a note, a place or another species.

Any word with a capital is an author for the parser. Authors are cut off, so what is not plainly theirs is refused. A
single bare word ("Rosa canina Linnaeus", "Rosa canina Madrid") cannot be told and counts as an author.
"""

import re
from collections.abc import Iterator

from stages.records.known import Known
from stages.records.name_words import (
    AUTHORS_TOO,
    NO_EPITHET,
    NOTES,
    PARTICLES,
    QUALIFIERS,
    RANKS,
    SMALL_NOTES,
    YEAR,
    key_of,
)
from stages.records.spelling import SIGN, is_plain

_IN_OR_OUT_OF_BRACKETS = re.compile(r"\(([^()]*)\)?|([^()]+)")
_BETWEEN_AUTHORS = re.compile(r"[&,;]|(?<!\S)(?:ex|et|in|and|apud|emend\.?)(?!\S)")
_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_](?:[^\W\d_]|['-](?=[^\W\d_]))+(?![.\w])")
_ABBREVIATION = re.compile(r"[^\W\d_]{2,}\.")
_INITIAL = re.compile(r"(?<![^\W\d_])[^\W\d_]\.")
_LINNAEUS_BEHIND_A_WORD = re.compile(r"[^\W\d_]{3,} L\.(?!\w)")
_NO_AUTHORS = (NOTES | QUALIFIERS | NO_EPITHET | SMALL_NOTES) - AUTHORS_TOO


def are_authors(text: str, known: Known) -> bool:
    """Whether all that stands behind the epithets of a name can be authors.

    Args:
        text: the name, spelled as the parser gets it: epithets in small letters.
        known: species: an author is no genus of theirs and none of their epithets.
    """
    genus = next((word for word in text.split() if is_plain(word)), text)
    return all(_are_authors(words, genus, known) for words in _parts_of_authors(text))


def full_words(text: str) -> list[str]:
    """Give the words of authors that are not abbreviated, which may be anything; none that stands in common names."""
    words = (word for part in _parts_of_authors(text) for word in _full_words(part))
    return [word for word in words if key_of(word) not in AUTHORS_TOO]


def _parts_of_authors(text: str) -> Iterator[str]:
    """Give what stands between genus, signs, ranks and epithets."""
    part: list[str] = []
    skipped = "genus"  # what the next word is: a genus, a cultivar, or nothing to be skipped
    for word in text.split():
        small = word.islower() and key_of(word) not in PARTICLES
        if word == SIGN or (small and (is_plain(word) or word.rstrip(".") in RANKS)):
            yield " ".join(part)
            part = []
            skipped = {SIGN: "genus", RANKS["cv"]: "cultivar"}.get(word, "")
        elif skipped:
            skipped = "" if word[0].isalpha() else skipped
        else:
            part.append(word)
    yield " ".join(part)


def _full_words(words: str) -> list[str]:
    return [word for word in _WORD.findall(words) if key_of(word) not in PARTICLES]


def _are_authors(words: str, genus: str, known: Known) -> bool:
    """Whether what stands behind an epithet can be its authors."""
    for word in _full_words(words):
        noted = key_of(word) in _NO_AUTHORS and not re.search(rf"(?<![^\W\d_])[^\W\d_]\. ?{word}", words)
        if noted or key_of(word) == key_of(genus):  # S. Flores is no flower
            return False
        if key_of(word) not in AUTHORS_TOO and any(map(known.is_part, (word, _without_sign(word)))):
            return False
    found = [(part[1] is not None, part[1] or part[2] or "") for part in _IN_OR_OUT_OF_BRACKETS.finditer(words)]
    parts = [(bracketed, part.strip()) for bracketed, part in found if part.strip()]
    if parts and parts[-1][0] and not _may_end_a_name(parts[-1][1], genus):
        return False
    return all(_are_citations(part) for _, part in parts)


def _without_sign(word: str) -> str:
    """Leave out an x in front, which may be a hybrid's sign that sticks to an epithet."""
    return word[1:] if word[0] in "xX" else word


def _may_end_a_name(part: str, genus: str) -> bool:
    """Whether brackets at the end of a name hold authors, as "(L.)" does; "(Dog Rose)" and "(Q. Petraea)" do not."""
    if _full_words(part) and part[:2] == f"{genus[0]}.":
        return False
    return "." in part or "&" in part or part == "L" or any(YEAR.fullmatch(word) for word in part.split())


def _are_citations(part: str) -> bool:
    """Whether each author has one full name at most, or two where initials, a year or others beside show authors."""
    shown = "&" in part or any(YEAR.fullmatch(word) for word in re.split(r"[\s,]+", part))
    for author in _BETWEEN_AUTHORS.split(part):
        number = len(_full_words(author))
        initials = bool(_INITIAL.search(author)) and not author.strip().startswith("L. ")
        if _LINNAEUS_BEHIND_A_WORD.search(author) and number:
            return False
        if number > 1 and not initials and (number > 2 or not shown or _ABBREVIATION.search(author)):
            return False
    return True
