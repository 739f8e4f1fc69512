"""Labels in another order are found and named; shuffled labels, sound ones and lookalikes are not taken for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.features.chance import shuffled_labels
from stages.features.renaming import halves, one_to_one, rename

CLASSES = 20


def said_of(true: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    """What a probe of this accuracy says of images of these species."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(true)) < accuracy, true, rng.integers(0, CLASSES, len(true)))


def drawn(seed: int, *, observations: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Species and observations of some images, a few species having most of them."""
    rng = np.random.default_rng(seed)
    of = rng.choice(CLASSES, observations, p=(weights := 1 / np.arange(1, CLASSES + 1)) / weights.sum())
    photos = rng.integers(1, 4, observations)
    return np.repeat(of, photos), np.repeat(np.arange(observations), photos)


@pytest.mark.parametrize("accuracy", [0.9, 0.5])
def test_another_order_is_told_from_shuffled_and_from_sound_labels(accuracy):
    found = {"other": [], "shuffled": [], "sound": []}
    for seed in range(12):
        true, groups = drawn(seed)
        said = said_of(true, accuracy, seed)
        order = np.random.default_rng(seed).permutation(CLASSES)
        labels = {
            "other": order[true],
            "shuffled": next(shuffled_labels(true, groups, shuffles=1, seed=seed)),
            "sound": true,
        }
        for name, given_labels in labels.items():
            renamed = rename(said, given_labels, groups, shuffles=200, seed=1)
            found[name].append((renamed.another_order, renamed.better))
            if name == "other":
                right = [order[pair.seems] == pair.given for pair in renamed.pairs if pair.groups > 1]
                assert len(right) >= 4 and np.mean(right) >= 0.75
                for pair in renamed.pairs:
                    there = (given_labels == pair.given) & (said == pair.seems)
                    assert pair.images == there.sum() and pair.of == (given_labels == pair.given).sum()
                    assert pair.groups == len(set(groups[there]))
    assert found["other"] == [(True, True)] * 12
    assert found["shuffled"] == found["sound"] == [(False, False)] * 12


def test_sound_labels_of_which_hardly_any_is_right_are_not_in_another_order():
    """Rare species that are always taken for a common one: by majority, the best name of all of them is that one's."""
    true, groups = np.repeat(np.arange(CLASSES), 6), np.repeat(np.arange(CLASSES * 3), 2)
    said = np.where(true < 18, true // 6 * 6, true)
    renamed = rename(said, true, groups, shuffles=200, seed=1)
    assert (said == true).mean() == 0.25
    assert not renamed.another_order and not renamed.better and renamed.pairs == []


def test_two_species_that_stand_under_each_others_names_are_named():
    true, groups = np.repeat(np.arange(CLASSES), 30), np.repeat(np.arange(CLASSES * 15), 2)
    given_labels = np.select([true == 4, true == 7], [7, 4], true)
    renamed = rename(said_of(true, 0.9, 1), given_labels, groups, shuffles=0, seed=1)
    assert {(pair.given, pair.seems) for pair in renamed.pairs} == {(4, 7), (7, 4)}
    assert renamed.better and not renamed.another_order


def test_half_of_the_species_are_an_order():
    """What comes of a species that was added in the middle: those before it keep their places."""
    true, groups = np.repeat(np.arange(CLASSES), 6), np.repeat(np.arange(CLASSES * 3), 2)
    given_labels = np.where(true < 10, true, np.where(true == 19, 10, true + 1))
    renamed = rename(said_of(true, 0.9, 1), given_labels, groups, shuffles=0, seed=1)
    assert renamed.another_order
    assert {(pair.given, pair.seems) for pair in renamed.pairs} == {(10, 19), *((k + 1, k) for k in range(10, 19))}


def test_a_shift_by_one_among_lookalikes_is_better_by_other_names_though_some_are_right():
    """What comes of a species that was added in the middle, where neighbors in the order are often confused."""
    true, groups = drawn(3, observations=400)
    rng = np.random.default_rng(3)
    said = np.where(rng.random(len(true)) < 0.5, true, (true + rng.choice([-1, 1], len(true))) % CLASSES)
    renamed = rename(said, (true + 1) % CLASSES, groups, shuffles=0, seed=1)
    assert renamed.another_order and renamed.given_hits > 0.1 * renamed.images


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=60), st.integers(0, 99))
def test_halves_part_each_species_observations_evenly(rows, seed):
    groups = np.array([row[0] for row in rows])
    labels = groups % 5
    second = halves(labels, groups, seed)
    for group in set(groups):
        assert len(set(second[groups == group])) == 1
    for name in set(labels):
        observations = len(set(groups[labels == name]))
        in_second = len(set(groups[(labels == name) & second]))
        assert abs(observations - 2 * in_second) <= 1


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 4)), max_size=40))
def test_names_are_given_one_to_one_and_by_no_fewer_images_than_any_other(rows):
    said, labels = (np.array([row[side] for row in rows], np.int64) for side in (0, 1))
    names = one_to_one(said, labels)
    assert len(set(names.values())) == len(names)
    count = {(name, seems): ((labels == name) & (said == seems)).sum() for name in range(5) for seems in range(5)}
    for name, seems in names.items():
        rivals = [images for (of, to), images in count.items() if of == name or to == seems]
        assert count[name, seems] == max(rivals) > 0
    assert bool(names) == (said >= 0).any()
