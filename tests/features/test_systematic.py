"""An observer who mistakes a species is found; chance is counted over groups, within species, and exactly."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from stages.features import systematic as module
from stages.features.seen import Seen
from stages.features.suspicion import Suspicion
from stages.features.systematic import chance, evidence, systematic
from stages.tables.suspects import SYSTEMATIC
from stages.tables.table import write_table


def rows_of(*cells) -> pl.DataFrame:
    """Images by observer, species and whether each group's images are suspected; a group has two images."""
    rows, group = [], 0
    for observer, species, suspected in cells:
        for one in suspected:
            group += 1
            rows += [{"species": species, "group": str(group), "suspected": one, "observer": observer}] * 2
    schema = {"species": pl.String, "group": pl.String, "suspected": pl.Boolean, "observer": pl.String}
    return pl.DataFrame(rows, schema=schema)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(0, 12)), min_size=1, max_size=3),
    st.integers(0, 8),
)
def test_chance_is_the_share_of_all_ways_to_deal_the_suspects(species, suspected):
    """Each way to choose which groups of a species are the observer's is equally likely."""
    own = np.array([number for number, _, _ in species])
    every = own + [others for _, others, _ in species]
    drawn = np.minimum([number for _, _, number in species], every)
    ways = np.ones(1)
    for number, total, marked in zip(own, every, drawn, strict=True):
        counts = np.zeros(number + 1)
        for chosen in combinations(range(total), number):
            counts[sum(place < marked for place in chosen)] += 1
        ways = np.convolve(ways, counts / counts.sum())
    assert chance(suspected, own, every, drawn) == pytest.approx(float(ways[suspected:].sum()), rel=6e-3, abs=1e-12)


@given(st.integers(0, 9999))
@settings(max_examples=20)
def test_a_large_value_is_about_as_likely_by_the_normal_distribution(seed):
    rng = np.random.default_rng(seed)
    own, others = rng.integers(20, 60, 12), rng.integers(20, 200, 12)
    every, drawn = own + others, rng.integers(5, 40, 12)
    suspected = int((own * drawn / every).sum() + rng.integers(-4, 12))
    exact = chance(suspected, own, every, drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT", 0)
        assert chance(suspected, own, every, drawn) == pytest.approx(exact, abs=0.02)


def test_one_species_is_a_hypergeometric():
    expected = hypergeom.sf(3 - 1, 20, 5, 4)
    assert chance(3, np.array([4]), np.array([20]), np.array([5])) == pytest.approx(expected, rel=5e-3)


def test_who_mistakes_a_species_comes_first_and_who_has_hard_ones_does_not(tmp_path):
    images = rows_of(
        ("ann", "Rosa canina", [True] * 6),
        ("bob", "Rosa canina", [False] * 29 + [True]),
        ("cat", "Carex nigra", [True] * 6),  # which nobody can tell
        ("bob", "Carex nigra", [True] * 30),
        ("dan", "Abies alba", [True] * 6),  # which nobody else has
    )
    found = systematic(images)
    write_table(found, SYSTEMATIC, tmp_path / "systematic.csv")
    first = found.row(0, named=True)
    assert (first["kind"], first["value"], first["groups"], first["suspected_groups"]) == ("observer", "ann", 6, 6)
    assert (first["images"], first["suspects"]) == (12, 12)
    assert first["expected_groups"] == 0.2
    assert first["p"] == pytest.approx(float(hypergeom.pmf(6, 36, 7, 6)), rel=5e-3)
    others = dict(found.select("value", "p").iter_rows())
    assert others["cat"] == 1
    assert "dan" not in others


def test_a_group_counts_once_however_many_photos_it_has():
    few = rows_of(("ann", "Rosa canina", [True]), ("bob", "Rosa canina", [False] * 9))
    many = pl.concat([few] + [few.filter(pl.col("observer") == "ann")] * 20)
    assert systematic(few)["p"].to_list() == systematic(many)["p"].to_list() == [0.1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("PQ"), st.booleans()), max_size=30))
def test_false_shares_rise_with_p_and_hold_all_values(cells):
    found = systematic(rows_of(*((observer, species, [suspected]) for observer, species, suspected in cells)))
    assert found["p"].to_list() == sorted(found["p"])
    assert found["q"].to_list() == sorted(found["q"])
    assert ((found["q"] >= found["p"].round(5)) & (found["q"] <= 1)).all()
    assert found["value"].is_unique().all()
    assert (found["suspected_groups"] <= found["groups"]).all()


def test_there_is_nothing_to_say_of_nothing():
    assert systematic(rows_of()).height == 0


def test_only_images_with_evidence_are_compared_and_unnamed_observers_are_nobody():
    images = pl.DataFrame(
        {
            "species": ["A", "A", "B"],
            "group": ["1", "2", "3"],
            "observer": [" ", "ann", "bob"],
            "source": ["inaturalist"] * 3,
            "image_url": ["https://Host.example:8080/1.jpg", "http://[bad", "https://other.example/2.jpg"],
        }
    )
    seen = Seen(images, np.zeros((3, 1), np.float32), np.array([0, 0, 1]), np.arange(3), ["A", "B"])
    score = np.array([0.5, -0.5, np.nan])
    nothing = np.zeros((3, 0))
    found = evidence(seen, Suspicion(score, score, nothing.astype(int), nothing, np.array([False, False, True])))
    assert found.select("species", "group", "suspected", "observer", "source", "host").rows() == [
        ("A", "1", True, None, "inaturalist", "host.example"),
        ("A", "2", False, "ann", "inaturalist", None),
    ]
