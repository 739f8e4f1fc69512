"""Classes are grouped by their training images, each group with its own accuracy."""

import numpy as np
import pytest

from stages.config.schema import Shots
from stages.evaluation.shots import by_shots
from stages.learning.scores import EvalResult

SHOTS = Shots(few_below=20, many_above=100)


def test_a_class_is_in_one_group_also_at_its_limits():
    train_images = np.array([1, 19, 20, 100, 101, 5000])
    labels = np.arange(6)
    ranks = np.array([0, 9, 0, 0, 4, 0])
    found = by_shots(EvalResult(ranks, np.ones(6), labels, np.ones(6, bool)), train_images, SHOTS)
    assert {name: (of_group["classes"], of_group["images"]) for name, of_group in found.items()} == {
        "few_shot": (2, 2), "medium_shot": (2, 2), "many_shot": (2, 2)
    }  # fmt: skip
    accuracy = {name: of_group["mean_per_class_accuracy"] for name, of_group in found.items()}
    assert accuracy == {"few_shot": 0.5, "medium_shot": 1.0, "many_shot": 0.5}


def test_classes_count_alike_in_a_group_and_an_empty_group_is_none():
    labels = np.array([0, 0, 0, 1])
    found = by_shots(EvalResult(np.array([0, 0, 0, 7]), np.ones(4), labels, np.ones(4, bool)), np.array([3, 4]), SHOTS)
    assert found.keys() == {"few_shot"}
    assert found["few_shot"]["mean_per_class_accuracy"] == pytest.approx(0.5)
