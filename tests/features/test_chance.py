"""What shuffled labels reach, and when nothing could be told from it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.features.chance import against_chance, shuffled_labels


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40), st.integers(0, 99))
def test_observations_are_shuffled_as_a_whole(rows, seed):
    groups, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    for shuffled in shuffled_labels(labels, groups, shuffles=3, seed=seed):
        cells = {(group, name): new for group, name, new in zip(groups, labels, shuffled, strict=True)}
        assert [cells[group, name] for group, name in zip(groups, labels, strict=True)] == shuffled.tolist()
        before = sorted(name for _, name in set(zip(groups.tolist(), labels.tolist(), strict=True)))
        assert sorted(cells.values()) == before


def test_every_order_is_as_likely():
    labels = np.array([0, 1, 2])
    drawn = [tuple(shuffled) for shuffled in shuffled_labels(labels, labels, shuffles=6_000, seed=1)]
    counts = [drawn.count(order) for order in set(drawn)]
    assert len(counts) == 6
    assert max(counts) - min(counts) < 200


def test_a_probe_is_above_chance_where_shuffled_labels_hardly_ever_reach_it():
    rng = np.random.default_rng(2)
    labels, groups = np.repeat(np.arange(10), 8), np.repeat(np.arange(40), 2)
    told = {"all": labels, "half": np.where(rng.random(80) < 0.5, labels, rng.integers(0, 10, 80))}
    for said in told.values():
        found = against_chance(said, labels, groups, shuffles=500, seed=3)
        assert found.above and found.tells
        assert (found.images, found.groups, found.hits) == (80, 40, (said == labels).sum())
    false = sum(
        against_chance(rng.integers(0, 10, 80), labels, groups, shuffles=300, seed=seed).above for seed in range(200)
    )
    assert false <= 8  # one in a hundred, by definition; of 200 more than 8 are a rare thing


def test_a_set_of_one_species_tells_nothing():
    found = against_chance(np.zeros(30, int), np.zeros(30, int), np.arange(30), shuffles=100, seed=1)
    assert not found.tells and not found.above


def test_an_image_of_which_nothing_is_said_is_no_hit():
    found = against_chance(np.full(6, -1), np.arange(6), np.arange(6), shuffles=100, seed=1)
    assert found.hits == 0 and not found.above
