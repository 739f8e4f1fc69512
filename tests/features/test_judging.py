"""One word on labels: of sound, renamed and shuffled ones, and of sets that are too small for a word."""

import numpy as np
import pytest

from stages.config.schema import Probe
from stages.features.chance import shuffled_labels
from stages.features.judging import Judged, judge, train_against_itself
from stages.features.probes import Labeled, ask, ask_left_out
from tests.support.generated_features import World, world

PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)
CLASSES = 24
SEEDS = range(6)


def labeled(images: Labeled, labels: np.ndarray) -> Labeled:
    return Labeled(images.units, labels, images.groups)


def shuffled(images: Labeled, seed: int) -> Labeled:
    return labeled(images, next(shuffled_labels(images.labels, images.groups, shuffles=1, seed=seed)))


def judged(train: Labeled, val: Labeled, species: list[str], *, min_groups: int = 10) -> Judged:
    classes = len(species)
    return judge(
        "val",
        ask(train, {"val": val}, classes, PROBE)["ridge"]["val"],
        val,
        species,
        of_train=lambda: train_against_itself(ask_left_out(train, classes, PROBE), train, shuffles=200, seed=1),
        shuffles=200,
        seed=1,
        min_groups=min_groups,
    )


@pytest.fixture(scope="module", params=SEEDS)
def small(request) -> World:
    """As many images as the sample has, of species that a probe knows as well."""
    return world(seed=request.param, classes=CLASSES, train=250, val=60, test=1, spread=1.2)


def test_sound_labels_are_sound(small):
    found = judged(small.labeled("train"), small.labeled("val"), small.species)
    assert found.verdict == "sound" and found.words.startswith("val top-1 0.")
    assert "seem" not in found.words


def test_another_order_in_val_or_in_train_is_told_with_its_pairs(small):
    cycle = np.random.default_rng(1).permutation(CLASSES)
    order = np.zeros(CLASSES, int)
    order[cycle] = np.roll(cycle, 1)  # no species keeps its place
    train, val = small.labeled("train"), small.labeled("val")
    for of_train, of_val, true in (
        (train, labeled(val, order[val.labels]), np.argsort(order)),
        (labeled(train, order[train.labels]), val, order),
    ):
        found = judged(of_train, of_val, small.species)
        assert found.verdict == "order_differs", found.words
        assert found.renamed is not None
        pairs = found.renamed.pairs
        sure = [pair for pair in pairs if pair.groups > 1]
        assert len(sure) >= 3
        assert np.mean([true[pair.given] == pair.seems for pair in pairs]) >= 0.9
        first = pairs[0]
        assert f"{small.species[first.given]!r} seems {small.species[first.seems]!r}" in found.words
        assert "another order" in found.words


def test_a_val_far_below_what_train_knows_of_itself_is_said_though_it_is_above_chance(small):
    """As a shift of a numbered list leaves it where a species has two neighbors that look alike: some stay right."""
    val = small.labeled("val")
    wrong = shuffled(val, 7)
    kept = val.groups % 3 == 0  # a third of the observations keeps its labels
    found = judged(small.labeled("train"), labeled(val, np.where(kept, val.labels, wrong.labels)), small.species)
    if found.verdict == "sound":
        assert found.train is not None
        assert "but of train, each image told by the others, 0." in found.words
        assert found.words.endswith("are right: far more")
    else:
        assert found.verdict in ("at_chance", "order_differs")
    assert judged(small.labeled("train"), val, small.species).train is None


def test_shuffled_labels_are_at_chance_and_it_is_said_whose(small):
    train, val = small.labeled("train"), small.labeled("val")
    found = judged(train, shuffled(val, 5), small.species)
    assert found.verdict == "at_chance"
    assert "so it is the labels or photos of val" in found.words
    found = judged(shuffled(train, 5), val, small.species)
    assert found.verdict == "at_chance"
    assert "nor does train know itself" in found.words


@pytest.mark.parametrize("seed", [14, 18, 23])
def test_shuffled_train_labels_by_which_some_species_seem_renamed_are_no_other_order(seed):
    """What a probe learned of shuffled labels, it says of all photos of a species: a renaming explains that well."""
    made = world(seed=seed, classes=CLASSES, train=250, val=60, test=1, spread=1.2)
    found = judged(shuffled(made.labeled("train"), seed), made.labeled("val"), made.species)
    assert found.renamed is not None and found.renamed.another_order
    assert found.verdict == "at_chance" and "nor does train know itself" in found.words


def test_a_small_sound_set_is_not_at_chance():
    """Of each size, over some draws, with a probe that is right of half of the images or of nearly all."""
    words = []
    for seed in range(4):
        for classes, train, val, spread in ((2, 60, 30, 3.0), (6, 40, 10, 2.0), (10, 80, 24, 2.5), (3, 30, 3, 0.5)):
            made = world(seed=seed, classes=classes, train=train, val=val, test=1, spread=spread)
            found = judged(made.labeled("train"), made.labeled("val"), made.species)
            assert found.verdict in ("sound", "none"), found.words
            words += [found.words] if found.verdict == "none" else []
    assert words
    assert all("too few" in said for said in words)


def test_few_images_that_are_as_good_as_train_are_not_at_chance():
    """Species by the hundred that a probe hardly knows: ten observations may be wrong one and all."""
    made = world(seed=4, classes=60, train=900, val=60, test=1, spread=4)
    train, val = made.labeled("train"), made.labeled("val")
    missed = ask(train, {"val": val}, 60, PROBE)["ridge"]["val"].ranks > 0
    missed &= val.groups < 20
    wrong = Labeled(val.units[missed], val.labels[missed], val.groups[missed])
    found = judged(train, wrong, made.species)
    assert found.verdict == "none" and found.words.startswith("val top-1 0.000 (0 of ")
    assert "too few images to tell that from what the probe is right of elsewhere (0." in found.words


def test_no_image_says_nothing():
    made = world(seed=1)
    nothing = Labeled(np.zeros((0, 48), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    found = judged(made.labeled("train"), nothing, made.species)
    assert (found.verdict, found.words) == (
        "none",
        "val has no image of a species that train has, so it says nothing of the labels",
    )


def test_species_of_one_observation_each_say_nothing_of_themselves():
    made = world(seed=2, classes=30, train=30, val=60, test=1, spread=0.5)
    train = made.labeled("train")
    first = np.unique(train.labels, return_index=True)[1]
    train = Labeled(train.units[first], train.labels[first], train.groups[first])
    assert train_against_itself(ask_left_out(train, 30, PROBE), train, shuffles=100, seed=1).images == 0
    val = made.labeled("val")
    assert judged(train, val, made.species).verdict == "sound"
    found = judged(train, shuffled(val, 3), made.species)
    assert found.verdict == "none"
    assert "too few images to tell that from a modest probe, and train says nothing of itself" in found.words

    made = world(seed=2, classes=30, train=30, val=400, test=1, spread=0.5)
    train = made.labeled("train")
    first = np.unique(train.labels, return_index=True)[1]
    train = Labeled(train.units[first], train.labels[first], train.groups[first])
    found = judged(train, shuffled(made.labeled("val"), 3), made.species)
    assert found.verdict == "at_chance"
    assert "whose fault" in found.words
