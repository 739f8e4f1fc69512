"""Accuracy of many-, medium- and few-shot classes apart, as the literature on long tails reports it."""

from typing import Any

import numpy as np

from stages.config.schema import Shots
from stages.learning.scores import EvalResult, mean_per_class_accuracy


def by_shots(result: EvalResult, train_images: np.ndarray, shots: Shots) -> dict[str, dict[str, Any]]:
    """Give figures of many-, medium- and few-shot classes apart (Liu et al., CVPR 2019).

    Args:
        result: what a model made of the images of a split.
        train_images: int [classes], training images of each class.
        shots: where few-shot ends and many-shot begins.
    """
    size = train_images[result.labels]
    groups = {
        "few_shot": size < shots.few_below,
        "medium_shot": (size >= shots.few_below) & (size <= shots.many_above),
        "many_shot": size > shots.many_above,
    }
    return {
        name: {
            "classes": len(np.unique(result.labels[members])),
            "images": int(members.sum()),
            "mean_per_class_accuracy": mean_per_class_accuracy(result.ranks[members] < 1, result.labels[members]),
        }
        for name, members in groups.items()
        if members.any()
    }
