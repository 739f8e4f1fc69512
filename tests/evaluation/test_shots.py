"""Images are grouped by the training images of their classes."""

import numpy as np

from stages.config.schema import Shots
from stages.evaluation.shots import SHOTS, by_shots

LIMITS = Shots(few_below=20, many_above=100)


def test_a_class_is_in_one_group_also_at_its_limits():
    found = by_shots(np.array([1, 19, 20, 100, 101, 5000]), LIMITS)
    assert tuple(found) == SHOTS
    assert {name: np.flatnonzero(members).tolist() for name, members in found.items()} == {
        "few_shot": [0, 1], "medium_shot": [2, 3], "many_shot": [4, 5]
    }  # fmt: skip


def test_an_empty_group_is_none():
    assert by_shots(np.array([3, 3, 4]), LIMITS).keys() == {"few_shot"}
