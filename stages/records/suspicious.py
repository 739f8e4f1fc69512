"""Names to be looked at by a person: those that are a slip apart, and those that are one species by what was cut off.

Nothing is merged on suspicion, and nothing that was merged stays unsaid.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations

import polars as pl
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

from stages.records.name_words import letters_of
from stages.records.names import AUTHORS, BELOW_SPECIES, REMARK, Cleaned
from stages.tables.export import SUSPICIOUS_NAMES

MAX_EDITS = 2  # of a suspicious pair
_SHORTEST_ABBREVIATION = 3  # letters of an author by which another is told
_LINNAEUS = ("l", "linn", "linne", "linné", "linnaeus")
_BEGINNING = 10  # letters of a name by which candidates for a pair are found


def suspicious_pairs(counts: pl.DataFrame) -> pl.DataFrame:
    """Find species' names that are one or two edits apart (Damerau's four kinds of slips, optimal string alignment).

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


def merged_names(cleaned: Mapping[str, Cleaned], images: Mapping[str, int]) -> pl.DataFrame:
    """Find species that several names are only because something was cut off: other authors, subspecies, remarks.

    That nothing was cut off counts as another part, but for authors: a name says the same with them and without. Only
    where a bare word stands for them, it may be no author ("Rosa canina Madrid"), and is listed beside such a name.

    Args:
        cleaned: what became of each name.
        images: by name.

    Returns:
        Columns of ``SUSPICIOUS_NAMES``, a row for each part that was cut off a species' names beside the commonest one,
        with the commonest name that it was cut off; those of the most images first.
    """
    parts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    names: dict[tuple[str, str, str, str], str] = {}
    bare: set[tuple[str, str, str, str]] = set()
    for name in sorted(cleaned, key=lambda name: (-images[name], name)):
        found = cleaned[name]
        for kind, words in _parts_of(found):
            part = (found.of or found.name or "", found.name or "", kind)
            key = _key_of(kind, words)
            parts[part][key] += images[name]
            names.setdefault((*part, key), name)
            if kind == AUTHORS and _is_bare(words):
                bare.add((*part, key))
    rows = []
    for part, counts in parts.items():
        _, species, kind = part
        kinds_of_bare = frozenset(key for key in counts if (*part, key) in bare)
        for key, other in _differing(kind, counts, kinds_of_bare):
            row = (kind, species, names[*part, key], counts[key], species, names[*part, other], counts[other], None)
            rows.append(row)
    listed = pl.DataFrame(rows, schema=SUSPICIOUS_NAMES, orient="row")
    return listed.sort("kind", "images", "found", descending=[False, True, False])


def _parts_of(found: Cleaned) -> list[tuple[str, str]]:
    """Give what was cut off a name by kind, nothing too; none of a refused name, and of one whose synonym was given."""
    if not found.name or (not found.cut and "synonyms" in found.rules):
        return []
    cut = dict(found.cut)
    return [(kind, cut.get(kind, "")) for kind in (AUTHORS, BELOW_SPECIES, REMARK)]


def _differing(kind: str, counts: Counter[str], bare: frozenset[str]) -> list[tuple[str, str]]:
    """Give the parts that differ from the commonest, each with it; ``bare`` are words that may be no authors."""
    commonest = [key for key, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]
    if kind != AUTHORS:
        return [(key, commonest[0]) for key in commonest[1:]]
    named = [key for key in commonest if key]
    differing = [(key, named[0]) for key in named[1:] if not _same_authors(key, named[0])]
    sure = [key for key in named if key not in bare]
    if "" in counts and not sure:  # else the bare words are listed beside authors, or are these in full
        differing = [(key, "") for key in named]
    return differing


def _is_bare(words: str) -> bool:
    """Whether authors are but one word that is not abbreviated, and so may be none."""
    return words.isalpha() and len(words) > 1


def _key_of(kind: str, words: str) -> str:
    """Give words as they are compared: by their letters alone; authors without years."""
    letters = (letters_of(word).casefold() for word in words.split())
    return (" " if kind == AUTHORS else "").join(filter(None, letters)) or words


def _same_authors(one: str, other: str) -> bool:
    """Whether two citations may be of the same authors, one of them abbreviated: ``l`` and ``linnaeus``."""
    first, second = one.split(), other.split()
    return len(first) == len(second) and all(map(_same_author, first, second))


def _same_author(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if short == "l":
        return long in _LINNAEUS
    return one == other or (len(short) >= _SHORTEST_ABBREVIATION and long.startswith(short))
