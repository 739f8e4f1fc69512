"""Names that are a slip apart: to be mended by a person, as nothing is merged on suspicion."""

from itertools import combinations

import polars as pl
from rapidfuzz.distance import OSA
from rapidfuzz.process import cpdist

MAX_EDITS = 2  # of a suspicious pair
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
