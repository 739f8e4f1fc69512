"""What a split is like: its classes, its figures, its long tail."""

from typing import Any

import numpy as np
import polars as pl

from stages.config.schema import Shots
from stages.tables.classes import SPLITS

_RANKS_DRAWN = 60  # of each curve of the long tail, spaced by their logarithm


def number_classes(rows: pl.DataFrame) -> pl.DataFrame:
    """Number the species by the rank of their names and count their images and observations in each split.

    Returns:
        Columns of ``CLASSES``, sorted by label. A row that belongs to no observation counts as one of its own.
    """
    counts = [
        expression.alias(f"{split}_{what}")
        for split in SPLITS
        for in_split in [pl.col("split") == split]
        for what, expression in (
            ("images", in_split.sum()),
            ("observations", pl.coalesce("observation_id", "image_name").filter(in_split).n_unique()),
        )
    ]
    classes = rows.group_by("species").agg(counts).sort("species")
    return classes.with_row_index("label")


def summarize(classes: pl.DataFrame, leaks: dict[str, int], shots: Shots) -> dict[str, Any]:
    """Count what stands in each split and among the classes.

    Args:
        classes: as ``number_classes`` gives them.
        leaks: what stands in two splits, by what it is.
        shots: where few-shot ends and many-shot begins.
    """
    in_split = {name: classes.filter(pl.col(f"{name}_images") > 0) for name in SPLITS}
    trained = set(in_split["train"]["species"])
    evaluated = set(in_split["val"]["species"]) | set(in_split["test"]["species"])
    images = classes.select(pl.sum_horizontal(f"{name}_images" for name in SPLITS)).to_series()
    in_train = classes["train_images"]
    by_split = {
        name: {
            "images": int(classes[f"{name}_images"].sum()),
            "observations": int(classes[f"{name}_observations"].sum()),
            "classes": in_split[name].height,
        }
        for name in SPLITS
    }
    return by_split | {
        "classes": classes.height,
        "classes_with_one_image": int((images == 1).sum()),
        "classes_with_two_images": int((images == 2).sum()),
        "many_shot_classes": int((in_train > shots.many_above).sum()),
        "medium_shot_classes": int(in_train.is_between(shots.few_below, shots.many_above).sum()),
        "few_shot_classes": int((in_train < shots.few_below).sum()),
        "share_of_evaluated_classes_in_train": len(evaluated & trained) / len(evaluated) if evaluated else 1.0,
        "in_two_splits": leaks,
    }


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Give the few figures that people compare from run to run; the others stand in the report.

    Args:
        figures: as ``summarize`` gives them, and left_out: images by reason.
    """
    return {f"{name}_images": figures[name]["images"] for name in SPLITS} | {
        "classes": figures["classes"],
        "left_out": sum(figures["left_out"].values()),
        "leaks": sum(figures["in_two_splits"].values()),
        "share_of_evaluated_classes_in_train": figures["share_of_evaluated_classes_in_train"],
    }


def long_tail(classes: pl.DataFrame) -> pl.DataFrame:
    """Give the images of the classes by rank, the largest first, in each split and at ranks spaced by their logarithm.

    Returns:
        rank (1 is the largest class), images, split.
    """
    curves = []
    for split in SPLITS:
        sizes = np.sort(classes[f"{split}_images"].to_numpy())[::-1]
        sizes = sizes[sizes > 0]
        if len(sizes):
            ranks = np.unique(np.geomspace(1, len(sizes), _RANKS_DRAWN).round().astype(int))
            curves.append(pl.DataFrame({"rank": ranks, "images": sizes[ranks - 1], "split": split}))
    return pl.concat(curves)


def class_sizes(classes: pl.DataFrame) -> pl.DataFrame:
    """Count the classes by their images in all splits: 1, 2, 3 to 4, 5 to 8 and so on, doubling.

    Returns:
        images (text, with leading zeros, as plots sort by it), classes.
    """
    images = classes.select(pl.sum_horizontal(f"{name}_images" for name in SPLITS)).to_series().to_numpy()
    doublings = np.ceil(np.log2(images)).astype(int)
    digits = len(str(2 ** int(doublings.max(initial=0))))
    counts = np.bincount(doublings)
    bounds = [(2 ** (number - 1) + 1 if number else 1, 2**number) for number in range(len(counts))]
    names = [f"{low:0{digits}}" if low == high else f"{low:0{digits}}-{high:0{digits}}" for low, high in bounds]
    return pl.DataFrame({"images": names, "classes": counts})
