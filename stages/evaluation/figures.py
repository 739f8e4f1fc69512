"""The figures that a test is summed up in, each with its interval, and the table that a plot draws of them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import f1_score

from stages.config.schema import Shots
from stages.evaluation.accuracies import accuracies
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.hierarchy import GenusAnswers, within_genus
from stages.evaluation.intervals import Estimate, share

# As a plot calls them, in its order. A name has no count in it: two runs' rows must line up.
NAMES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_per_class_accuracy": "mean per-class",
    "few_shot": "few-shot, mean per-class",
    "medium_shot": "medium-shot, mean per-class",
    "many_shot": "many-shot, mean per-class",
    "genus_top1": "genus, of the top species",
    "genus_top1_by_sum": "genus, by summed probability",
    "errors_within_genus": "errors within the genus",
}


def sum_up(
    test: Evaluated,
    genus: GenusAnswers,
    genus_of_class: np.ndarray,
    train_images: np.ndarray,
    shots: Shots,
    *,
    min_groups: int,
) -> dict[str, Estimate]:
    """Give the shares that sum up a test, by the names of ``NAMES``; what there is no image of is left out.

    Args:
        test: the images, all with numbers.
        genus: what is said of their genera.
        genus_of_class: int64 [classes].
        train_images: int64 [classes], training images of each class.
        shots: where few-shot ends and many-shot begins.
        min_groups: with fewer observations a figure has no interval.
    """
    hits, groups, labels = test.answers.hits, test.groups, test.labels
    near, wrong = within_genus(test, genus_of_class), ~hits
    found = {
        **accuracies(test.answers.ranks, groups, labels, train_images, shots, min_groups=min_groups),
        "genus_top1": share(near, groups, labels, min_groups=min_groups),
        "genus_top1_by_sum": share(genus.hits, groups, labels, min_groups=min_groups),
        "errors_within_genus": share(near[wrong], groups[wrong], labels[wrong], min_groups=min_groups),
    }
    return {name: estimate for name, estimate in found.items() if estimate.images}


def top1_by(test: Evaluated, column: pl.Series, *, min_groups: int) -> dict[str, Estimate]:
    """Give top-1 of the images of each value of a column, such as their source, by name."""
    hits, groups, labels = test.answers.hits, test.groups, test.labels
    found = {}
    for value in column.unique().sort():
        members = (column == value).to_numpy()
        found[value] = share(hits[members], groups[members], labels[members], min_groups=min_groups)
    return found


def macro_f1(test: Evaluated) -> float:
    """Give the mean F1 of the classes that the test has images of; of others there is nothing to be found."""
    present = np.unique(test.labels)
    return float(f1_score(test.labels, test.answers.said, labels=present, average="macro"))


def figures_table(figures: Mapping[str, Any]) -> pl.DataFrame:
    """Give the figures as a plot draws them, the headline first: columns of ``stages.tables.evaluate.TEST_FIGURES``.

    Args:
        figures: of ``sum_up``, and of ``top1_by`` as by_source and by_license.
    """
    named = {NAMES[name]: figures[name] for name in NAMES if name in figures}
    for column in ("source", "license"):
        named |= {f"top-1, {column} {name}": estimate for name, estimate in figures[f"by_{column}"].items()}
    return pl.DataFrame([{"figure": name} | asdict(estimate) for name, estimate in named.items()])
