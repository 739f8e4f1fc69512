"""Classes are numbered by name, counted, and drawn by size."""

import polars as pl
from hypothesis import given

from stages.splitting.figures import class_sizes, long_tail, number_classes, summarize
from stages.tables.classes import SPLITS
from tests.support.splits import SHOTS, leaks, populations, split_population
from tests.support.tables import available_rows


@given(populations())
def test_classes_are_numbered_by_name_and_counted(rows):
    split = split_population(rows)
    if split.is_empty():
        return
    classes = number_classes(split)
    assert classes["species"].to_list() == sorted(set(split["species"]))
    assert classes["label"].to_list() == list(range(classes.height))
    figures = summarize(classes, leaks(split), SHOTS)
    assert sum(figures[name]["images"] for name in SPLITS) == split.height
    assert sum(figures[name]["observations"] for name in SPLITS) == (
        split.select(pl.coalesce("observation_id", "image_name").n_unique()).item()
    )
    assert figures["share_of_evaluated_classes_in_train"] == 1.0
    assert set(figures["in_two_splits"].values()) == {0}
    assert sum(figures[f"{shot}_shot_classes"] for shot in ("few", "medium", "many")) == classes.height
    assert class_sizes(classes)["classes"].sum() == classes.height


def test_the_long_tail_and_the_sizes_of_classes():
    sizes = {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 300}
    classes = number_classes(
        split_population(available_rows([{"species": s} for s, n in sizes.items() for _ in range(n)]))
    )
    assert class_sizes(classes).filter(pl.col("classes") > 0).rows() == [
        ("001", 1), ("002", 1), ("003-004", 2), ("005-008", 1), ("257-512", 1),
    ]  # fmt: skip
    train = long_tail(classes).filter(pl.col("split") == "train")
    assert train["rank"].to_list() == [1, 2, 3, 4, 5, 6]
    assert train["images"].to_list() == [240, 3, 2, 1, 1, 1]
