"""Scores agree with scikit-learn's, and a model that says nothing is never right."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from stages.learning.scores import Meter, label_ranks, mean_per_class_accuracy


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(200, 12)), np.sort(rng.integers(0, 12, 200))
    logits[np.arange(200), labels] += 1
    meter = Meter()
    for part in np.array_split(np.arange(200), [7, 64, 65]):
        meter.add(torch.ones(len(part)), torch.tensor(logits[part]), torch.tensor(labels[part]))
    scores = meter.scores()
    assert scores.top1 == pytest.approx((logits.argmax(1) == labels).mean())
    assert scores.top5 == pytest.approx(top_k_accuracy_score(labels, logits, k=5))
    hits = logits.argmax(1) == labels
    assert mean_per_class_accuracy(hits, labels) == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))


def test_a_model_that_says_the_same_of_all_is_never_right():
    labels = torch.tensor([0, 1, 2])
    assert label_ranks(torch.zeros(3, 9), labels).tolist() == [8, 8, 8]
    assert label_ranks(torch.full((3, 9), float("nan")), labels).tolist() == [8, 8, 8]
    assert label_ranks(torch.eye(9)[:3], labels).tolist() == [0, 0, 0]
