"""From names as sources write them to labels: one species, one spelling.

A name is taken apart into genus, epithet, ranks below the species, authors and remarks, by the order and the form of
its words; the codes of nomenclature fix both (ICN, Shenzhen Code 2018, articles 20 to 24 and H.3 to H.7). Each rule of
params.yaml (``labels``) then changes its part. What does not look like a scientific name is only tidied up.
"""

import csv
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from stages.errors import UserError
from stages.params import Labels

GENUS_ONLY, UNCERTAIN = "genus_only", "uncertain_name"
MAX_EDITS = 2  # of a suspicious pair
_BEGINNING = 10  # letters of a name by which candidates for a pair are found

_HYBRID_SIGNS = frozenset("×xX✕✖⨯⨉*")
_QUALIFIERS = frozenset({"cf", "aff", "nr", "near", "prob", "?", "(?)"})
_NO_EPITHET = frozenset({"sp", "spp", "species", "spec", "indet"})
_RANKS = {
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
_USAGE = frozenset({"auct", "auctt", "hort", "non", "nec", "sensu"})
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
_BELOW_SPECIES = (Part.RANK, Part.INFRASPECIFIC, Part.CULTIVAR)


class Cleaned(NamedTuple):
    """What became of a name.

    Attributes:
        label: the name to use; ``None`` where it is refused.
        rules: the names of the rules that changed or refused it, in their order.
    """

    label: str | None
    rules: tuple[str, ...]


class LabelCleaner:
    """Applies the rules of params.yaml to names, one after the other."""

    def __init__(self, rules: Labels, synonyms: dict[str, str], *, where: str = "synonyms") -> None:
        """Prepare the rules.

        Args:
            rules: section ``labels`` of params.yaml.
            synonyms: accepted name by synonym; their spelling is cleaned by the same rules as any name's.
            where: they come from, for messages.

        Raises:
            UserError: the synonyms go round in a circle, or a name is accepted that the rules refuse.
        """
        steps: list[tuple[str, bool, Callable[[str], str | None]]] = [
            ("unicode", rules.unicode, tidy),
            ("hybrids", rules.hybrids, sign_hybrids),
            ("case", rules.case, set_case),
            ("synonyms", rules.synonyms, self._rename),  # as written, with authors: Rosa gallica auct. non L.
            (UNCERTAIN, rules.uncertain != "keep", _refuse_uncertain if rules.uncertain == "refuse" else certain),
            ("authorship", rules.authorship, drop_authors),
            ("synonyms", rules.synonyms, self._rename),  # before a subspecies is rolled up into its species
            ("below_species", rules.below_species == "species", roll_up),
            ("ranks", rules.below_species == "keep", spell_ranks),
            (GENUS_ONLY, True, _refuse_genus_only if rules.genus_only == "refuse" else bare_genus),
            ("synonyms", rules.synonyms, self._rename),
        ]
        self._steps = [(name, step) for name, wanted, step in steps if wanted]
        self._synonyms: dict[str, str] = {}
        if rules.synonyms:
            self._synonyms = self._resolve(synonyms, where)

    def clean(self, name: str) -> Cleaned:
        """Give the label for a name."""
        applied: list[str] = []
        label: str | None = name
        for rule, step in self._steps:
            changed = step(label)
            if changed != label:
                applied.append(rule)
            label = changed
            if not label:
                return Cleaned(None, tuple(applied))
        return Cleaned(label, tuple(applied))

    def _rename(self, name: str) -> str:
        return self._synonyms.get(spell_ranks(name), name)

    def _spell_synonym(self, name: str) -> str:
        """Spell a synonym so that it stands for no more than it says.

        What is below its species stays, and so do remarks on usage, without which a misapplied name would be the name
        itself.
        """
        own = {"unicode", "hybrids", "case"}
        if not any(part is Part.AUTHOR and _key(word) in _USAGE for part, word in parse(set_case(tidy(name)))):
            own.add("authorship")
        for rule, step in self._steps:
            if rule in own:
                name = step(name) or ""
        return spell_ranks(name)

    def _resolve(self, synonyms: dict[str, str], where: str) -> dict[str, str]:
        spelled: dict[str, str] = {}
        for synonym, accepted in synonyms.items():
            before, after = self._spell_synonym(synonym), self.clean(accepted).label
            if after is None:
                raise UserError(f"{where}: {accepted!r} cannot be an accepted name: the rules of `labels` refuse it")
            if before != after and spelled.setdefault(before, after) != after:
                raise UserError(f"{where}: {before!r} has two accepted names, {spelled[before]!r} and {after!r}")
        resolved = {}
        for synonym, accepted in spelled.items():
            way, name = [synonym], accepted
            while name in spelled:
                way.append(name)
                name = spelled[name]
                if name in way:
                    raise UserError(f"{where}: {' -> '.join([*way, name])} goes round in a circle")
            resolved[synonym] = name
        return resolved


def read_synonyms(path: Path) -> dict[str, str]:
    """Read a CSV with the columns synonym and accepted (more may follow); a file that is missing holds none.

    Raises:
        UserError: it has other columns, an empty cell, or is no CSV in UTF-8.
    """
    if not path.is_file():
        return {}
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8: save it as one") from None
    except csv.Error as error:
        raise UserError(f"{path} is no CSV ({error}): see to the quotes in it") from None
    header, *rows = lines or [[]]
    if header[:2] != ["synonym", "accepted"]:
        raise UserError(f"{path} must begin with the columns synonym,accepted (found {','.join(header)[:80]!r})")
    numbered = [(number, row[:2]) for number, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)]
    if empty := [number for number, row in numbered if len(row) < 2 or not all(cell.strip() for cell in row)]:
        raise UserError(f"{path}: row {empty[0]} lacks a synonym or an accepted name")
    rows = [tuple(row) for _, row in numbered]
    counts = Counter(synonym for synonym, _ in set(rows))
    if twice := [synonym for synonym, count in counts.items() if count > 1]:
        raise UserError(f"{path}: {twice[0]!r} has two accepted names: keep one")
    return dict(rows)


def suspicious_pairs(counts: pl.DataFrame) -> pl.DataFrame:
    """Find labels that are one or two edits apart (Damerau's four kinds of slips, optimal string alignment).

    Args:
        counts: species and images.

    Returns:
        species, images, other, other_images, edits: the rarer name of each pair first, as it is the likelier slip; the
        pairs with the fewest edits first, then those in which the other name is the commonest.
    """
    counts = counts.sort("species")
    names = counts["species"]
    pairs = _candidate_pairs(names)
    edits = cpdist(
        names[pairs["a"]].to_list(), names[pairs["b"]].to_list(), scorer=OSA.distance, score_cutoff=MAX_EDITS
    )
    pairs = pairs.with_columns(edits=pl.Series(edits, dtype=pl.Int32)).filter(pl.col("edits") <= MAX_EDITS)
    images = counts["images"]
    swapped = images[pairs["a"]] > images[pairs["b"]]
    first, second = (
        pairs.select(pl.when(swapped).then(one).otherwise(other)).to_series() for one, other in (("b", "a"), ("a", "b"))
    )
    return pl.DataFrame(
        {
            "species": counts["species"][first],
            "images": images[first],
            "other": counts["species"][second],
            "other_images": images[second],
            "edits": pairs["edits"],
        }
    ).sort("edits", "other_images", "species", "other", descending=[False, True, False, False])


def _candidate_pairs(names: pl.Series) -> pl.DataFrame:
    """Give the pairs of names that may be so few edits apart: a and b, positions, a before b.

    Comparing each with each is quadratic. Names that few edits apart have beginnings that become equal when as many
    letters are deleted from either (symmetric deletion, Garbe 2012), so only names that share such a rest are compared.
    """
    beginnings = names.str.slice(0, _BEGINNING)
    rests: list[str] = []
    owners: list[str] = []
    for start in beginnings.unique():
        kept = {
            "".join(letter for place, letter in enumerate(start) if place not in deleted)
            for number in range(min(MAX_EDITS, len(start)) + 1)
            for deleted in combinations(range(len(start)), number)
        }
        rests += kept
        owners += [start] * len(kept)
    rest = pl.DataFrame({"rest": rests, "one": owners}, schema={"rest": pl.String, "one": pl.String})
    alike = rest.join(rest.rename({"one": "other"}), on="rest").select("one", "other").unique()
    numbered = pl.DataFrame({"one": beginnings}).with_row_index("a")
    pairs = numbered.join(alike, on="one").join(numbered.select(other="one", b="a"), on="other")
    return pairs.filter(pl.col("a") < pl.col("b")).select("a", "b").sort("a", "b")


def parse(name: str) -> Parts:
    """Say what each word of a name is; nothing for what does not look like a scientific name."""
    words = name.split()
    # Common names have three small words too: black eyed susan is no trinomial.
    common = name == name.lower()
    parts: Parts = []
    while words and (_is_hybrid_sign(words[0]) or _is_qualifier(words[0])):
        parts.append((Part.HYBRID if _is_hybrid_sign(words[0]) else Part.QUALIFIER, words.pop(0)))
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
    if _is_hybrid_sign(word):
        return [Part.HYBRID]
    if _is_qualifier(word):
        return [Part.QUALIFIER]
    if cultivar := _quoted(words):
        return [Part.CULTIVAR] * cultivar
    if _key(word) in _NO_EPITHET | _RANKS_ABOVE:
        return [Part.NO_EPITHET] * len(words)
    if Part.AUTHOR not in kinds and _is_epithet(word):
        return [Part.EPITHET]
    return [] if word[0].isdigit() and Part.AUTHOR not in kinds else [Part.AUTHOR]


def _after_epithet(last: Part, words: list[str]) -> list[Part]:
    """Say what the next words are after an epithet and the part ``last``."""
    word = words[0]
    if _is_hybrid_sign(word):
        return [Part.PARENT]
    if _is_qualifier(word):
        return [Part.QUALIFIER]
    if cultivar := _quoted(words):
        return [Part.CULTIVAR] * cultivar
    # The f. of an author is "filius": what follows a forma is an epithet, in small letters.
    filius = _key(word) == "f" and not (len(words) > 1 and words[1].islower())
    if _key(word) in _RANKS and not filius and len(words) > 1 and _is_epithet(words[1]):
        return [Part.RANK, Part.INFRASPECIFIC]
    # Zoologists and iNaturalist write no rank.
    follows_a_name = last in (Part.EPITHET, Part.INFRASPECIFIC)
    if follows_a_name and word.islower() and len(word) > 2 and _is_epithet(word):
        return [Part.INFRASPECIFIC]
    return [Part.AUTHOR]


def _in_formula(before: str, word: str) -> Part:
    """Say what a word behind the sign of a hybrid formula is: part of a parent's name, or an author."""
    return Part.PARENT if _is_hybrid_sign(before) or _is_hybrid_sign(word) or word.islower() else Part.AUTHOR


def _quoted(words: list[str]) -> int:
    """Give the number of words that a quotation at the beginning takes; 0 if there is none, or no end of it."""
    quote = words[0][0]
    if quote not in "'\"":
        return 0
    ends = (number for number, word in enumerate(words, 1) if word[-1] == quote and (number > 1 or len(word) > 1))
    return next(ends, 0)


def _is_qualifier(word: str) -> bool:
    """Whether a word says that a name is not certain; ``/gallica`` is the other of two names that it may be."""
    return _key(word) in _QUALIFIERS or (len(word) > 1 and word[0] == "/")


def _is_hybrid_sign(word: str) -> bool:
    return word in _HYBRID_SIGNS


def _is_epithet(word: str) -> bool:
    word = word.rstrip(_PUNCTUATION)
    return len(word) > 1 and bool(_WORD.fullmatch(word)) and word.lower() not in _PARTICLES


def _key(word: str) -> str:
    return word.lower().rstrip(".,") or word


def _spelled(parts: Parts, name: str) -> str:
    return " ".join(word for _, word in parts) if parts else name


def tidy(name: str) -> str:
    """Bring text to one form: compatibility characters (NFKC), HTML entities, dashes, quotes, white space."""
    text = unicodedata.normalize("NFKC", html.unescape(name)).replace("_", " ")
    plain = []
    for character in text:
        category = unicodedata.category(character)
        if category == "Pd":
            plain.append("-")
        elif character in "‘’‚‛`´ʼ":
            plain.append("'")
        elif character in "“”„‟":
            plain.append('"')
        elif category not in ("Cf", "Cc") or character.isspace():
            plain.append(character)
    # Remarks stand apart: canina? is canina ?, canina/gallica is canina /gallica.
    text = re.sub(r"(?<=[^\W\d_]{2})(\?|/(?=[^\W\d_]))", r" \1", "".join(plain))
    return " ".join(text.split()).strip(" ,;")


def sign_hybrids(name: str) -> str:
    """Write a hybrid's sign as × between spaces: ``Mentha x piperita`` and ``Mentha ×piperita`` are one name."""
    words = name.replace("×", " × ").split()
    # A last letter x may be anything; a sign stands before a name.
    return " ".join("×" if _is_hybrid_sign(word) and words[place + 1 :] else word for place, word in enumerate(words))


def set_case(name: str) -> str:
    """Write the genus with a capital and epithets and ranks without: ``ROSA CANINA L.`` -> ``Rosa canina L.``."""
    lower = (Part.EPITHET, Part.RANK, Part.INFRASPECIFIC)
    return _spelled(
        [
            (part, word.capitalize() if part is Part.GENUS else word.lower() if part in lower else word)
            for part, word in parse(name)
        ],
        name,
    )


def certain(name: str) -> str:
    """Leave out remarks that a name is not certain: ``Rosa cf. canina`` -> ``Rosa canina``."""
    return _spelled([entry for entry in parse(name) if entry[0] is not Part.QUALIFIER], name)


def drop_authors(name: str) -> str:
    """Leave out authors, years and remarks on usage: ``Rosa canina L.`` -> ``Rosa canina``."""
    return _spelled([entry for entry in parse(name) if entry[0] is not Part.AUTHOR], name)


def roll_up(name: str) -> str:
    """Leave out what is below the species: ``Quercus ilex subsp. ballota`` -> ``Quercus ilex``."""
    parts = parse(name)
    below = next((place for place, (part, _) in enumerate(parts) if part in _BELOW_SPECIES), len(parts))
    kept = parts[:below] + [entry for entry in parts[below:] if entry[0] is Part.PARENT]
    return _spelled(kept, name)


def spell_ranks(name: str) -> str:
    """Write ranks below the species in one way: ``ssp.`` and ``subspecies`` are ``subsp.``."""
    return _spelled([(part, _RANKS[_key(word)] if part is Part.RANK else word) for part, word in parse(name)], name)


def bare_genus(name: str) -> str:
    """Write ``Rosa sp.`` and ``Rosa spp.`` as ``Rosa``."""
    return _spelled([entry for entry in parse(name) if entry[0] is not Part.NO_EPITHET], name)


def _refuse_uncertain(name: str) -> str | None:
    return None if any(part is Part.QUALIFIER for part, _ in parse(name)) else name


def _refuse_genus_only(name: str) -> str | None:
    parts = parse(name)
    names_a_kind = any(part in (Part.EPITHET, Part.CULTIVAR, Part.PARENT) for part, _ in parts)
    return name if names_a_kind or not parts else None


def clean_labels(names: Iterable[str], cleaner: LabelCleaner) -> dict[str, Cleaned]:
    """Clean each of the names once."""
    return {name: cleaner.clean(name) for name in sorted(set(names))}
