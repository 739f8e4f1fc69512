"""Two models are called different as often by chance as is said, and interval, p and words never contradict."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.comparison import compare, compare_classes, holds
from stages.evaluation.differences import Difference, class_difference, image_difference
from stages.evaluation.intervals import Estimate

ANY = Estimate(0.5, None, None, 1, 1, 1)


def by_images(base, head, groups, *, min_groups: int = 10) -> Difference:
    return image_difference(
        ANY, ANY, np.array(base, bool), np.array(head, bool), np.array(groups, np.int64), min_groups=min_groups
    )


def by_classes(base, head, groups, labels, *, min_groups: int = 10) -> Difference:
    hits = np.array(base, bool), np.array(head, bool)
    numbers = np.array(groups, np.int64), np.array(labels, np.int64)
    return class_difference(ANY, ANY, *hits, *numbers, min_groups=min_groups, flips=199, seed=1)


@st.composite
def pairs(draw):
    """Hits of two models, groups, labels."""
    images = draw(st.integers(1, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    groups = rng.integers(0, draw(st.integers(1, 80)), images)
    chances = [draw(st.sampled_from([0, 0.02, 0.3, 0.7, 1])) for _ in range(2)]
    together = rng.random(groups.max() + 1)[groups] if draw(st.booleans()) else rng.random(images)
    labels = rng.integers(0, draw(st.integers(1, 30)), images)
    return together < chances[0], rng.random(images) < chances[1], groups, labels


@given(pairs(), st.integers(0, 12))
def test_interval_p_verdict_and_words_say_the_same(pair, min_groups):
    base, head, groups, labels = pair
    for found in (
        by_images(base, head, groups, min_groups=min_groups),
        by_classes(base, head, groups, labels, min_groups=min_groups),
    ):
        assert (found.gained, found.lost) == ((head & ~base).sum(), (base & ~head).sum())
        assert found.words.startswith(found.verdict)
        _, photos = np.unique(groups, return_counts=True)
        if len(photos) < max(min_groups, 2) or found.low is None:
            assert len(photos) < max(min_groups, 2) or found.words.endswith("of which a few have most of the images")
            assert (found.verdict, found.low, found.high, found.p) == ("too few to say", None, None, None)
            continue
        assert -1 <= found.low <= found.difference + 1e-12
        assert found.difference - 1e-12 <= found.high <= 1
        assert found.high > found.low
        assert (found.low > 0) == (found.verdict == "better")
        assert (found.high < 0) == (found.verdict == "worse")
        assert (found.p is not None and found.p < 0.05) == (found.verdict in ("better", "worse"))
        assert (found.p is None) == (found.verdict == "too few to say") == (0 < found.changed_groups < min_groups)


@given(pairs())
def test_the_other_way_round_it_is_the_opposite(pair):
    base, head, groups, labels = pair
    for one, two in (
        (by_images(base, head, groups), by_images(head, base, groups)),
        (by_classes(base, head, groups, labels), by_classes(head, base, groups, labels)),
    ):
        assert one.difference == pytest.approx(-two.difference)
        assert (one.gained, one.lost, one.p) == (two.lost, two.gained, two.p)
        assert {one.verdict, two.verdict} in ({"better", "worse"}, {one.verdict})
        if one.low is not None:
            assert (one.low, one.high) == pytest.approx((-two.high, -two.low))


@given(pairs())
def test_where_each_class_has_as_many_images_both_figures_differ_alike(pair):
    base, head, groups, _ = pair
    one, two = by_images(base, head, groups), by_classes(base, head, groups, [0] * len(base))
    assert one.difference == pytest.approx(two.difference)


def test_of_two_equally_good_models_one_in_twenty_is_called_better_or_worse():
    """3.5 to 6.5 % of comparisons, a small version of benchmarks/comparison.py."""
    found = [difference for *_, difference in compare({}, 0.3, 0.0, 600, images=3_000)]
    assert 0.035 <= np.mean([one.verdict in ("better", "worse") for one in found]) <= 0.065
    assert np.mean([holds(one, 0.0) for one in found]) >= 0.935
    found = list(compare_classes({}, 300, images=1_500, flips=999))
    assert 0.02 <= np.mean([one.verdict in ("better", "worse") for one in found]) <= 0.08


def test_a_point_and_a_half_of_12_000_images_is_found():
    found = [difference for *_, difference in compare({"together": 0.9}, 0.0, 0.015, 100)]
    assert np.mean([one.verdict == "better" for one in found]) >= 0.75
    assert np.mean([holds(one, 0.015) for one in found]) >= 0.92


def test_a_difference_by_hand():
    """Twelve observations of one image, of which eleven are gained and one is lost: 2 * 13 of 4,096 ways."""
    found = by_images([0] * 11 + [1] + [1] * 28, [1] * 11 + [0] + [1] * 28, range(40))
    assert found.p == pytest.approx(26 / 4096)
    assert (found.difference, found.gained, found.lost, found.changed_groups) == (0.25, 11, 1, 12)
    # Sums of 6 are in 14 % of all ways, those of 8 in 4 %: the factor is 7 / sqrt(12). Of sums - d: 12 - 20 d + 40 d².
    ends = np.roots([1600 - 49 / 12 * 40, -2 * 40 * 10 + 49 / 12 * 20, 100 - 49])
    assert (found.low, found.high) == pytest.approx(sorted(ends))
    assert found.words == f"better by 25.0 points ({100 * min(ends):.1f} to {100 * max(ends):.1f})"


def test_mean_per_class_accuracy_by_hand():
    """A class of one image and one of four: what is gained of the first counts four times as much."""
    base, head = [0, 0, 0, 1, 1] * 6, [1, 1, 0, 0, 1] * 6
    labels = list(itertools.chain(*([2 * block, *[2 * block + 1] * 4] for block in range(6))))
    found = by_classes(base, head, range(30), labels)
    assert found.difference == pytest.approx((6 * 1 + 6 * 0) / 12)
    assert (found.gained, found.lost, found.changed_groups) == (12, 6, 18)
    assert found.verdict == "better"


def test_photos_of_one_observation_count_as_one_change():
    """Twelve images gained of twelve observations are no chance; of one observation they may well be."""
    base, head = [0] * 12 + [1] * 48, [1] * 60
    apart, together = by_images(base, head, range(60)), by_images(base, head, [0] * 12 + [*range(1, 49)])
    assert apart.verdict == "better"
    assert together.verdict == "too few to say"
    assert together.low < 0
    assert together.high > apart.high


def test_of_36_images_it_is_said_how_little_they_tell():
    base, head = [0] * 5 + [1] * 31, [1] * 4 + [0] + [1] * 31
    found = by_images(base, head, range(36))
    assert (found.verdict, found.p) == ("too few to say", None)
    assert found.words == (
        "too few to say which is better: 4 of 36 observations changed; differences above 25.4 points are ruled out"
    )
    few = by_images(base[:8], head[:8], range(8))
    assert few.words == "too few to say: 8 observations to compare"


@pytest.mark.parametrize("changed", range(1, 10))
def test_few_changes_decide_nothing_even_if_all_go_one_way(changed):
    """Nine of nine would be a p of 0.004, if observations were as independent of each other as the test takes them."""
    base = [0] * changed + [1] * (60 - changed)
    for found in (by_images(base, [1] * 60, range(60)), by_classes(base, [1] * 60, range(60), [0] * 60)):
        assert (found.verdict, found.p) == ("too few to say", None)
        assert found.low <= 0 < found.difference < found.high
    base = [0] * 10 + [1] * 50
    assert by_images(base, [1] * 60, range(60)).verdict == "better"


@pytest.mark.parametrize(("observations", "points"), [(12, "24.3"), (100, "3.7"), (12_000, "0.04")])
def test_models_that_are_right_on_the_same_images_may_differ_on_others(observations, points):
    hits = np.arange(observations) % 3 > 0
    found = by_images(hits, hits, range(observations))
    assert (found.difference, found.p, found.verdict) == (0, 1, "no difference shown")
    words = f"no difference shown: no observation changed; differences above {points} points are ruled out"
    assert found.words == words
    classes = by_classes(hits, hits, range(observations), np.arange(observations) % 4)
    assert classes.words == words
    # If so many changed one way, hardly any test would show none.
    assert (1 - found.high) ** observations < 0.04


@pytest.mark.parametrize(("base", "head"), [([0] * 500, [1] * 500), ([1] * 500, [1] * 500), ([0] * 500, [0, 1] * 250)])
def test_an_observation_that_has_most_of_the_images_leaves_nothing_to_say(base, head):
    """Eleven others have gained one each, which by itself is no chance."""
    found = by_images(base + [0] * 11 + [1], head + [1] * 12, [0] * 500 + [*range(1, 13)])
    assert (found.verdict, found.low, found.p) == ("too few to say", None, None)
    assert found.words == "too few to say: 13 observations to compare, of which a few have most of the images"
    classes = by_classes(base + [0] * 11 + [1], head + [1] * 12, [0] * 500 + [*range(1, 13)], [0] * 512)
    assert classes.words == found.words


def test_what_is_gained_and_lost_within_an_observation_cancels_exactly():
    """1/10 three times added and three times taken away is not 0 in floating point."""
    base, head = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1] * 30, [1, 1, 1, 0, 0, 0, 1, 1, 1, 1] * 30
    found = by_classes(base, head, np.arange(300) // 10, np.arange(300) // 10)
    assert (found.difference, found.changed_groups, found.p) == (0, 0, 1)


def test_no_images_leave_nothing_to_say():
    empty = by_images([], [], [])
    assert math.isnan(empty.difference)
    assert (empty.low, empty.p, empty.words) == (None, None, "too few to say: 0 observations to compare")
    assert math.isnan(by_classes([], [], [], []).difference)
