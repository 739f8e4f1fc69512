"""Intervals hold the truth as often as they say: of the long tail, of few observations, of nearly all right."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.hits import CLASSES, Source
from benchmarks.intervals import simulate, small_coverage
from stages.evaluation.intervals import mean_per_class, resampled, share
from tests.support.memory import peak_memory_kb

FIRST_DRAWS = [[1, 2, 2], [0, 0, 2], [0, 2, 2], [1, 0, 0], [0, 1, 1], [1, 4, 2]]  # of observations 10, 20 and 30
TESTS = 250  # of which 92 to 98 % are 230 to 245


def made(*rows: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Images: hit, group, label."""
    hits, groups, labels = np.array(rows, np.int64).T
    return {"hits": hits.astype(bool), "groups": groups, "labels": labels}


@st.composite
def image_sets(draw) -> dict[str, np.ndarray]:
    images = draw(st.integers(1, 60))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        "hits": numbers.random(images) < draw(st.sampled_from([0, 0.05, 0.5, 0.95, 1])),
        "groups": numbers.integers(0, draw(st.integers(1, 40)), images),
        "labels": numbers.integers(0, draw(st.integers(1, 20)), images),
    }


@pytest.mark.parametrize(
    ("arguments", "images"),
    [({}, "alike"), ({"slope": 0.6}, "rare ones worse"), ({"ability": 1.2}, "good")],
)
def test_intervals_of_a_long_tail_hold_the_truth(arguments, images):
    """12,000 test images, 2.2 an observation, 58 % of the species with one: in 92 to 98 % of tests."""
    source = Source(**arguments)
    held = np.zeros(2)
    for drawn, hits in simulate(source, TESTS):
        truths = source.top1(source.ability), source.mean_per_class(drawn, source.ability)
        found = [figure(hits, drawn.groups, drawn.labels, min_groups=10) for figure in (share, mean_per_class)]
        held += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]
    assert found[0].images == pytest.approx(12_000, rel=0.03)
    _, first = np.unique(drawn.groups, return_index=True)
    assert (np.unique(drawn.labels[first], return_counts=True)[1] == 1).mean() == pytest.approx(0.58, abs=0.02)
    assert ((held / TESTS >= 0.92) & (held / TESTS <= 0.98)).all(), held / TESTS


@pytest.mark.parametrize("observations", [30, 100])
@pytest.mark.parametrize("truth", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("together", [0.3, 0.8])
def test_intervals_of_small_tests_that_are_nearly_all_right_hold_the_truth(observations, truth, together):
    ours, plain = small_coverage(observations, truth, together, 500)
    assert 0.92 <= ours <= 0.99  # there are few ways to be wrong, so it cannot be 95 % everywhere
    assert plain < ours


def test_a_share_by_hand():
    """Four observations with 1, 2, 1 and 2 images, of which 1, 1, 0 and 2 are right."""
    images = made((1, 5, 0), (1, 7, 0), (0, 7, 0), (0, 9, 1), (1, 2, 1), (1, 2, 1))
    found = share(**images, min_groups=2)
    assert (found.value, found.images, found.groups, found.classes) == (4 / 6, 6, 4, 2)
    # Deviations 1/3, -1/3, -2/3 and 2/3: variance 4/3 * 10/9 / 36. Whole observations: 2/9 * 10/36.
    seen = (4 / 3 * 10 / 9 / 36) / (2 / 9 * 10 / 36)
    trials = 1 / (10 / 36 * (2 * seen + 1) / 3)  # two observations have misses
    shift = 3.182446**2 / trials
    center, half = (2 / 3 + shift / 2) / (1 + shift), math.sqrt(2 / 9 * shift + shift**2 / 4) / (1 + shift)
    assert (found.low, found.high) == pytest.approx((center - half, center + half), abs=1e-6)


def test_mean_per_class_by_hand():
    """A class with observations 1/1 and 1/2, one with 0/1 and 1/1, and one with a single one, which borrows."""
    images = made((1, 0, 4), (1, 1, 4), (0, 1, 4), (0, 2, 6), (1, 3, 6), (1, 4, 9), (0, 4, 9))
    found = mean_per_class(**images, min_groups=2)
    assert found.value == pytest.approx((2 / 3 + 1 / 2 + 1 / 2) / 3)
    # Variances within the classes 1/8 and 1/2; the third has their mean times 1/4 / (5/8 * 3/8).
    variances = 1 / 8, 1 / 2, 5 / 16 / (15 / 64) / 4
    variances = (*variances[:2], min(variances[2], 1 / 4))  # never more than p (1 - p)
    weights = (1 / 9 + 4 / 9), 1 / 2, 1
    variance = sum(one * other for one, other in zip(variances, weights, strict=True)) / 9
    whole = sum(weights) / 9
    value = found.value
    seen = variance / (value * (1 - value) * whole)
    trials = 1 / (whole * (3 * seen + 1) / 4)  # three observations have misses, four hits
    shift = 2.776445**2 / trials
    half = math.sqrt(value * (1 - value) * shift + shift**2 / 4) / (1 + shift)
    assert found.high - found.low == pytest.approx(2 * half, abs=1e-6)


@given(image_sets(), st.integers(0, 30))
def test_an_interval_lies_within_0_and_1_about_its_value_or_is_none(images, min_groups):
    for figure in (share, mean_per_class):
        found = figure(**images, min_groups=min_groups)
        assert found.groups == len(np.unique(images["groups"]))
        assert found.classes == len(np.unique(images["labels"]))
        if found.groups < max(min_groups, 2):
            assert found.low is found.high is None
        else:
            assert 0 <= found.low <= found.value <= found.high <= 1
            assert found.high - found.low > 0.01  # of 60 images nothing is sure
            assert (found.low == 0) == (not images["hits"].any())
            assert (found.high == 1) == bool(images["hits"].all())


@given(image_sets(), st.integers(0, 2**32))
def test_neither_order_nor_numbers_matter(images, seed):
    order = np.random.default_rng(seed).permutation(len(images["hits"]))
    other = {"hits": images["hits"], "groups": 7_000_000_000 - 3 * images["groups"], "labels": 5 * images["labels"] + 8}
    other = {name: values[order] for name, values in other.items()}
    for figure in (share, mean_per_class):
        one, two = (vars(figure(**given, min_groups=0)) for given in (images, other))
        assert one == pytest.approx(two, nan_ok=True)


@given(image_sets())
def test_more_photos_of_the_same_observations_make_nothing_surer(images):
    """Where they are right and wrong as those before."""
    twice = {name: np.tile(values, 2) for name, values in images.items()}
    for figure in (share, mean_per_class):
        one, two = figure(**images, min_groups=0), figure(**twice, min_groups=0)
        assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high))


@pytest.mark.parametrize("right", [0, 1])
def test_all_right_or_all_wrong_is_no_certainty(right):
    """Thirty observations of one photo: Wilson's interval of 30 trials, with Student's t; of two photos the same."""
    for photos in (1, 2):
        images = made(*[(right, group, group % 7) for group in range(30) for _ in range(photos)])
        found = share(**images, min_groups=10)
        width = 2.045230**2 / (30 + 2.045230**2)
        assert (found.low, found.high) == pytest.approx((1 - width, 1) if right else (0, width), abs=1e-6)
        assert 0 < mean_per_class(**images, min_groups=10).high - mean_per_class(**images, min_groups=10).low < 1


def test_no_images_and_one_observation_have_no_interval():
    empty = {"hits": np.zeros(0, bool), "groups": np.zeros(0, np.int64), "labels": np.zeros(0, np.int64)}
    for figure in (share, mean_per_class):
        found = figure(**empty, min_groups=0)
        assert math.isnan(found.value)
        assert (found.low, found.high, found.images, found.groups, found.classes) == (None, None, 0, 0, 0)
        one = figure(**made((1, 3, 0), (0, 3, 0), (1, 3, 1)), min_groups=0)
        assert (one.low, one.high, one.groups) == (None, None, 1)


def test_observations_of_several_classes_hang_together():
    """They vary more than if each class had observations of its own."""
    rng = np.random.default_rng(1)
    hits, groups, labels = rng.random(400) < 0.6, np.arange(400) % 100, np.arange(400) // 100
    together = mean_per_class(hits, groups, labels, min_groups=10)
    apart = mean_per_class(hits, groups + 1000 * labels, labels, min_groups=10)
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_full_size_takes_no_table_of_classes_by_classes():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(6_000), 2)
    images = {"hits": rng.random(12_000) < 0.7, "groups": groups, "labels": rng.integers(0, CLASSES, 6_000)[groups]}
    before = peak_memory_kb(anew=True)
    assert mean_per_class(**images, min_groups=10).classes > 4_000
    assert share(**images, min_groups=10).groups == 6_000
    assert peak_memory_kb() - before < 20_000  # 8,587 squared is 74 million


def test_resampling_gives_what_the_closed_form_gives():
    source = Source()
    (drawn, hits), *_ = simulate(source, 1)
    low, high = resampled(lambda weights: np.average(hits, weights=weights), drawn.groups, resamples=400, seed=1)
    found = share(hits, drawn.groups, drawn.labels, min_groups=10)
    assert high - low == pytest.approx(found.high - found.low, rel=0.1)
    assert low < found.value < high


def test_resampling_draws_whole_observations_and_the_same_ones_everywhere():
    groups = np.array([10, 10, 30, 20, 30])
    seen = []
    low, high = resampled(lambda weights: seen.append(weights) or weights, groups, resamples=2_000, seed=7)
    weights = np.array(seen)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert weights[:6, [0, 3, 2]].tolist() == FIRST_DRAWS
    assert weights.mean() == pytest.approx(1, abs=0.05)
    assert weights.var() == pytest.approx(1, abs=0.1)
    assert low.tolist() == [0] * 5
    assert high.tolist() == [3] * 5


def test_what_cannot_be_said_of_some_draws_is_left_out():
    groups = np.arange(3)

    def rates(weights):
        return np.array([weights[0] / weights[0] if weights[0] else np.nan, np.nan])

    low, high = resampled(rates, groups, resamples=50, seed=1)
    assert (low[0], high[0]) == (1, 1)
    assert np.isnan([low[1], high[1]]).all()
