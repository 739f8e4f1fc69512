"""Species that are one under two names come first; the cosine of means is that of the true ones, however few photos."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Probe
from stages.features import species_pairs as module
from stages.features.normalized import normalized
from stages.features.species_pairs import species_pairs
from stages.features.suspicion import suspect


@given(st.integers(0, 9999), st.integers(1, 40), st.integers(1, 6))
def test_a_pair_counts_the_images_that_are_taken_for_the_other(seed, images, classes):
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(size=(images, 4)))
    labels, said = rng.integers(classes, size=images), rng.integers(-1, classes, size=images)
    said[~np.isin(said, labels)] = -1
    found = species_pairs(features, labels, rng.integers(15, size=images), said, classes=classes)
    sizes = np.bincount(labels, minlength=classes)
    counted = {}
    for one, other in zip(labels.tolist(), said.tolist(), strict=True):
        if other not in (-1, one):
            pair = tuple(sorted((one, other), key=lambda label: (-sizes[label], label)))
            counted[pair] = counted.get(pair, 0) + 1
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert dict(zip(pairs, found.crossed.tolist(), strict=True)) == counted
    mixed = [counted[pair] / (2 * sizes[pair[1]] + 2) for pair in pairs]
    assert mixed == sorted(mixed, reverse=True)
    assert (np.abs(np.nan_to_num(found.similarity)) <= 1).all()


def test_two_names_of_one_species_come_first():
    rng = np.random.default_rng(1)
    middles = rng.normal(size=(12, 40))
    true = np.repeat(np.arange(12), 20)
    groups = np.arange(240) // 2
    features, _ = normalized(middles[true] + rng.normal(size=(240, 40)))
    labels = np.where((true == 3) & (groups % 3 == 0), 12, true)
    suspicion = suspect(
        features, labels, groups, classes=13, probe=Probe(ridge=0.1, class_weight_power=-0.5, neighbors=5)
    )
    found = species_pairs(features, labels, groups, suspicion.taken_for, classes=13)
    assert (found.first[0], found.second[0]) == (3, 12)
    assert found.similarity[0] > 0.9


def test_the_cosine_does_not_depend_on_how_many_photos_there_are():
    """Of two species whose means have a cosine of 0.6; the plain cosine of few photos' means is far below."""
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        true = np.concatenate([[[1, 0], [0.6, 0.8], [-1.6, -0.8]], np.zeros((3, 28))], axis=1)
        labels = np.repeat([0, 1, 2], [6, 6, 6])
        features = true[labels] + rng.normal(size=(18, 30)) / 4
        said = np.where(np.arange(18) == 0, 1, -1)
        values.append(species_pairs(features, labels, np.arange(18), said, classes=3).similarity[0])
    assert np.mean(values) == pytest.approx(0.6, abs=0.05)


def test_photos_of_one_observation_are_one():
    """What an observation's photos share is not the species'."""
    features, _ = normalized(np.random.default_rng(3).normal(size=(8, 5)))
    labels, said = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array([1, -1, -1, 0, -1, -1, -1, -1])
    one = species_pairs(features, labels, np.array([1, 1, 1, 2, 3, 4, 5, 6]), said, classes=3)
    assert np.isnan(one.similarity).all()
    assert one.crossed.tolist() == [2]


def test_blocks_of_groups_make_no_difference(monkeypatch):
    rng = np.random.default_rng(4)
    features, _ = normalized(rng.normal(size=(200, 8)) + rng.normal(size=(1, 8)))
    labels, groups = rng.integers(6, size=200), rng.integers(50, size=200)
    said = rng.integers(6, size=200)
    whole = species_pairs(features, labels, groups, said, classes=6)
    monkeypatch.setattr(module, "_BLOCK", 3)
    parts = species_pairs(features, labels, groups, said, classes=6)
    assert (whole.first == parts.first).all()
    assert whole.similarity == pytest.approx(parts.similarity, abs=1e-5, nan_ok=True)
