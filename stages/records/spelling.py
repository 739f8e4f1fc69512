"""Names in the form that the parser needs: plain text, one hybrid sign, sentence case, compound epithets in one word.

Each function here changes how a name is written and cuts nothing of its species off: tags, higher taxa and marks around
it alone go. All take time linear in a name's length.
"""

import html
import re
import unicodedata
from collections.abc import Callable

from stages.records.name_words import (
    COMPOUND_PARTS,
    COMPOUNDS,
    MARKS,
    NEVER_EPITHETS,
    NO_EPITHET,
    PARTICLES,
    QUALIFIERS,
    RANKS,
    YEAR,
    key_of,
    letters_of,
)

SIGN = "×"
_SIGN_LETTERS = "×xX✕✖⨯⨉"
_SIGNS = frozenset(_SIGN_LETTERS)
_BRACKETED_SIGN = re.compile(rf"[(\[]\s*[{_SIGN_LETTERS}]\s*[)\]]")
_SIGN_IN_FRONT = re.compile(rf"(?<=\()[{_SIGN_LETTERS}](?=\s)")  # (x petraea)
_PLAIN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
# What HTML has beside words. <s> and <del> strike out what is not so, and <cf.> is no tag: these stay, for a refusal.
_INLINE = frozenset({"i", "b", "em", "strong", "span", "u", "a", "font", "small", "big", "cite", "mark", "abbr", "tt"})
_BLOCKS = frozenset({
    "p", "br", "div", "td", "th", "tr", "table", "tbody", "ul", "ol", "li", "dl", "dt", "dd", "hr", "sub", "sup",
    "h1", "h2", "h3", "h4", "h5", "h6", "html", "body", "center", "pre", "code", "label", "section",
})  # fmt: skip
_TAG = re.compile(rf"</?({'|'.join(sorted(_INLINE | _BLOCKS))})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BETWEEN_TAGS = re.compile(r"(?<=</[A-Za-z]>)(?=<[A-Za-z])|(?<=</em>)(?=<[A-Za-z])", re.IGNORECASE)  # </i><i>
_TIDY = re.compile(r"[A-Za-z](?:[A-Za-z.()-]*[A-Za-z.)])?(?: [A-Za-z(](?:[A-Za-z.()-]*[A-Za-z.)])?)*")  # it saves time
_SINGLE_QUOTES, _DOUBLE_QUOTES = "‘’‚‛`´ʼ‹›", "“”„‟«»"
_QUOTES = str.maketrans(dict.fromkeys(_SINGLE_QUOTES, "'") | dict.fromkeys(_DOUBLE_QUOTES, '"'))
# Listers of plants put marks in front: * is alien there and † extinct, and neither is a hybrid's sign.
_MARKS_IN_FRONT = " ,;.:*†‡•·-#¡"
_MARKS_BEHIND = frozenset(" ,;:!*†‡•·")
_BRACKETS = {"(": ")", "[": "]"}
_HIGHER = re.compile(
    r"[^\W\d_]{3,}(?:aceae|oideae|ales|eae|phyta|phytina|opsida|mycota|phyceae)|plantae|angiosperms?|gymnosperms?"
)
_FAMILY = re.compile(r"[^\W\d_]{3,}aceae")
# The eight families that have a second name of their own (ICN Art. 18.5).
_OLD_FAMILIES = frozenset({
    "compositae", "cruciferae", "gramineae", "guttiferae", "labiatae", "leguminosae", "palmae", "umbelliferae",
})  # fmt: skip
_MARKS = "|".join(sorted((NO_EPITHET | QUALIFIERS | RANKS.keys()) - {"?"}, key=len, reverse=True))
_MARK_BEFORE_A_WORD = re.compile(rf"(?<!\S)((?:{_MARKS})\.)(?=[^\W\d_])", re.IGNORECASE)


def tidy(name: str) -> str:
    """Bring text to one form: NFKC, no HTML, one kind of dashes, quotes and white space, nothing that is not seen.

    Until nothing changes: what one step takes out may leave something for another (``&amp;times;``, a letter of no
    width before an accent), and what is tidy must stay as it is.
    """
    if _TIDY.fullmatch(name):
        return name
    before = None
    while name != before:
        before = name
        name = _tidy_once(name)
    return name


def _tidy_once(name: str) -> str:
    text = _BETWEEN_TAGS.sub(" ", html.unescape(name))
    text = _TAG.sub(lambda tag: "" if tag[1].lower() in _INLINE else " ", text)
    text = text.translate(_QUOTES)  # first, as an acute accent would become one over a blank
    plain = []
    for character in unicodedata.normalize("NFKC", text).replace("_", " "):
        category = unicodedata.category(character)
        if category == "Pd":
            plain.append("-")
        elif category == "Cs":  # half a character, which no file can hold
            plain.append("\N{REPLACEMENT CHARACTER}")
        elif category not in ("Cf", "Cc") or character.isspace():
            plain.append(character)
    text = unicodedata.normalize("NFKC", " ".join("".join(plain).split()))
    text = _without_marks_behind(text).lstrip(_MARKS_IN_FRONT)
    inner = text[1:-1]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in inner:
        return inner
    if len(text) > 1 and _BRACKETS.get(text[0]) == text[-1] and not any(bracket in inner for bracket in "()[]"):
        return inner
    return text


def _without_marks_behind(text: str) -> str:
    """Leave out marks at the end; a hyphen at a word stands for what is missing there, and a stop for its letters."""
    end = len(text)
    while end:
        mark, before = text[end - 1], text[end - 2 : end - 1]
        needless = (mark == "-" and before in ("", " ")) or (mark == "." and before in (")", "]"))
        if mark not in _MARKS_BEHIND and not needless:
            break
        end -= 1
    return text[:end]


def spread(text: str) -> str:
    """Let signs and marks stand apart: ``canina(L.)``, ``canina?``, ``subsp.alba``."""
    text = re.sub(r"([?/|,;])", r" \1 ", text)
    text = re.sub(r"(?<=[^\W\d_])\(", " (", text)
    text = re.sub(r"\)(?=[^\W\d_])", ") ", text)
    text = _MARK_BEFORE_A_WORD.sub(r"\1 ", text)
    return re.sub(r"\(\s+", "(", re.sub(r"\s+\)", ")", " ".join(text.split())))


def sign_hybrids(text: str) -> str:
    """Write a hybrid's sign as × between spaces: ``Mentha x piperita``, ``Mentha (×) piperita``, ``xChitalpa``.

    Where all words have capitals, the epithet behind it gets a small letter: ``Fragaria X Ananassa``.
    """
    words: list[str] = []
    text = _BRACKETED_SIGN.sub(f" {SIGN} ", _SIGN_IN_FRONT.sub(f"{SIGN} ", text))
    for word in text.replace(SIGN, f" {SIGN} ").split():
        if word in _SIGNS:
            words.append("X" if word == "X" and len(words) == 1 else SIGN)
        elif word[0] in "xX" and len(word) > 2 and word[1].isupper() and word[2].islower():
            words += [SIGN, word[1:]]
        else:
            words.append(word)
    if words[1:2] == ["X"]:
        words[1:3] = SIGN, *(small(word) if is_plain(word) and word.istitle() else word for word in words[2:3])
    return re.sub(r"\( ", "(", re.sub(r" \)", ")", " ".join(words)))


def drop_higher_taxa(text: str) -> str:
    """Leave out families, orders and tribes (ICN Art. 16 to 19) in front of a species' name, and a family behind it."""
    words = text.split()
    start = 0
    while start < len(words) and is_higher(words[start].rstrip(":")):
        behind = start + 1
        if behind < len(words) and words[behind] in (",", ":", "-"):
            behind += 1
        if len(words) - behind < 2 or not _is_genus_behind(words[start], words[behind].rstrip(":")):
            break
        if not _goes_on(words[behind + 1]):
            break
        start = behind
    words = words[start:]
    if len(words) > 2 and is_plain(words[0]) and _is_family(words[-1].strip("()[]")):
        words.pop()
        if len(words) > 2 and key_of(words[-1]) in ("fam", "familia", "family", "", "-"):
            words.pop()
    return " ".join(words)


def is_higher(word: str) -> bool:
    """Whether a word names a family, an order, a tribe or what is above, by its ending or as one of the old ones."""
    return bool(_HIGHER.fullmatch(small(word))) or small(word) in _OLD_FAMILIES


def _is_family(word: str) -> bool:
    return bool(_FAMILY.fullmatch(small(word))) or small(word) in _OLD_FAMILIES


def _is_genus_behind(first: str, second: str) -> bool:
    """Whether a word can be a genus behind a higher taxon: it has a capital, or that has none either."""
    return is_plain(second) and (second[0].isupper() or first.islower())


def _goes_on(word: str) -> bool:
    """Whether a word can follow a genus in a species' name, as an author cannot: an epithet, a sign, a mark."""
    return is_plain(word) or word == SIGN or word[0] == "(" or _is_mark(word)


def is_plain(word: str) -> bool:
    """Whether a word is of letters alone, perhaps with hyphens between them."""
    return bool(_PLAIN.fullmatch(word))


def small(word: str) -> str:
    """Write a word in small letters; Turkish İ becomes i, which has no dot of its own to keep."""
    return word.lower().replace("\N{COMBINING DOT ABOVE}", "")


def set_case(text: str, is_known: Callable[[str], bool]) -> str:
    """Write the genus with a capital and epithets without, as the codes do (ICN Art. 20.1, 60 F.1).

    Names in capitals or small letters alone are set throughout. A second word with a capital may be an epithet or an
    author: it is taken for an epithet where the genus has none, or where ``is_known`` knows the name that it makes.
    """
    words = text.split()
    start = 1 if words[0] in (SIGN, "+") else 0
    if len(words) <= start or not is_plain(words[start]):
        return text
    letters = "".join(letters_of(word) for word in words if word != SIGN)
    place = _place_of_epithet(words, start)
    epithet = words[place] if place < len(words) else ""
    if letters == small(letters) or letters.isupper():
        return " ".join(_sentence_case(words, set(range(len(words)))))
    if all(len(word) > 1 and is_plain(word) and word.isupper() for word in (words[start], epithet)):
        loud = {at for at, word in enumerate(words) if letters_of(word).isupper()}
        return " ".join(_sentence_case(words, loud))
    of_small = words[start].islower()
    words[start] = _capital(words[start])
    if is_plain(epithet) and epithet != small(epithet):
        before = " ".join(words[:place])
        after = words[place + 1] if place + 1 < len(words) else ""
        if YEAR.fullmatch(after):  # an author: Abies Miller 1754
            return " ".join(words)
        compound = f"{small(epithet)}-{small(after)}"
        if is_plain(after) and is_known(f"{before} {compound}"):
            words[place : place + 2] = small(epithet), small(after)
        elif of_small or is_known(f"{before} {small(epithet)}"):
            words[place] = small(epithet)
    return " ".join(words)


def _place_of_epithet(words: list[str], start: int) -> int:
    """Give where the epithet of the first name stands: behind the genus, a subgenus in brackets, a hybrid's sign."""
    place = start + 1
    while place < len(words) and (words[place] == SIGN or (words[place][0] == "(" and words[place][-1] == ")")):
        place += 1
    return place


def _sentence_case(words: list[str], loud: set[int]) -> list[str]:
    """Set the case of a name whose letters do not say what is what; ``loud`` are the places of those to be changed.

    A word with a full stop that is no rank is an author's. One of letters alone behind the epithet is never taken for
    an author, but for the one before a year: as an author it would be cut off.
    """
    done: list[str] = []
    expected = "genus"
    for place, word in enumerate(words):
        after = words[place + 1 : place + 3]
        mark = letters_of(word).casefold()
        set_word = word
        if word == SIGN:
            expected = "parent" if expected == "rest" else expected
        elif mark:
            if expected == "parent":  # the other parent of a hybrid: in full, abbreviated, or its epithet alone
                own_genus = len(mark) == 1 or bool(after and is_plain(after[0]) and not _is_mark(after[0]))
                expected = "genus" if own_genus else "epithet"
            if expected == "genus":
                set_word, expected = _capital(word), "epithet"
            elif expected == "epithet":
                authors = _is_authors(word) or YEAR.fullmatch(next((word for word in after if word != ","), ""))
                set_word = _titled(word) if authors else small(word)
                if word[0] != "(" and (not _is_mark(word) or mark in RANKS):
                    expected = "rest"
            else:
                set_word = _behind_epithet(word, done[-1], after)
        done.append(set_word if place in loud else word)
    return done


def _is_authors(word: str) -> bool:
    """Whether a word is not of letters alone and yet no mark: ``MILL.``; or a subgenus in brackets."""
    return not is_plain(word) and not _is_mark(word)


def _behind_epithet(word: str, before: str, after: list[str]) -> str:
    """Set the case of a word behind an epithet: ranks and marks, authors' abbreviations, epithets."""
    following = next((word for word in after if word != ","), "")
    mark = letters_of(word).casefold()
    if mark == "f" and is_plain(before) and not is_plain(following):
        return _titled(word)  # Eucalyptus alba F. Muell.
    if _is_mark(word) or mark in PARTICLES:
        return small(word)
    if is_plain(word):
        return _titled(word) if YEAR.fullmatch(following) else small(word)
    return re.sub(r"(?<=\.)F\.", "f.", _titled(word))


def _is_mark(word: str) -> bool:
    """Whether a word is a rank or one of the marks that names bear: ``subsp.``, ``cf.``, ``s.l.``, ``agg.``."""
    mark = key_of(letters_of(word))
    return mark in MARKS or mark in RANKS


def _capital(word: str) -> str:
    return word[:1].upper() + small(word[1:])


def _titled(word: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda run: _capital(run[0]), word)


def join_compounds(text: str, is_known: Callable[[str], bool]) -> str:
    """Write a compound epithet in one word (ICN Art. 23.1, 60.11): ``crus galli`` is ``crus-galli``.

    It is one where its first part is never an epithet by itself before that second one, or where ``is_known`` knows
    the name with a hyphen and not the one of its first part alone: then the second may stand for what is below it.
    """
    words = text.split()
    place = _place_of_epithet(words, 1 if words[0] in (SIGN, "+") else 0)
    pair = words[place : place + 2]
    if len(pair) < 2 or not all(is_plain(word) and word.islower() for word in pair) or "-" in pair[0]:
        return text
    first, second = pair
    before = words[:place]
    follows = not _is_mark(second) and second not in NEVER_EPITHETS
    compound = follows and (first in COMPOUND_PARTS or second in COMPOUNDS.get(first, ()))
    known = is_known(" ".join([*before, f"{first}-{second}"])) and not is_known(" ".join([*before, first]))
    return " ".join([*before, f"{first}-{second}", *words[place + 2 :]]) if compound or known else text


def plain_vowels(text: str) -> str:
    """Leave out diaereses, which are optional (ICN Art. 60.7); umlauts (ä, ö, ü as ae, oe, ue) are the parser's.

    A letter is no umlaut where it stands behind a vowel or before the e that an umlaut would bring: ``müelleri``.
    """
    plain = {"ä": "a", "ö": "o", "ü": "u"}
    text = re.sub(r"(?<=[aeo])[äöü]|[äöü](?=e)", lambda letter: plain[letter[0]], text)
    return text.translate({ord("ë"): "e", ord("ï"): "i", ord("ÿ"): "y", ord("Ë"): "E", ord("Ï"): "I"})


def spell_ranks(text: str) -> str:
    """Write the ranks below the species as the parser knows them: ``subspecies`` and ``Subsp.`` are ``subsp.``.

    With a capital it is a rank before an epithet alone: ``F.`` may be an author's.
    """
    words = text.split()
    for place in range(2, len(words) - 1):
        word, after = words[place].rstrip("."), words[place + 1]
        epithet = is_plain(after) and after.islower() and not _is_mark(after) and after not in PARTICLES
        words[place] = RANKS.get(small(word) if epithet else word, words[place])
    return " ".join(words)
