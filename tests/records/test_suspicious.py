"""Suspicious pairs are exactly those that are one or two edits apart."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.records.suspicious import suspicious_pairs


def edits(one: str, other: str) -> int:
    """Optimal string alignment, by its definition."""
    table = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            costs = [table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one[i - 1] != other[j - 1])]
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                costs.append(table[i - 2][j - 2] + 1)
            table[i][j] = min(costs)
    return table[-1][-1]


@given(
    st.lists(st.text("ab ", min_size=1, max_size=5) | st.text("ab", min_size=9, max_size=13), unique=True, max_size=12)
)
def test_suspicious_pairs_are_those_one_or_two_edits_apart(names):
    counts = pl.DataFrame(
        {"species": names, "images": range(len(names))}, schema={"species": pl.String, "images": pl.Int64}
    )
    found = suspicious_pairs(counts)
    expected = {
        (frozenset((one, other)), edits(one, other))
        for one in names
        for other in names
        if one != other and edits(one, other) <= 2
    }
    assert {(frozenset((row[0], row[2])), row[4]) for row in found.iter_rows()} == expected
    assert (found["images"] <= found["other_images"]).all()
    assert found["edits"].is_sorted()
