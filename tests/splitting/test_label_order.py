"""One file says which number is which species, and what was trained with another order is refused."""

import polars as pl
import pytest

from stages.runtime.errors import UserError
from stages.splitting.label_order import check_order, digest_labels, label, read_labels
from stages.tables.classes import LABELS
from stages.tables.table import write_table


def test_the_order_of_labels_is_checked(tmp_path):
    path = tmp_path / "labels.csv"
    write_table(pl.DataFrame({"label": [0, 1], "species": ["A", "B"]}), LABELS, path)
    assert read_labels(path) == ["A", "B"]
    for numbers, species in (
        ([1, 0], ["A", "B"]),
        ([0, 1], ["A", "A"]),
        ([0, 2], ["A", "B"]),
        ([0, 1], ["A", None]),
        ([None], ["A"]),
        ([], []),
    ):
        write_table(pl.DataFrame({"label": numbers, "species": species}), LABELS, path)
        with pytest.raises(UserError, match=r"labels must be 0, 1, 2|row \d: (label|species) is missing"):
            read_labels(path)
    assert digest_labels(["A", "B"]) != digest_labels(["B", "A"])
    check_order(digest_labels(["A", "B"]), digest_labels(["A", "B"]), where="x")
    with pytest.raises(UserError, match=r"x was trained with another labels\.csv"):
        check_order(digest_labels(["A", "B"]), digest_labels(["B", "A"]), where="x")


def test_species_are_labeled_by_their_place_in_the_order():
    species = pl.Series("found", ["C", "A", "C", "B"])
    assert label(species, ["B", "A", "C"], where="x").tolist() == [2, 1, 2, 0]
    assert label(pl.Series([], dtype=pl.String), ["A"], where="x").tolist() == []
    with pytest.raises(UserError, match=r"labels\.csv does not list B of x"):
        label(species, ["A", "C"], where="x")
