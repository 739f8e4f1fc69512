"""Thresholds keep what they promise in val, against trying each of them; and say a genus where no species is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.abstaining import (
    GENUS,
    NOTHING,
    SPECIES,
    Thresholds,
    abstaining_figures,
    backing_off_figures,
    fit_thresholds,
    levels,
    threshold_at_risk,
)
from stages.evaluation.fitted import how_sure
from stages.splitting.genera import number_genera
from tests.support.predictions import evaluated_of, example


def by_trying(scores, hits, groups, max_risk, min_groups):
    """The lowest score of an image at which few enough of those at or above it are wrong."""
    for threshold in sorted(set(scores.tolist())):
        answered = scores >= threshold
        wrong, number = int((~hits[answered]).sum()), int(answered.sum())
        if len(set(groups[answered].tolist())) >= min_groups and wrong * 100 <= round(max_risk * 100) * number:
            return threshold
    return None


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, 1.0]), st.booleans(), st.integers(0, 9)), max_size=60),
    st.sampled_from([0.05, 0.1, 0.2, 0.5]),
    st.integers(1, 4),
)
def test_a_threshold_is_the_lowest_that_keeps_the_risk(rows, max_risk, min_groups):
    scores, hits, groups = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.array([])] * 3
    hits, groups = hits.astype(bool), groups.astype(int)
    found = threshold_at_risk(scores, hits, groups, max_risk=max_risk, min_groups=min_groups)
    assert found == by_trying(scores, hits, groups, max_risk, min_groups)


def test_five_of_a_hundred_are_at_a_risk_of_five_percent():
    """Whatever 0.05 * 100 is in floating point, for every number of images."""
    for images in range(20, 2000, 20):
        hits = np.ones(images, bool)
        hits[: images // 20] = False
        scores = np.full(images, 0.5)
        kept = threshold_at_risk(scores, hits, np.arange(images), max_risk=0.05, min_groups=1)
        assert kept == 0.5
        hits[-1] = False
        assert threshold_at_risk(scores, hits, np.arange(images), max_risk=0.05, min_groups=1) is None


def test_all_images_of_one_score_are_answered_or_none():
    scores = np.array([0.9] * 10 + [0.8] * 10)
    hits = np.array([True] * 10 + [True] * 5 + [False] * 5)
    assert threshold_at_risk(scores, hits, np.arange(20), max_risk=0.1, min_groups=1) == 0.9
    assert threshold_at_risk(scores, hits[::-1], np.arange(20), max_risk=0.1, min_groups=1) is None


def test_one_sure_image_that_is_right_is_no_risk_of_zero():
    scores, hits = np.linspace(0.9, 0.1, 40), np.arange(40) == 0
    assert threshold_at_risk(scores, hits, np.arange(40), max_risk=0.05, min_groups=1) == 0.9
    assert threshold_at_risk(scores, hits, np.arange(40), max_risk=0.05, min_groups=2) is None


MADE = example(seed=5, classes=40, val=500, test=500, skill=3.0)
_, GENUS_OF = number_genera(MADE.species)
VAL, TEST = (how_sure(evaluated_of(MADE, split), 1.4, GENUS_OF) for split in ("val", "test"))


@pytest.mark.parametrize("max_risk", [0.05, 0.1, 0.2])
def test_each_level_keeps_the_risk_in_val(max_risk):
    fitted = fit_thresholds(VAL.images, VAL.confidences, VAL.genus, max_risk=max_risk, min_groups=10)
    level = levels(VAL.confidences, VAL.genus.confidences, fitted)
    hits = VAL.images.answers.hits
    assert (~hits[level == SPECIES]).mean() <= max_risk
    assert (~VAL.genus.hits[level == GENUS]).mean() <= max_risk
    assert 0 < (level == SPECIES).mean() < 1
    assert (level == GENUS).any()


def test_figures_are_those_of_each_level_in_the_test():
    fitted = fit_thresholds(VAL.images, VAL.confidences, VAL.genus, max_risk=0.1, min_groups=10)
    found = backing_off_figures(TEST.images, TEST.confidences, TEST.genus, fitted, min_groups=10)
    probabilities, hits = TEST.confidences, TEST.images.answers.hits
    said = probabilities >= fitted.species
    genus = ~said & (TEST.genus.confidences >= fitted.genus)
    assert found["species"]["coverage"].value == said.mean()
    assert found["species"]["precision"].value == hits[said].mean()
    assert found["genus"]["coverage"].value == genus.mean()
    assert found["genus"]["precision"].value == TEST.genus.hits[genus].mean()
    assert found["nothing"].value == pytest.approx(1 - said.mean() - genus.mean())
    alone = abstaining_figures(TEST.images, TEST.confidences, fitted, min_groups=10)
    assert alone["coverage"].value == said.mean()
    assert alone["risk"].value == pytest.approx(1 - hits[said].mean())
    assert alone["risk"].low < alone["risk"].value < alone["risk"].high
    assert alone["risk"].groups == len(np.unique(TEST.images.groups[said]))


def test_where_no_threshold_keeps_the_risk_nothing_is_said():
    none = Thresholds(0.05, None, None)
    assert (levels(TEST.confidences, TEST.genus.confidences, none) == NOTHING).all()
    found = backing_off_figures(TEST.images, TEST.confidences, TEST.genus, none, min_groups=10)
    assert (found["nothing"].value, found["species"]["coverage"].value) == (1.0, 0.0)
    assert found["species"]["precision"].images == 0
    assert np.isnan(found["species"]["precision"].value)
    only_genus = Thresholds(0.05, None, 0.0)
    assert (levels(TEST.confidences, TEST.genus.confidences, only_genus) == GENUS).all()


def test_without_a_species_the_genus_is_fitted_to_all_images():
    wrong = example(seed=5, classes=40, val=500, test=10, skill=0.0)
    val = how_sure(evaluated_of(wrong, "val"), 1.0, GENUS_OF)
    fitted = fit_thresholds(val.images, val.confidences, val.genus, max_risk=0.05, min_groups=10)
    assert (fitted.species, fitted.genus) == (None, None)
