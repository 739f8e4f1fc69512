"""How well unknown species are told apart, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score

from stages.evaluation.unknown import Separation, unknown_figures
from tests.support.predictions import evaluated_of, example

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def false_at_95(known: np.ndarray, unknown: np.ndarray) -> float:
    """By the definition: the highest threshold that lets 95 % of the known pass, and who else passes."""
    for threshold in sorted(set(known.tolist()) | set(unknown.tolist()), reverse=True):
        if (known >= threshold).sum() * 100 >= 95 * len(known):
            return float((unknown >= threshold).mean())
    raise AssertionError


@given(SCORES, SCORES)
def test_figures_are_those_of_the_definitions(known, unknown):
    known, unknown = np.array(known, float), np.array(unknown, float)
    auroc, false = Separation(known, unknown).figures(np.ones(len(known) + len(unknown)))
    truth = np.append(np.ones(len(known)), np.zeros(len(unknown)))
    assert auroc == pytest.approx(roc_auc_score(truth, np.concatenate([known, unknown])))
    assert false == pytest.approx(false_at_95(known, unknown))


@given(SCORES, SCORES, st.randoms())
def test_weights_are_so_many_images(known, unknown, random):
    weights = np.array([random.randint(0, 2) for _ in [*known, *unknown]])
    of_known, of_unknown = weights[: len(known)], weights[len(known) :]
    separation = Separation(np.array(known, float), np.array(unknown, float))
    found = separation.figures(weights.astype(float))
    if not of_known.sum() or not of_unknown.sum():
        assert np.isnan(found).all()
        return
    several = Separation(np.repeat(np.array(known, float), of_known), np.repeat(np.array(unknown, float), of_unknown))
    np.testing.assert_allclose(found, several.figures(np.ones(weights.sum())))


MADE = example(seed=4, classes=30, val=20, test=250, unknown=120, skill=3.0)
TEST, UNKNOWN = (evaluated_of(MADE, split) for split in ("test", "unknown"))


def test_energy_and_largest_probability_are_those_of_all_logits():
    found = unknown_figures(TEST, UNKNOWN, 1.5, min_groups=10, resamples=200, seed=1)
    known, unknown = (MADE.logits[split].astype(float) for split in ("test", "unknown"))
    truth = np.append(np.ones(len(known)), np.zeros(len(unknown)))
    scores = {
        "energy": [logsumexp(part, axis=1) for part in (known, unknown)],
        "largest_probability": [softmax(part / 1.5, axis=1).max(1) for part in (known, unknown)],
    }
    for name, (of_known, of_unknown) in scores.items():
        auroc, false = found[name]["auroc"], found[name]["false_at_95"]
        assert auroc.value == pytest.approx(roc_auc_score(truth, np.concatenate([of_known, of_unknown])), abs=1e-3)
        assert false.value == pytest.approx(false_at_95(of_known, of_unknown), abs=0.01)
        assert 0.6 < auroc.low < auroc.value < auroc.high < 1
        assert false.low < false.value < false.high
    assert (found["images"], found["species"]) == (120, MADE.splits["unknown"]["species"].n_unique())
    assert found["groups"] == MADE.splits["unknown"]["group"].n_unique()


def test_of_few_observations_of_either_there_is_no_interval():
    groups = len(np.unique(UNKNOWN.groups))
    few = unknown_figures(TEST, UNKNOWN, 1.0, min_groups=groups + 1, resamples=100, seed=1)
    assert few["energy"]["auroc"].low is None
    assert few["energy"]["auroc"].value > 0.5


def test_where_all_are_told_apart_no_interval_pretends_to_be_sure():
    clear = MADE.with_logits("unknown", np.zeros((120, 30)))
    found = unknown_figures(TEST, evaluated_of(clear, "unknown"), 1.0, min_groups=10, resamples=100, seed=1)
    assert found["energy"]["auroc"].value == 1.0
    assert (found["energy"]["auroc"].low, found["energy"]["auroc"].high) == (None, None)
