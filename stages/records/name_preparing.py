"""A name before it is parsed: what is no part of it is told apart, and the rest is written as the parser reads it.

What says that the name is uncertain, or of another species, and what stands where nothing of a name can stand, refuses
it here already.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from stages.records.known import Known
from stages.records.name_words import (
    ALTERNATIVES,
    HIGHER_RANKS,
    MISAPPLIED,
    NO_EPITHET,
    NOTES,
    PARTICLES,
    QUALIFIERS,
    RANKS,
    REMARK,
    SENSU_OF_A_RANGE,
    YEAR,
    key_of,
)
from stages.records.spelling import (
    SIGN,
    drop_higher_taxa,
    is_plain,
    join_compounds,
    set_case,
    sign_hybrids,
    spell_ranks,
    spread,
)

UNCERTAIN, UNCLEAR, NOT_SCIENTIFIC = "uncertain_name", "unclear_name", "not_scientific"

_NO_NAMES = NOTES | NO_EPITHET
_DOUBTS = QUALIFIERS | MISAPPLIED | ALTERNATIVES
_QUOTED = re.compile(
    r"(?<=\s)(?:cv\.? ?)?(?:'(?=\S)([^']*(?:(?<=\S)'[^\s'][^']*)*)'|\"([^\"]+)\")(?=[\s,;]|$)", re.IGNORECASE
)
_QUOTED_IN_BRACKETS = re.compile(r"\((['\"][^'\"()]+['\"])\)")
_GROUP = re.compile(r" \(?((?:[A-ZÀ-Þ][\w-]* ){1,3})(?:Group|Grupo|Gp\.?)\)?$")
_RANKS = "|".join(sorted(RANKS, key=len, reverse=True))
_COMMA_BEFORE_A_RANK = re.compile(rf" , (?=(?i:{_RANKS})\.? [^\W\d_]+(?:-[^\W\d_]+)*(?:\s|$))")
_RANK_IN_BRACKETS = re.compile(rf" \(((?i:{_RANKS})\.? [^()]+)\)")
_YEAR_IN_BRACKETS = re.compile(r"\(((?:1[5-9]|20)\d\d)\)")
_SMALL_LINNAEUS = re.compile(r"(?<=[^\W\d_]{3}) l\.(?=\s|$)")  # behind an epithet, and not in "s. l."
_SUBGENUS = re.compile(rf"^((?:{SIGN} )?[^\W\d_]+) \(([^\W\d_]+)\)(?= (?:{SIGN} )?([^\W\d_]))")
_IN_BRACKETS = re.compile(r" \(([^()]*)\)")
_PARENT = re.compile(r"(?:([^\W\d_]+\.?) )?([^\W\d_]{3,}(?:-[^\W\d_]+)*)(?: (?![a-z]+(?:\s|$)).*)?")
_EMENDED = re.compile(rf"^((?:{SIGN} )?[^\W\d_]+ (?:{SIGN} )?[^\W\d_]\S* )emend\.? (?=[^\W\d_])")


@dataclass
class Prepared:
    """A name while it is prepared.

    Attributes:
        text: what is left of it, spelled as the parser reads it.
        rules: what had to be done to it, by name, in order.
        remarks: what was told apart from it and is no part of the name.
        cultivars: what was told apart and is below the species.
        of_genus: whether it says of its species that it is not known.
        of_small: whether it was written in small letters alone.
        open: whether more known species may change what it says.
        refused: why it is not plainly a species; ``None`` where the parser decides.
    """

    text: str
    rules: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cultivars: list[str] = field(default_factory=list)
    of_genus: bool = False
    of_small: bool = False
    open: bool = False
    refused: str | None = None

    def change(self, rule: str, changed: str) -> None:
        """Take another text, and the name of the rule where it is another one."""
        if changed != self.text:
            self.rules.append(rule)
        self.text = changed

    def unless_common(self, reason: str) -> str:
        """Give the reason, but for three or more small words without mark or author: black eyed susan is no name."""
        words = self.text.split()
        return NOT_SCIENTIFIC if self.of_small and len(words) > 2 and all(map(is_plain, words)) else reason


def prepare(text: str, known: Known, *, strip_doubts: bool) -> Prepared:
    """Prepare a name in tidy text; the arguments are those of ``read_name``."""
    name = Prepared(text)
    for step in (
        lambda: _take_cultivars(name, known),
        lambda: _take_doubts(name, strip_doubts=strip_doubts),
        lambda: _set_words(name, known),
        lambda: _take_brackets(name),
        lambda: _take_remarks(name),
    ):
        name.refused = step() or (None if name.text else NOT_SCIENTIFIC)
        if name.refused:
            break
    return name


def cultivar(words: str) -> str:
    """Write a cultivar's epithet in single quotes, its words with capitals (ICNCP Art. 14 and 21)."""
    words = " ".join(words.split())
    return f"'{words.title() if words.islower() or words.isupper() else words}'"


def _take_cultivars(name: Prepared, known: Known) -> str | None:
    """Take what stands in quotes, and groups of cultivars, which stand behind an epithet or a genus alone."""
    text = _QUOTED_IN_BRACKETS.sub(r"\1", name.text)
    for found in _QUOTED.finditer(text):
        quoted = found[1] if found[2] is None else found[2]
        before, behind = _QUOTED.sub(" ", text[: found.start()] + " "), _QUOTED.sub(" ", text[found.end() - 1 :])
        plain = [word for word in before.split() if _is_word(word)]
        if reason := why_no_cultivar(quoted, "".join(plain[:1]).capitalize(), known):
            return reason
        # A cultivar stands behind an epithet, or behind a genus that no epithet follows.
        if not plain or (len(plain) == 1 and any(map(_is_word, behind.strip("'\" ").split()))):
            return UNCLEAR
        name.cultivars.append(cultivar(quoted))
        name.open = True  # it may be the name of a species
    name.text = spread(_QUOTED.sub(" ", text))
    group = _GROUP.search(name.text)
    if group and len(name.text[: group.start()].split()) > 1:
        words = group[1].split()
        if all(key_of(word) not in NOTES and not known.is_part(word) for word in words):
            name.cultivars.append(f"{' '.join(words)} Group")
            name.text = name.text[: group.start()]
            name.open = True
    return None


def why_no_cultivar(quoted: str, genus: str, known: Known) -> str | None:
    """Say why words in quotes are no cultivar: a doubt, a sign, another species; ``None`` where they may be one."""
    words = quoted.split()
    # 'Ne Plus Ultra' is one, and "non gallica" is none.
    said = words if len(words) == 1 or quoted.isupper() or not all(word[0].isupper() for word in words) else []
    spoken = {key_of(word) for place, word in enumerate(said) if place == 0 or word.islower() or word.isupper()}
    if "?" in quoted or spoken & _DOUBTS:
        return UNCERTAIN
    letters = [letter for letter in quoted if letter.isalpha()]
    if not letters or {"x", SIGN} & set(words) or any(letter in "<>" for letter in quoted):
        return UNCLEAR
    species = [f"{genus} {words[0]}", " ".join([words[0].capitalize(), *words[1:]]).lower().capitalize()]
    of_genus = key_of(words[0]) == key_of(genus) and any(word.islower() for word in words[1:])
    if of_genus or any(name in known for name in species) or (len(words) == 1 and key_of(quoted) in _NO_NAMES):
        return UNCLEAR
    return None if letters[0].isupper() or quoted.islower() else UNCLEAR


def _is_word(word: str) -> bool:
    """Whether a word may be a genus or an epithet: of more letters than one, and of nothing else."""
    return is_plain(word) and len(word) > 1


def _take_doubts(name: Prepared, *, strip_doubts: bool) -> str | None:
    """Refuse what is one of several, of another species or uncertain; or take the doubts."""
    name.change("hybrids", sign_hybrids(name.text))
    if _of_another_species(name.text):
        return UNCERTAIN
    words = name.text.split()
    if doubts := [word for word in words if key_of(word) in QUALIFIERS]:
        if not strip_doubts:
            return UNCERTAIN
        name.remarks += doubts
        name.change(UNCERTAIN, " ".join(word for word in words if key_of(word) not in QUALIFIERS))
        if not name.text:
            return UNCERTAIN
    return UNCLEAR if "<" in name.text or ">" in name.text else None


def _of_another_species(text: str) -> bool:
    """Whether a name says that it is one of several, or that it was misapplied: or another species than it says."""
    words = SENSU_OF_A_RANGE.sub("", text.lower() if text.isupper() else text).split()
    return not ALTERNATIVES.isdisjoint(word.strip("()[]<>") for word in words) or any(
        key_of(word) in MISAPPLIED for place, word in enumerate(words) if place > 1
    )


def _set_words(name: Prepared, known: Known) -> str | None:
    """Write genus, epithets and ranks as the codes do."""
    is_known: Callable[[str], bool] = known.__contains__
    name.of_small = name.text == name.text.lower()
    text = _RANK_IN_BRACKETS.sub(r" \1", _YEAR_IN_BRACKETS.sub(r"\1", name.text))
    name.text = _SMALL_LINNAEUS.sub(" L.", _COMMA_BEFORE_A_RANK.sub(" ", text))
    name.change("higher_taxon", drop_higher_taxa(name.text))
    name.change("case", set_case(name.text, is_known))
    first, *more = name.text.split()
    if more and key_of(first) in HIGHER_RANKS and not all(word.isdigit() for word in more):
        return UNCLEAR
    if key_of(first) in NOTES:
        return name.unless_common(UNCLEAR)
    if not _lists_authors_only(name.text) or _lists_another(name.text):
        return UNCERTAIN
    name.text = " ".join(re.sub(r"[,;]", " ", name.text).split())
    if not name.text:
        return NOT_SCIENTIFIC
    name.text = _EMENDED.sub(r"\1", name.text)
    name.change("hyphen", join_compounds(name.text, is_known))
    return None


def _lists_authors_only(text: str) -> bool:
    """Whether all that follows a comma or semicolon is plainly an author or a year, no remark and no other name."""
    first, *more = re.split(r"[,;]", text)
    return all(_are_authors(part.split()) for part in more if part.strip()) and (bool(first.strip()) or not more)


def _are_authors(words: list[str]) -> bool:
    authorlike = all(
        YEAR.fullmatch(word)
        or word == "&"
        or key_of(word) in PARTICLES
        or word.strip("(")[:1].isupper()
        or ("." in word and key_of(word) not in RANKS)
        for word in words
    )
    return authorlike and any("." in word or word == "&" or YEAR.fullmatch(word) for word in words)


def _lists_another(text: str) -> bool:
    """Whether another species of the genus follows, abbreviated and with a capital: ``Rosa canina; R. Gallica``."""
    genus = text.split(maxsplit=1)[0]
    return bool(re.search(rf"(?:;|^\S+ [^\W\d_]+ ,) {re.escape(genus[0])}\. ?[^\W\d_]{{3,}}(?!\.)", text))


def _take_brackets(name: Prepared) -> str | None:
    """Take a subgenus, and the parents of a hybrid that has a name; what else stands in brackets must be authors."""
    found = _SUBGENUS.match(name.text)
    if found and found[3].islower() and found[2][0].isupper() and key_of(found[2]) not in _NO_NAMES:
        name.remarks.append(f"({found[2]})")
        name.change("subgenus", f"{found[1]}{name.text[found.end() :]}")
    if re.match(rf"(?:{SIGN} )?[^\W\d_]+ \([^()]*\) (?:{SIGN} )?(?![^\W\d_]*[A-Z.])[^\W\d_]", name.text):
        return UNCLEAR
    for bracket in _IN_BRACKETS.finditer(name.text):
        if SIGN in bracket[1].split():
            if not _has_parents(name.text[: bracket.start()].split(), bracket[1]):
                return UNCLEAR
            name.remarks.append(bracket[1])
            name.change("parentage", name.text[: bracket.start()] + name.text[bracket.end() :])
            break
    return UNCLEAR if any(SIGN in found.split() for found in _IN_BRACKETS.findall(name.text)) else None


def _has_parents(before: list[str], parents: str) -> bool:
    """Whether brackets give the parents, in full, of a hybrid whose own name stands before them, sign and all."""
    named = [word for word in before[:4] if word != SIGN]
    signed = SIGN in before[:2] and SIGN not in before[2:]
    if not signed or len(named) < 2 or not (is_plain(named[1]) and named[1].islower()):
        return False
    found = [_PARENT.fullmatch(parent.strip()) for parent in parents.split(SIGN)]
    return (
        len(found) > 1
        and all(parent and parent[2].islower() and (not parent[1] or parent[1][0].isupper()) for parent in found)
        and len({parent[2] for parent in found if parent}) > 1
    )


def _take_remarks(name: Prepared) -> str | None:
    """Take remarks that leave the species what it is, and marks of a genus; spell what is left."""
    genus, _, rest = name.text.partition(" ")
    name.remarks += [found[0] for found in REMARK.finditer(rest)]
    name.change("remark", " ".join([genus, *REMARK.sub(" ", rest).split()]))
    of_genus = _without_marks_of_a_genus(name.text)
    name.of_genus = of_genus != name.text
    name.text = _end_epithet(spell_ranks(of_genus))
    return None


def _without_marks_of_a_genus(text: str) -> str:
    """Leave out what says that the species is not known: ``sp.``, ``hyb.``, a rank that no epithet follows."""
    genus, *words = text.split()
    kept = [word for word in words if key_of(word) not in NO_EPITHET]
    if len(words) == 1 and key_of(words[0]) in RANKS:
        kept = []
    return " ".join([genus, *kept])


def _end_epithet(text: str) -> str:
    """Leave out the full stop of a sentence: ``Rosa canina.``; a short word with one is an abbreviation."""
    words = text.split()
    last = words[-1].rstrip(".") if words else ""
    if len(words) in (2, 3) and len(last) > 3 and is_plain(last) and last.islower():
        words[-1] = last
    return " ".join(words)
