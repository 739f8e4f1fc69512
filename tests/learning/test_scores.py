"""Scores agree with scikit-learn's, and a model that says nothing is never right."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score
from torch import nn

from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.predict import predict
from stages.learning.processes import make_accelerator
from stages.learning.scores import Meter, label_ranks, mean_per_class_accuracy
from tests.support.packed import write_split


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


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_predictions_that_are_no_numbers_are_told_apart(tmp_path, wrong):
    """Whichever class it is of which a network says so: its own, or another, which leaves the loss as it is."""
    packed = write_split(tmp_path, "test", 9)
    batches = EpochBatches(packed.labels, step_images=4, micro_images=4)
    loader = PackedLoader(PackedImages(packed, 48), batches, workers=0)
    bad = {1: 1, 3: 2, 8: 0}  # the class, by image

    class Network(nn.Module):
        seen = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(len(images), 3)
            for row in range(len(images)):
                if (label := bad.get(self.seen + row)) is not None:
                    logits[row, label] = wrong
            self.seen += len(images)
            return logits

    color = ColorTransform((0.5,) * 3, (0.25,) * 3)
    result = predict(Network(), loader, color, make_accelerator(), what="test")
    assert np.flatnonzero(~result.finite).tolist() == sorted(bad)
    assert result.finite.dtype == np.bool_
