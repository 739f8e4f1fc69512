"""Flipped signs say how likely a sum is by chance, exactly where that can be, and where rare sums begin."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.sign_flips import ALPHA, Flipped, flip, flip_whole

whole = st.lists(st.integers(-5, 5), max_size=40).map(lambda values: np.array(values, np.int64))


def in_every_way(differences: np.ndarray) -> float:
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=len(differences))]
    return float(np.mean(np.array(sums) >= abs(differences.sum()) - 1e-9))


@given(st.lists(st.integers(-5, 5), max_size=9).map(lambda values: np.array(values, np.int64)))
def test_few_differences_are_flipped_in_every_way(differences):
    expected = in_every_way(differences)
    assert flip_whole(differences).p == pytest.approx(expected)
    assert flip(differences / 7, flips=1, seed=1).p == pytest.approx(expected)
    assert flip(differences / 7, flips=1, seed=1).largest == pytest.approx(flip_whole(differences).largest / 7)


@given(whole)
def test_a_sum_is_rare_if_and_only_if_it_is_larger_than_those_that_are_not(differences):
    for found, total in (
        (flip_whole(differences), abs(differences.sum())),
        (flip(differences / 7, flips=199, seed=1), abs((differences / 7).sum())),
    ):
        assert 0 < found.p <= 1
        assert (found.p < ALPHA) == (total > found.largest + 1e-9)


@given(whole, st.integers(0, 3))
def test_neither_zeros_nor_order_nor_the_sign_of_all_matters(differences, zeros):
    other = -np.concatenate([np.zeros(zeros, np.int64), differences[::-1]])
    one, two = flip_whole(differences), flip_whole(other)
    assert (one.p, one.largest) == pytest.approx((two.p, two.largest))


def test_drawn_flips_come_near_to_all_of_them():
    differences = np.repeat([-1, 1, 2, 3], [40, 60, 5, 2])
    exact, drawn = flip_whole(differences), flip(differences.astype(float), flips=9_999, seed=3)
    assert drawn.p == pytest.approx(exact.p, abs=0.005)
    assert 0.001 < exact.p < ALPHA
    assert drawn.largest == pytest.approx(exact.largest, rel=0.05)
    assert drawn == flip(differences.astype(float), flips=9_999, seed=3)


def test_drawn_flips_are_the_same_on_every_processor():
    """Sums of whole steps: no order of adding changes them."""
    differences = np.array([1 / 3, -1 / 4, 1 / 50] * 30)
    assert flip(differences, flips=999, seed=1).p == 0.164
    assert flip(differences, flips=99_999, seed=1).p == pytest.approx(0.173, abs=0.001)


def test_thousands_that_all_went_one_way_are_no_chance():
    found = flip_whole(np.ones(3_000, np.int64))
    assert found.p < 1e-100
    assert found.largest == pytest.approx(1.96 * 3_000**0.5, abs=2)
    assert flip(np.full(3_000, 0.1), flips=99, seed=1).p == 0.01


def test_nothing_that_changed_is_nothing_rare():
    for differences in (np.zeros(0, np.int64), np.zeros(5, np.int64)):
        assert flip_whole(differences) == flip(differences.astype(float), flips=9, seed=1) == Flipped(1.0, 0.0)
