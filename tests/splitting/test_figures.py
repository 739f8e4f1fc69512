"""Classes are numbered by name, counted, and drawn by size."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.splitting.figures import class_sizes, long_tail, number_classes, summarize
from stages.tables.classes import CLASSES, SPLITS
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
        ("0001", 1), ("0002", 1), ("0003-0004", 2), ("0005-0008", 1), ("0257-0512", 1),
    ]  # fmt: skip
    train = long_tail(classes).filter(pl.col("split") == "train")
    assert train["rank"].to_list() == [1, 2, 3, 4, 5, 6]
    assert train["images"].to_list() == [240, 3, 2, 1, 1, 1]


def classes_of(sizes: list[int]) -> pl.DataFrame:
    """Classes of so many training images, and none elsewhere."""
    counts = {name: 0 for name in CLASSES if name != "species"} | {"train_images": pl.Series(sizes, dtype=pl.Int64)}
    return pl.DataFrame({"species": [f"S{number}" for number in range(len(sizes))]}).with_columns(**counts)


SIZES = st.lists(
    st.integers(1, 10_000_000) | st.sampled_from([2**n + more for n in range(24) for more in (0, 1)]), min_size=1
)


@given(SIZES, SIZES)
def test_rows_of_the_plots_keep_their_names_when_the_population_grows(before, came):
    """So `dvc plots diff` puts a range of sizes into one place, whatever came between two commits."""
    small, large = (class_sizes(classes_of(sizes)) for sizes in (before, before + came))
    names = large["images"].to_list()
    assert small["images"].to_list() == names[: small.height]
    assert names == sorted(names)
    lows = [int(name.split(" ")[0].split("-")[0]) for name in names]
    assert lows == sorted(set(lows))
    # Each class is counted where its name says, empty ranges included.
    for name, low, number in zip(names, lows, large["classes"], strict=True):
        high = float("inf") if "or more" in name else int(name.split("-")[-1])
        assert number == sum(low <= size <= high for size in before + came)

    few, many = (set(long_tail(classes_of(sizes))["rank"]) for sizes in (before, before + came))
    assert few - {len(before)} <= many
    assert len(before) in few
