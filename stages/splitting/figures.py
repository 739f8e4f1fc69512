"""What a split is like: its classes, its figures, its long tail."""

from typing import Any

import numpy as np
import polars as pl

from stages.config.schema import Shots
from stages.tables.classes import SPLITS
from stages.tables.size_bins import bins_of, name_bins

_RANKS_A_DECADE = 15  # at which a curve of the long tail is drawn
_CLASS_SIZES = tuple(2**doublings for doublings in range(14))  # 1 to 8192: the field's largest classes


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
    """Give the images of the classes by rank, the largest first, in each split: at fixed ranks, and at the last one.

    Returns:
        rank (1 is the largest class), images, split.
    """
    curves = []
    for split in SPLITS:
        sizes = np.sort(classes[f"{split}_images"].to_numpy())[::-1]
        sizes = sizes[sizes > 0]
        if len(sizes):
            ranks = _ranks_drawn(len(sizes))
            curves.append(pl.DataFrame({"rank": ranks, "images": sizes[ranks - 1], "split": split}))
    return pl.concat(curves)


def _ranks_drawn(classes: int) -> np.ndarray:
    """Give the ranks at which a curve of so many classes is drawn, rising; those of fewer classes are among them."""
    steps = np.arange(_RANKS_A_DECADE * len(str(classes)) + 1)
    ladder = np.unique(np.round(10 ** (steps / _RANKS_A_DECADE)).astype(int))
    return np.append(ladder[ladder < classes], classes)


def class_sizes(classes: pl.DataFrame) -> pl.DataFrame:
    """Count the classes by their images in all splits: 1, 2, 3 to 4, 5 to 8 and so on, doubling.

    Returns:
        images (text, see ``stages.tables.size_bins``), classes; up to the range of the largest class.
    """
    images = classes.select(pl.sum_horizontal(f"{name}_images" for name in SPLITS)).to_series().to_numpy()
    counts = np.bincount(bins_of(images, _CLASS_SIZES))
    return pl.DataFrame({"images": name_bins(_CLASS_SIZES)[: len(counts)], "classes": counts})
