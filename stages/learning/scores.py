"""Scores of a classifier: loss, top-1, top-5, mean per-class accuracy."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator


@dataclass(frozen=True)
class Scores:
    """Means over the images of a split."""

    loss: float
    top1: float
    top5: float


@dataclass
class Meter:
    """Adds up the scores of batches, so that each image counts once whatever the batch sizes."""

    images: int = 0
    loss: float = 0.0
    top1: int = 0
    top5: int = 0

    def add(self, losses: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: losses [images] (of each image), logits [images, classes], labels int64 [images]."""
        ranks = label_ranks(logits, labels)
        self.images += len(labels)
        self.loss += float(losses.detach().double().sum())
        self.top1 += int((ranks < 1).sum())
        self.top5 += int((ranks < 5).sum())

    def of_all(self, accelerator: Accelerator) -> "Meter":
        """Give the sums over all processes; each of them must ask."""
        if accelerator.num_processes == 1:
            return self
        sums = torch.tensor([self.images, self.loss, self.top1, self.top5], dtype=torch.float64)
        total = cast(torch.Tensor, accelerator.reduce(sums.to(accelerator.device)))
        images, loss, top1, top5 = total.tolist()
        return Meter(int(images), loss, int(top1), int(top5))

    def scores(self) -> Scores:
        """Give the means so far; NaN of no images."""
        if not self.images:
            return Scores(float("nan"), float("nan"), float("nan"))
        return Scores(self.loss / self.images, self.top1 / self.images, self.top5 / self.images)


@dataclass(frozen=True)
class EvalResult:
    """What a model makes of each image of a split, in the split's order.

    Attributes:
        ranks: int64 [images], classes that it puts before an image's own; 0 is a top-1 hit.
        losses: float64 [images], cross-entropy without label smoothing.
        labels: int64 [images].
        finite: bool [images], whether its logits and its loss are numbers: none is NaN or infinite.
    """

    ranks: np.ndarray
    losses: np.ndarray
    labels: np.ndarray
    finite: np.ndarray

    def scores(self) -> Scores:
        """Give the means over the images."""
        return Scores(float(self.losses.mean()), float((self.ranks < 1).mean()), float((self.ranks < 5).mean()))

    def mean_per_class_accuracy(self) -> float:
        """Give top-1 where every class present counts alike."""
        return mean_per_class_accuracy(self.ranks < 1, self.labels)


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
