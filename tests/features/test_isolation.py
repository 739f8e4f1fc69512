"""What others do not explain is found, exactly as by fits without the own group, and comes first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.features import isolation as module
from stages.features.isolation import isolation, isolation_ranks, novelty
from stages.features.neighbors import Neighbors
from stages.features.normalized import normalized
from stages.runtime.errors import UserError


@given(st.integers(0, 9999), st.integers(1, 40), st.integers(1, 12), st.integers(1, 20), st.floats(0.01, 10))
def test_novelty_is_that_of_all_images_but_the_groups(seed, images, dimensions, groups, ridge):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(size=(images, dimensions)))
    of = rng.integers(groups, size=images)
    found = novelty(features, of, ridge=ridge)
    x = features.astype(np.float64)
    for image in range(images):
        others = x[of != of[image]]
        gram = others.T @ others + ridge * np.eye(dimensions)
        assert found[image] == pytest.approx(x[image] @ np.linalg.solve(gram, x[image]), rel=1e-6, abs=1e-5)


def test_a_large_group_is_taken_out_of_the_fit(monkeypatch):
    rng = np.random.default_rng(1)
    features, _ = normalized(rng.normal(size=(90, 6)))
    groups = np.concatenate([np.zeros(50, int), np.ones(12, int), np.arange(2, 30)])
    whole = novelty(features, groups, ridge=0.1)
    monkeypatch.setattr(module, "_LARGE", 10)
    assert novelty(features, groups, ridge=0.1) == pytest.approx(whole, abs=1e-5)


def test_an_image_unlike_all_others_comes_first_and_its_copies_of_the_same_group_do_not_hide_it():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 20)) * np.concatenate([np.full(10, 3.0), np.full(10, 0.1)])
    features[50:55] = np.eye(20)[15] * 9 + rng.normal(size=(5, 20)) / 10
    features, _ = normalized(features)
    groups = np.arange(60)
    groups[50:55] = 50
    ranked = isolation_ranks(novelty(features, groups, ridge=0.1), np.arange(60).astype(str))
    assert sorted(ranked[50:55]) == [1, 2, 3, 4, 5]


def test_a_penalty_too_small_is_said():
    with pytest.raises(UserError, match=r"probe\.ridge in params\.yaml is too small"):
        novelty(np.ones((5, 4), np.float32) / 2, np.arange(5), ridge=1e-300)


def test_isolation_is_the_mean_distance_and_none_where_there_are_too_few():
    similarity = np.array([[0.9, 0.8, 0.1], [0.5, np.nan, np.nan]])
    found = isolation(Neighbors(np.zeros((2, 3), np.int64), similarity), count=2)
    assert found[0] == pytest.approx(0.15)
    assert np.isnan(found[1])


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=12))
def test_equal_ones_are_in_the_order_of_names(values):
    names = np.array([f"{(7 * number) % 12:02}" for number in range(len(values))])
    ranked = isolation_ranks(np.array(values), names)
    expected = sorted(range(len(values)), key=lambda image: (-values[image], names[image]))
    assert np.argsort(ranked).tolist() == expected
