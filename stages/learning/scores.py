"""Scores of a classifier: loss, top-1, top-5, mean per-class accuracy, accuracy by class size."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Scores:
    """Means over the images of a split."""

    loss: float
    top1: float
    top5: float


class Meter:
    """Adds up the scores of batches, so that each image counts once whatever the batch sizes."""

    def __init__(self) -> None:
        self.images = 0
        self._loss = self._top1 = self._top5 = 0.0

    def add(self, losses: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: losses [images] (of each image), logits [images, classes], labels int64 [images]."""
        ranks = label_ranks(logits, labels)
        self.images += len(labels)
        self._loss += float(losses.detach().double().sum())
        self._top1 += int((ranks < 1).sum())
        self._top5 += int((ranks < 5).sum())

    def scores(self) -> Scores:
        """Give the means so far; NaN of no images."""
        if not self.images:
            return Scores(float("nan"), float("nan"), float("nan"))
        return Scores(self._loss / self.images, self._top1 / self.images, self._top5 / self.images)


def label_ranks(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Say how many classes stand before each image's own, int64 [images]; 0 is a top-1 hit.

    A class with an equal logit counts as standing before, and NaN as the worst: a model that says the same of all
    classes, or nothing, must not look right.
    """
    own = logits.gather(1, labels[:, None])
    before = ~(logits < own)
    return before.sum(1) - 1


def mean_per_class_accuracy(hits: np.ndarray, labels: np.ndarray) -> float:
    """Mean over the classes present of the share of their images that were hit: every class counts alike.

    Args:
        hits: bool [images].
        labels: int [images].
    """
    _, inverse = np.unique(labels, return_inverse=True)
    return float((np.bincount(inverse, weights=hits) / np.bincount(inverse)).mean())
