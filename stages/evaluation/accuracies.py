"""How often what is said of images is right: of all, of each kind of classes, of classes of each size."""

from dataclasses import asdict, fields

import numpy as np
import polars as pl

from stages.config.schema import Shots
from stages.evaluation.intervals import Estimate, mean_per_class, share
from stages.evaluation.shots import by_shots
from stages.tables.size_bins import bins_of, name_bins

# Classes are drawn together by their number of training images: up to 1, 2, 5, ...
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def accuracies(
    ranks: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    train_images: np.ndarray,
    shots: Shots,
    *,
    min_groups: int,
) -> dict[str, Estimate]:
    """Give top1, top5, mean_per_class_accuracy, and this of few_shot, medium_shot and many_shot classes that there are.

    Args:
        ranks: int64 [images], classes that stand before the image's own; 0 is a hit.
        groups: int64 [images], numbers of their observations.
        labels: int64 [images].
        train_images: int64 [classes], training images of each class.
        shots: where few-shot ends and many-shot begins.
        min_groups: with fewer observations a figure has no interval.
    """
    hits = ranks == 0
    return {
        "top1": share(hits, groups, labels, min_groups=min_groups),
        "top5": share(ranks < 5, groups, labels, min_groups=min_groups),
        "mean_per_class_accuracy": mean_per_class(hits, groups, labels, min_groups=min_groups),
        **{
            name: mean_per_class(hits[members], groups[members], labels[members], min_groups=min_groups)
            for name, members in by_shots(train_images[labels], shots).items()
        },
    }


def accuracy_by_class_size(
    hits: np.ndarray, groups: np.ndarray, labels: np.ndarray, train_images: np.ndarray, *, min_groups: int
) -> pl.DataFrame:
    """Give top-1 of the classes of each size: columns of ``stages.tables.evaluate.BY_CLASS_SIZE``.

    Args:
        hits: bool [images].
        groups: int64 [images], numbers of their observations.
        labels: int64 [images].
        train_images: int64 [classes], training images of each class, 1 or more of those that images are of.
        min_groups: with fewer observations there is no interval.
    """
    bins, rows = bins_of(train_images[labels], SIZES), []
    for number, name in enumerate(name_bins(SIZES)):
        members = bins == number
        if members.any():
            estimate = share(hits[members], groups[members], labels[members], min_groups=min_groups)
            rows.append({"train_images": name} | asdict(estimate))
    columns = ["train_images", *(field.name for field in fields(Estimate))]  # of no image too
    return pl.DataFrame(rows, schema=None if rows else columns).rename({"value": "top1"})
