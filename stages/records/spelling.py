"""Names in the form that the parser needs: plain text, one hybrid sign, sentence case, compound epithets in one word.

Each function here changes how a name is written and cuts nothing of it off. All take time linear in its length.
"""

import html
import re
import unicodedata
from collections.abc import Callable

from stages.records.name_words import COMPOUND_PARTS, MARKS, NO_EPITHET, PARTICLES, QUALIFIERS, RANKS, letters_of

SIGN = "×"
_SIGNS = frozenset("×xX✕✖⨯⨉")
_PLAIN = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_YEAR = re.compile(r"\(?(1[5-9]|20)\d\d\)?")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)\b[^<>]*>")
_INLINE = frozenset({"i", "b", "em", "strong", "span", "u", "a", "font", "small", "sub", "sup", "cite"})
_TIDY = re.compile(r"[A-Za-z][A-Za-z.()-]*(?: [A-Za-z.()-]+)*")  # as most names are; it only saves time
# Listers of plants put marks in front: * is alien there and † extinct, and neither is a hybrid's sign.
_MARKS_IN_FRONT = " ,;.:*†‡•·-#"
_HIGHER = re.compile(r"[^\W\d_]{3,}(?:aceae|oideae|ales|eae)")
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
    text = _TAG.sub(lambda tag: "" if tag[1].lower() in _INLINE else " ", html.unescape(name))
    plain = []
    for character in unicodedata.normalize("NFKC", text).replace("_", " "):
        category = unicodedata.category(character)
        if category == "Pd":
            plain.append("-")
        elif character in "‘’‚‛`´ʼ":
            plain.append("'")
        elif character in "“”„‟":
            plain.append('"')
        elif category == "Cs":  # half a character, which no file can hold
            plain.append("\N{REPLACEMENT CHARACTER}")
        elif category not in ("Cf", "Cc") or character.isspace():
            plain.append(character)
    text = unicodedata.normalize("NFKC", " ".join("".join(plain).split())).rstrip(" ,;").lstrip(_MARKS_IN_FRONT)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text.count(text[0]) == 2:
        return text[1:-1]
    return text


def spread(text: str) -> str:
    """Let signs and marks stand apart: ``canina(L.)``, ``canina?``, ``subsp.alba``."""
    text = re.sub(r"([?/,;])", r" \1 ", text)
    text = re.sub(r"(?<=[^\W\d_])\(", " (", text)
    text = re.sub(r"\)(?=[^\W\d_])", ") ", text)
    text = _MARK_BEFORE_A_WORD.sub(r"\1 ", text)
    return re.sub(r"\(\s+", "(", re.sub(r"\s+\)", ")", " ".join(text.split())))


def sign_hybrids(text: str) -> str:
    """Write a hybrid's sign as × between spaces: ``Mentha x piperita``, ``Mentha ×piperita``, ``xChitalpa``."""
    words = []
    for word in text.replace(SIGN, f" {SIGN} ").split():
        if word in _SIGNS:
            words.append(SIGN)
        elif word[0] in "xX" and len(word) > 2 and word[1].isupper() and word[2].islower():
            words += [SIGN, word[1:]]
        else:
            words.append(word)
    return " ".join(words)


def drop_higher_taxa(text: str) -> str:
    """Leave out families, orders and tribes (ICN Art. 16 to 19) in front of a species' name."""
    words = text.split()
    while len(words) > 2 and _is_higher(words[0]) and _is_genus_behind(words[0], words[1]) and _goes_on(words[2]):
        words.pop(0)
    return " ".join(words)


def _is_higher(word: str) -> bool:
    return bool(_HIGHER.fullmatch(small(word))) or small(word) in _OLD_FAMILIES


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
                set_word = _titled(word) if _is_authors(word) else small(word)
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
        return _titled(word) if _YEAR.fullmatch(following) else small(word)
    return re.sub(r"(?<=\.)F\.", "f.", _titled(word))


def _is_mark(word: str) -> bool:
    """Whether a word is a rank or one of the marks that names bear: ``subsp.``, ``cf.``, ``s.l.``, ``agg.``."""
    return letters_of(word).casefold() in MARKS | RANKS.keys()


def _capital(word: str) -> str:
    return word[:1].upper() + small(word[1:])


def _titled(word: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda run: _capital(run[0]), word)


def join_compounds(text: str, is_known: Callable[[str], bool]) -> str:
    """Write a compound epithet in one word (ICN Art. 23.1, 60.11): ``crus galli`` is ``crus-galli``.

    It is one where ``is_known`` knows the name with a hyphen, or where its first part is never an epithet by itself.
    """
    words = text.split()
    place = _place_of_epithet(words, 1 if words[0] in (SIGN, "+") else 0)
    pair = words[place : place + 2]
    if len(pair) < 2 or not all(is_plain(word) and word.islower() for word in pair) or "-" in pair[0]:
        return text
    joined = "-".join(pair)
    follows = not _is_mark(pair[1]) and pair[1] not in PARTICLES
    if is_known(" ".join([*words[:place], joined])) or (follows and pair[0] in COMPOUND_PARTS):
        return " ".join([*words[:place], joined, *words[place + 2 :]])
    return text


def plain_vowels(text: str) -> str:
    """Leave out diaereses, which are optional (ICN Art. 60.7); umlauts (ä, ö, ü as ae, oe, ue) are the parser's.

    A letter is no umlaut where it stands behind a vowel or before the e that an umlaut would bring: ``müelleri``.
    """
    plain = {"ä": "a", "ö": "o", "ü": "u"}
    text = re.sub(r"(?<=[aeo])[äöü]|[äöü](?=e)", lambda letter: plain[letter[0]], text)
    return text.translate({ord("ë"): "e", ord("ï"): "i", ord("ÿ"): "y", ord("Ë"): "E", ord("Ï"): "I"})


def spell_ranks(text: str) -> str:
    """Write the ranks below the species as the parser knows them: ``subspecies`` is ``subsp.``."""
    words = text.split()
    for place in range(2, len(words) - 1):
        words[place] = RANKS.get(words[place].rstrip("."), words[place])
    return " ".join(words)
