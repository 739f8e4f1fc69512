"""The genus of what is said, and the genus of the largest summed probability, against all logits."""

import numpy as np
from scipy.special import softmax

from stages.evaluation.hierarchy import genus_answers, within_genus
from stages.splitting.genera import number_genera
from tests.support.predictions import evaluated_of, example

MADE = example(seed=2, classes=60, val=10, test=300, skill=2.5, sharpness=1.0)
TEST, DENSE, LABELS = evaluated_of(MADE, "test"), MADE.logits["test"].astype(float), MADE.labels("test")
_, GENUS_OF = number_genera(MADE.species)


def test_the_genus_is_that_of_the_largest_sum_of_all_logits():
    for temperature in (0.7, 1.0, 1.5):
        probabilities = softmax(DENSE / temperature, axis=1)
        sums = np.stack([probabilities[:, genus == GENUS_OF].sum(1) for genus in range(15)], axis=1)
        found = genus_answers(TEST, temperature, GENUS_OF)
        best = sums.argmax(1)
        kept = (TEST.answers.genus_top == best[:, None]).any(1)  # the three of the largest sums at 1
        assert kept.all() if temperature == 1 else kept.mean() > 0.99
        assert sums.max(1)[~kept].max(initial=0) < 0.2  # which no threshold lets through
        clear = kept & (np.sort(sums, axis=1)[:, -1] - np.sort(sums, axis=1)[:, -2] > 0.005)
        assert clear.mean() > 0.9
        assert (found.said == best)[clear].all()
        np.testing.assert_allclose(found.confidences[clear], sums.max(1)[clear], atol=0.002)
        assert (found.hits == (found.said == GENUS_OF[LABELS])).all()


def test_within_the_genus_are_hits_and_errors_that_are_near():
    near = within_genus(TEST, GENUS_OF)
    assert (near == (GENUS_OF[DENSE.argmax(1)] == GENUS_OF[LABELS])).all()
    assert near[TEST.answers.hits].all()
    assert 0 < near[~TEST.answers.hits].mean() < 1


def test_by_hand_two_species_of_a_genus_outweigh_one_of_another():
    made = example(seed=1, classes=4, val=10, test=10)
    logits = np.tile([1.0, 1.0, 0.0, 1.5], (10, 1))
    two = made.with_logits("test", logits)
    genera = np.array([0, 0, 1, 1])
    test = evaluated_of(two, "test")
    assert (test.answers.said[test.labels != 3] == 3).all()
    found = genus_answers(evaluated_of(two, "test"), 1.0, np.zeros(4, int))
    assert (found.confidences == 1).all()
    assert found.hits.all()
    assert (within_genus(test, genera) == (test.labels >= 2)).all()


def test_no_image_at_all_has_no_genus():
    assert len(genus_answers(TEST.take(np.zeros(len(TEST), bool)), 1.0, GENUS_OF).said) == 0
