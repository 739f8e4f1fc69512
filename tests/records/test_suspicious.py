"""Suspicious pairs are exactly those one or two edits apart; merges are all in which something different was cut."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records.names import NameCleaner, clean_names
from stages.records.suspicious import merged_names, suspicious_pairs
from tests.support.naming import RULES


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


def merges(names: dict[str, int], **rules: object) -> list[tuple]:
    cleaned = clean_names(names, NameCleaner(RULES.model_copy(update=rules), {"Rosa dumetorum": "Rosa canina"}))
    return merged_names(cleaned, names).rows()


def test_names_that_are_one_by_what_was_cut_off_are_listed_by_kind():
    names = {"Rosa canina L.": 5, "Rosa canina Mill.": 3, "ROSA CANINA MILL.": 1, "Rosa canina": 9}
    assert merges(names) == [
        ("authors", "Rosa canina", "Rosa canina Mill.", 4, "Rosa canina", "Rosa canina L.", 5, None)
    ]
    names = {"Rosa canina var. alba": 1, "Rosa canina subsp. alba L.": 2, "Rosa canina 'Alba'": 7}
    assert [row[:4] for row in merges(names)] == [
        ("below_species", "Rosa canina", "Rosa canina subsp. alba L.", 2),
        ("below_species", "Rosa canina", "Rosa canina var. alba", 1),
    ]
    assert merges(names, below_species="keep") == []
    names = {"Festuca ovina s.l.": 1, "Festuca ovina s.str.": 2, "Festuca ovina s. l.": 3}
    assert [row[:4] for row in merges(names)] == [("remark", "Festuca ovina", "Festuca ovina s.str.", 2)]
    names = {"Rosa cf. canina": 1, "Rosa aff. canina": 2}
    assert [row[:4] for row in merges(names, uncertain="strip")] == [("remark", "Rosa canina", "Rosa cf. canina", 1)]


@pytest.mark.parametrize(
    "names",
    [
        ["Rosa canina L.", "Rosa canina L", "Rosa canina Linnaeus", "Rosa canina Linnaeus, 1753", "Rosa canina"],
        ["Rosa canina (L.) Mill.", "Rosa canina (Linn.) Miller, 1768"],
        ["Quercus ilex subsp. ballota", "Quercus ilex ssp ballota (Desf.) Samp."],
        ["Rosa canina", "Rosa canina L.", "Rosa canina Linnaeus"],
        ["Rosa canina Madrid"],
        ["Rosa canina L.", "Rosa dumetorum Thuill."],  # a synonym has its own author
        ["Rosa Mill.", "Rosa L."],  # refused
    ],
)
def test_names_that_may_be_the_same_are_no_merge(names):
    assert merges(dict.fromkeys(names, 1)) == []


@pytest.mark.parametrize(
    ("kind", "found", "other"),
    [
        ("below_species", "Quercus ilex subsp. ballota", "Quercus ilex"),
        ("below_species", "Quercus ilex ssp. ballota (Desf.) Samp.", "Quercus ilex L."),
        ("below_species", "Quercus ilex 'Fordii'", "Quercus ilex"),
        ("remark", "Quercus ilex s.l.", "Quercus ilex L."),
        ("remark", "Quercus (Cerris) suber", "Quercus suber"),
        ("remark", "Populus × canadensis (P. nigra × deltoides)", "Populus × canadensis"),
        ("authors", "Rosa canina Madrid", "Rosa canina"),
        ("authors", "Rosa canina Madrid", "Rosa canina L."),
        ("authors", "Rosa canina D.", "Rosa canina DC."),
    ],
)
def test_what_was_cut_off_is_listed_beside_a_name_without_it(kind, found, other):
    (row,) = merges({found: 1, other: 2})
    assert (row[0], *row[2:4], *row[5:]) == (kind, found, 1, other, 2, None)


def test_a_species_has_a_row_for_each_part_and_not_for_each_pair():
    names = {f"Rosa canina var. {epithet}": 2 for epithet in ("alba", "rubra", "lutea", "nigra", "viridis")}
    listed = merges(names | {"Rosa canina var. nigra L.": 1})
    assert len(listed) == 4
    assert {row[5] for row in listed} == {"Rosa canina var. nigra"}
    assert {row[6] for row in listed} == {3}
