"""Risk by coverage, against each order that images of one score may have, and its intervals against many tests."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.risk_coverage import COVERAGES, RiskCoverage, ends_of_ties, risk_coverage

SCORED = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1, max_size=6)


def columns(rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows], bool)


def area_of_order(hits) -> float:
    """By the definition: the mean of the risks if the first, the first two, ... are answered."""
    return float(np.mean(np.cumsum([not hit for hit in hits]) / np.arange(1, len(hits) + 1)))


@given(SCORED)
def test_the_area_is_the_mean_over_all_orders_that_ties_may_have(rows):
    scores, hits = columns(rows)
    orders = {
        order
        for order in itertools.permutations(range(len(rows)))
        if all(scores[first] >= scores[second] for first, second in itertools.pairwise(order))
    }
    expected = np.mean([area_of_order(hits[list(order)]) for order in orders])
    assert RiskCoverage(scores, hits).area(np.ones(len(rows))) == pytest.approx(expected)


@given(SCORED, st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_an_image_of_weight_three_is_three_images(rows, weights):
    scores, hits = columns(rows)
    weights = np.array(weights[: len(rows)])
    curve = RiskCoverage(scores, hits)
    if not weights.sum():
        assert np.isnan(curve.area(weights.astype(float)))
        assert np.isnan(curve.risks(weights.astype(float))).all()
        return
    several = RiskCoverage(np.repeat(scores, weights), np.repeat(hits, weights))
    alike = np.ones(weights.sum())
    np.testing.assert_allclose(curve.risks(weights.astype(float)), several.risks(alike))
    if weights.max() == 1:
        assert curve.area(weights.astype(float)) == pytest.approx(several.area(alike))


def test_by_hand():
    scores, hits = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    curve = RiskCoverage(scores, hits)
    assert curve.area(np.ones(4)) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    risks = dict(zip(COVERAGES.round(2), curve.risks(np.ones(4)), strict=True))
    assert (risks[0.25], risks[0.5], risks[0.75], risks[1.0]) == pytest.approx((0, 1 / 2, 1 / 3, 2 / 4))
    assert ends_of_ties(np.array([3.0, 3.0, 2.0, 1.0, 1.0])).tolist() == [1, 2, 4]


def test_what_says_nothing_has_the_risk_of_all_at_any_coverage():
    curve = RiskCoverage(np.full(200, 0.5), np.arange(200) % 4 > 0)
    np.testing.assert_allclose(curve.risks(np.ones(200)), 0.25)
    assert curve.area(np.ones(200)) == pytest.approx(0.25)


def drawn(rng, groups: int):
    """Images in observations, of a model whose hits are as likely as it is sure, alike within an observation."""
    group = np.repeat(np.arange(groups), rng.integers(1, 4, groups))
    sure = rng.uniform(0.4, 1, groups)[group]
    lucky = np.where(rng.random(len(group)) < 0.5, rng.random(groups)[group], rng.random(len(group)))
    scores = np.round(np.clip(sure + rng.normal(0, 0.02, len(group)), 0, 1), 6)
    return scores, lucky < sure, group


def test_intervals_hold_the_truth_as_often_as_they_say():
    scores, hits, _ = drawn(np.random.default_rng(0), 60_000)
    truth = RiskCoverage(scores, hits)
    risks, area = truth.risks(np.ones(len(scores))), truth.area(np.ones(len(scores)))
    at = [int(np.flatnonzero(np.isclose(COVERAGES, coverage))[0]) for coverage in (0.3, 0.6, 1.0)]
    held, of_area = np.zeros(len(at)), 0
    tests = 150
    for seed in range(tests):
        scores, hits, groups = drawn(np.random.default_rng(1 + seed), 250)
        labels = np.zeros(len(scores), int)
        table, found = risk_coverage(scores, hits, groups, labels, min_groups=10, resamples=150, seed=seed)
        low, high = table["low"].to_numpy()[at], table["high"].to_numpy()[at]
        held += (low <= risks[at]) & (risks[at] <= high)
        of_area += found.low <= area <= found.high
    assert (held / tests > 0.9).all(), held / tests
    assert of_area / tests > 0.88


def test_where_nothing_is_wrong_a_risk_may_yet_be_some_and_the_area_has_no_interval():
    scores, groups = np.linspace(0.5, 0.99, 40), np.arange(40)
    table, area = risk_coverage(
        scores, np.ones(40, bool), groups, np.zeros(40, int), min_groups=10, resamples=100, seed=1
    )
    assert table["risk"].to_list() == [0.0] * 20
    assert table["low"].null_count() == 4  # fewer than ten are answered
    highs = table["high"].drop_nulls()
    assert highs.min() > 0.05
    assert highs.is_sorted(descending=True)
    assert (area.value, area.low, area.high) == (0.0, None, None)
    assert (area.images, area.groups, area.classes) == (40, 40, 1)


def test_of_few_observations_there_is_no_interval():
    scores, hits = np.linspace(0.1, 0.9, 30), np.arange(30) % 3 > 0
    table, area = risk_coverage(scores, hits, np.arange(30) // 4, hits * 1, min_groups=10, resamples=100, seed=1)
    assert table["low"].null_count() == table["high"].null_count() == 20
    assert area.low is None
    assert area.groups == 8
