"""The groups of a species are divided as near to the shares as whole groups allow."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.splitting.divide import divide, drop_extra_photos
from stages.tables.classes import SPLITS
from tests.support.memory import peak_memory_kb
from tests.support.splits import SHARES, split, split_population
from tests.support.tables import available_rows

group_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=200)


@given(group_sizes)
def test_divide_keeps_its_promises(sizes):
    splits = divide(sizes, 0.1, 0.1)
    assert len(splits) == len(sizes)
    expected = {1: {"train"}, 2: {"train", "val"}}.get(len(sizes), set(SPLITS))
    assert set(splits) == expected
    assert splits[sizes.index(max(sizes))] == "train"


@given(group_sizes.filter(lambda sizes: sum(sizes) >= 30))
def test_shares_are_as_near_as_whole_groups_allow(sizes):
    splits = divide(sizes, 0.1, 0.1)
    for name in ("val", "test"):
        images = sum(size for size, split in zip(sizes, splits, strict=True) if split == name)
        # Half a group beside the wanted share, or the one group that must be there.
        assert abs(images - 0.1 * sum(sizes)) <= max(sizes) / 2 or splits.count(name) == 1


def test_a_large_class_is_divided_80_10_10():
    splits = divide([1] * 1000, 0.1, 0.1)
    assert [splits.count(name) for name in SPLITS] == [800, 100, 100]


def test_a_huge_group_does_not_starve_the_others():
    assert divide([100, 1, 1], 0.1, 0.1) == ["train", "val", "test"]
    assert set(divide([1, 100, 1, 1], 0.1, 0.1)) == set(SPLITS)


def test_one_photo_of_an_observation_stands_in_val_and_test():
    rows = available_rows([{"species": "A", "observation_id": f"o{n // 3}"} for n in range(90)])
    params = SHARES.model_copy(update={"one_photo_an_observation": True})
    used, left_out = split(rows, params=params)
    sizes = used.group_by("split", "observation_id").len()
    assert set(sizes.filter(pl.col("split") != "train")["len"]) == {1}
    assert set(sizes.filter(pl.col("split") == "train")["len"]) == {3}
    assert set(left_out["reason"]) == {"another_photo_of_its_observation"}
    # They belong to val and test, and are remembered so.
    assert set(left_out["split"]) == {"val", "test"}
    everything = split_population(rows)
    assert used.height + left_out.height == everything.height


def test_photos_that_are_known_take_memory_once_and_not_once_an_observation():
    names = [f"{number:06d}" for number in range(60_000)]
    rows = pl.DataFrame({"image_name": names, "group": [name[:-1] for name in names]}).with_columns(split=pl.lit("val"))
    known = rows.filter(pl.col("image_name").str.ends_with("7"))["image_name"]
    before = peak_memory_kb(anew=True)
    kept, left_out = drop_extra_photos(rows, known)
    assert peak_memory_kb() - before < 150_000  # it took 600 MB, and 100 times that of ten times as many
    assert kept["image_name"].to_list() == known.to_list()
    assert left_out.height == 54_000


def test_a_class_has_no_more_in_train_than_is_allowed():
    rows = available_rows(
        [{"species": "A", "observation_id": f"o{n // 5}"} for n in range(100)] + [{"species": "B"}] * 5
    )
    params = SHARES.model_copy(update={"max_train_images_per_class": 20})
    used, left_out = split(rows, params=params)
    before = split_population(rows)
    train = used.filter(pl.col("split") == "train")
    assert dict(train.group_by("species").len().iter_rows())["A"] == 20
    # One of each observation before a second one.
    of_a = before.filter(pl.col("split") == "train", pl.col("species") == "A")
    assert train.filter(pl.col("species") == "A")["observation_id"].n_unique() == of_a["observation_id"].n_unique()
    assert set(left_out["reason"]) == {"over_max_train_images"}
    for name in ("val", "test"):
        assert used.filter(pl.col("split") == name).equals(before.filter(pl.col("split") == name))
    assert used.filter(pl.col("species") == "B").height == 5
