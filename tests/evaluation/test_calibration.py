"""Calibration, against dense probabilities, a grid of temperatures, and models that are calibrated by design."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from stages.evaluation.calibration import (
    BINS,
    calibration_error,
    calibration_figures,
    debiased_error,
    equal_mass_bins,
    fit_temperature,
    if_calibrated,
    reliability,
)
from tests.support.predictions import evaluated_of, example

MADE = example(seed=3, classes=40, val=600, test=600, sharpness=1.7)
VAL, DENSE, LABELS = evaluated_of(MADE, "val"), MADE.logits["val"].astype(float), MADE.labels("val")


def loss(temperature: float, logits=DENSE, labels=LABELS) -> float:
    return -float(log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())


def test_the_temperature_is_that_of_the_least_loss_of_all_logits():
    found = fit_temperature(VAL, min_groups=10)
    grid = np.exp(np.linspace(np.log(0.25), np.log(4), 4001))
    best = grid[np.argmin([loss(temperature) for temperature in grid])]
    assert found.value == pytest.approx(best, rel=0.001)
    assert loss(found.value) <= min(loss(found.value * 0.999), loss(found.value * 1.001))
    assert (found.images, found.at_end) == (600, False)
    assert found.groups == MADE.splits["val"]["group"].n_unique()
    assert float(f"{found.value:.6g}") == found.value


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3, 2.0])
def test_a_model_that_is_so_much_surer_has_so_much_higher_a_temperature(factor):
    surer = evaluated_of(MADE.with_logits("val", DENSE * factor), "val")
    plain = fit_temperature(VAL, min_groups=10).value
    assert fit_temperature(surer, min_groups=10).value == pytest.approx(plain * factor, rel=2e-4)


@pytest.mark.parametrize(("factor", "end"), [(20.0, 4.0), (0.01, 0.25)])
def test_a_temperature_beyond_what_is_known_stands_at_the_end_and_says_so(factor, end):
    found = fit_temperature(evaluated_of(MADE.with_logits("val", DENSE * factor), "val"), min_groups=10)
    assert (found.value, found.at_end) == (end, True)


def test_of_too_few_observations_there_is_no_temperature():
    groups = MADE.splits["val"]["group"].n_unique()
    assert fit_temperature(VAL, min_groups=groups).images == 600
    found = fit_temperature(VAL, min_groups=groups + 1)
    assert (found.value, found.images, found.groups, found.at_end) == (1.0, 0, 0, False)
    assert fit_temperature(VAL.take(np.arange(0)), min_groups=2).value == 1.0


@pytest.mark.parametrize("temperature", [0.25, 0.5, 0.8, 1.0, 2.5, 4.0])
def test_loss_and_brier_are_those_of_all_logits(temperature):
    figures = calibration_figures(VAL, temperature, seed=1)
    probabilities = softmax(DENSE / temperature, axis=1)
    truth = np.eye(40)[LABELS]
    assert figures["nll"] == pytest.approx(loss(temperature), abs=1e-4)
    assert figures["brier"] == pytest.approx(float(((probabilities - truth) ** 2).sum(1).mean()), abs=1e-4)
    assert figures["top1"] == (DENSE.argmax(1) == LABELS).mean()
    assert figures["mean_confidence"] == pytest.approx(probabilities.max(1).mean(), abs=1e-4)


def test_a_temperature_makes_an_overconfident_model_calibrated():
    before, after = (calibration_figures(VAL, t, seed=1) for t in (1.0, fit_temperature(VAL, min_groups=10).value))
    assert before["ece"] > 2 * before["ece_if_calibrated_high"]
    assert after["ece"] < 0.6 * before["ece"]
    assert after["nll"] < before["nll"]
    assert after["debiased_l2"] < before["debiased_l2"]


def drawn(images: int, seed: int, *, off: float = 0.0):
    """Confidences, and hits of a model whose true share of hits is ``off`` below its confidence."""
    rng = np.random.default_rng(seed)
    confidences = np.round(rng.uniform(0.3, 1, images), 6)
    return confidences, rng.random(images) < confidences - off


def test_a_calibrated_model_shows_the_error_that_is_said_of_it():
    """ECE of a perfectly calibrated model is some 0.03 on 2,000 images: the null value that stands beside it."""
    found, expected = [], []
    for seed in range(60):
        confidences, hits = drawn(2000, seed)
        bins = equal_mass_bins(confidences)
        found.append(calibration_error(confidences, hits, bins))
        expected.append(if_calibrated(confidences, bins, resamples=20, seed=1000 + seed).mean())
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.05)
    assert 0.02 < np.mean(found) < 0.04


def test_of_few_images_the_error_is_large_by_chance_and_the_debiased_one_is_not():
    errors, debiased = [], []
    for seed in range(200):
        confidences, hits = drawn(200, seed, off=0.1)
        bins = equal_mass_bins(confidences)
        errors.append(calibration_error(confidences, hits, bins))
        debiased.append(debiased_error(confidences, hits, bins) ** 2)
    assert np.mean(errors) > 0.12  # of a true 0.1
    assert np.sqrt(np.mean(debiased)) == pytest.approx(0.1, abs=0.01)


def test_by_hand():
    confidences, hits = np.array([0.5, 0.5, 0.9, 0.9]), np.array([True, False, True, True])
    bins = equal_mass_bins(confidences, bins=2)
    assert bins.tolist() == [0, 0, 1, 1]
    assert calibration_error(confidences, hits, bins) == pytest.approx((0 + 2 * 0.1) / 4)
    # Of the first bin 0 - 0.25 / 1, of the second 0.01 - 0: less than nothing is 0.
    assert debiased_error(confidences, hits, bins) == 0
    three = np.array([True, True, True, True])
    assert debiased_error(confidences, three, bins) == pytest.approx(np.sqrt((0.25 + 0.01) / 2))
    assert debiased_error(confidences[:1], hits[:1], np.array([0])) is None


@given(st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=1, max_size=200), st.randoms())
def test_bins_have_as_many_images_each_but_for_ties_which_are_in_one(values, random):
    confidences = np.round(values, 6)
    bins = equal_mass_bins(confidences)
    assert bins.min() >= 0
    assert bins.max() < BINS
    for value in np.unique(confidences):
        assert len(np.unique(bins[confidences == value])) == 1
    rising = np.argsort(confidences, kind="stable")
    assert (np.diff(bins[rising]) >= 0).all()
    if len(np.unique(confidences)) == len(confidences):
        counts = np.bincount(bins, minlength=BINS)
        assert counts.max() - counts.min() <= 1
    shuffled = list(range(len(values)))
    random.shuffle(shuffled)
    hits = np.arange(len(values)) % 3 == 0
    other = equal_mass_bins(confidences[shuffled])
    assert other.tolist() == bins[shuffled].tolist()
    found, again = (
        calibration_error(confidences, hits, bins),
        calibration_error(confidences[shuffled], hits[shuffled], other),
    )
    assert found == pytest.approx(again)


def test_a_confidence_of_one_is_a_confidence_as_any_other():
    """torchmetrics left it out of its last bin."""
    confidences = np.ones(40)
    bins = equal_mass_bins(confidences)
    assert len(np.unique(bins)) == 1
    assert calibration_error(confidences, np.ones(40, bool), bins) == 0
    assert calibration_error(confidences, np.zeros(40, bool), bins) == 1
    assert calibration_error(confidences, np.arange(40) % 4 > 0, bins) == 0.25
    assert (if_calibrated(confidences, bins, resamples=5, seed=1) == 0).all()


def test_the_reliability_of_each_bin_is_its_share_of_hits_with_an_interval():
    table = reliability(VAL, 2.0, min_groups=10)
    confidences, hits = softmax(DENSE / 2, axis=1).max(1), DENSE.argmax(1) == LABELS
    assert table["images"].to_list() == [40] * 15
    order = np.argsort(confidences, kind="stable").reshape(15, 40)
    np.testing.assert_allclose(table["confidence"], confidences[order].mean(1), atol=1e-4)
    np.testing.assert_allclose(table["accuracy"], hits[order].mean(1))
    assert ((table["low"] <= table["accuracy"]) & (table["accuracy"] <= table["high"])).all()


def test_a_few_images_are_few_bins_each_with_an_interval():
    groups = len(np.unique(VAL.groups))
    few = reliability(VAL, 2.0, min_groups=groups // 3)
    assert few.height == 3
    assert few["low"].null_count() == 0
    assert few["images"].sum() == 600
    none = reliability(VAL, 2.0, min_groups=groups + 1)
    assert none["images"].to_list() == [600]
    assert none["low"].null_count() == 1


def test_the_same_images_in_another_order_are_as_calibrated():
    turned = VAL.take(np.arange(len(VAL))[::-1])
    first, second = (calibration_figures(part, 1.2, seed=1) for part in (VAL, turned))
    for name in first.keys() - {"ece_if_calibrated", "ece_if_calibrated_high"}:
        assert first[name] == pytest.approx(second[name])
    fitted = [dataclasses.asdict(fit_temperature(part, min_groups=10)) for part in (VAL, turned)]
    assert fitted[0] == fitted[1]
