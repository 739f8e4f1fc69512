"""A test has no image that the model has seen, and none of a group that it has seen."""

from collections import defaultdict

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.trained_on import check_unseen, read_seen, read_trained_on, write_trained_on
from stages.runtime.errors import UserError
from tests.support.memory import peak_memory_kb
from tests.support.saved import SPLITS, Row, write_groups


def complaint_of(folder, before: dict[str, list[Row]], now: dict[str, list[Row]]) -> str | None:
    write_groups(folder, before)
    seen = read_seen(folder)
    write_groups(folder, now)
    try:
        check_unseen(seen, folder)
    except UserError as error:
        return str(error)
    return None


def test_what_was_seen_comes_back_as_it_was(tmp_path):
    write_groups(tmp_path, SPLITS)
    seen = read_seen(tmp_path)
    assert seen.select("split", "image_name", "group").rows() == [
        (split, *row[:2]) for split in ("train", "val") for row in SPLITS[split]
    ]
    write_trained_on(seen, tmp_path / "models")
    assert read_trained_on(tmp_path / "models/trained_on.parquet").equals(seen)


@pytest.mark.parametrize("kept", [[], ["val"], ["test"], ["train", "val", "test"], ["another"]])
def test_a_model_that_has_seen_nothing_or_a_test_is_none(tmp_path, kept):
    write_groups(tmp_path, SPLITS)
    seen = read_seen(tmp_path)
    parts = [
        seen.filter(split="train").with_columns(split=pl.lit(name), image_name=name + pl.col("image_name"))
        for name in kept
    ]
    write_trained_on(pl.concat([seen.clear(), *parts]), tmp_path)
    with pytest.raises(UserError, match=r"trained_on\.parquet must be of images of train and val \(found "):
        read_trained_on(tmp_path / "trained_on.parquet")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({}, None),
        ({"test": [*SPLITS["test"], ("new1", "new1"), ("new2", "f1")]}, None),  # it merely grew
        ({"test": [("f0", "f0"), ("f1", "f0"), ("f2", "f0")]}, None),  # so did a group, at its beginning
        ({"test": SPLITS["test"][:1]}, None),
        ({"train": SPLITS["train"][:2], "test": [*SPLITS["test"], ("b1", "b1")]},
         "1 of 5 test images in its training or validation (1 themselves, 0 by others of their group): b1. "),
        ({"val": SPLITS["val"][1:], "test": [*SPLITS["test"], ("d1", "d1")]}, "1 of 5 test images"),
        # Under another name.
        ({"test": [*SPLITS["test"], ("other", "other", "b1")]}, "(1 themselves, 0 by others of their group): other"),
        # A whole group has moved; one image of it has; only one that is new has, whatever the group is called now.
        ({"train": SPLITS["train"][2:], "test": [("a1", "a1"), ("a2", "a1"), ("a3", "a1")]},
         "3 of 3 test images in its training or validation (2 themselves, 1 by others of their group): a1, a2, a3. "),
        ({"train": SPLITS["train"][2:], "test": [("a0", "a0"), ("a2", "a0"), ("f1", "f1")]}, "(1 themselves, 1 by "),
        ({"train": SPLITS["train"][2:], "test": [("a3", "a1"), ("f1", "f1")]}, "(0 themselves, 1 by others of their"),
        # Its images of then stand in another split today, or under a group's name that the training knew.
        ({"train": [("a1", "z"), ("a2", "z")], "test": [("a3", "z"), ("f1", "f1")]}, "(0 themselves, 1 by others"),
        ({"val": [("d1", "e0"), ("e2", "e0")], "test": [("e3", "e0")]}, "1 of 1 test images"),
    ],
)  # fmt: skip
def test_what_a_model_has_seen_is_no_test_of_it(tmp_path, now, said):
    found = complaint_of(tmp_path, SPLITS, SPLITS | now)
    assert (found is None) == (said is None), found
    assert said is None or (said in found and "train again (`dvc repro train`)" in found)


def test_a_group_that_is_named_after_an_image_that_was_not_used_is_known_by_it(tmp_path):
    """As with one photo an observation: its first image may be the test's, once it is drawn."""
    before = SPLITS | {"train": [("a2", "a1"), ("b1", "b1")]}
    assert "(0 themselves, 1 by others of their group): a1. " in complaint_of(
        tmp_path, before, {"train": [("b1", "b1")], "val": [], "test": [("a1", "a1")]}
    )


def test_many_are_counted_and_the_first_named(tmp_path):
    found = complaint_of(tmp_path, SPLITS, SPLITS | {"train": SPLITS["test"], "test": SPLITS["train"]})
    assert found.startswith("the model has seen 6 of 6 test images ")
    assert ": a1, a2, b1 and 3 more. " in found


def test_many_images_take_memory_as_they_are_many_and_not_as_many_times_many(tmp_path):
    train = [(f"a{number}", f"a{number // 2 * 2}") for number in range(10_000)]
    write_groups(tmp_path, SPLITS | {"train": train})
    seen = read_seen(tmp_path)
    before = peak_memory_kb(anew=True)
    check_unseen(seen, tmp_path)
    assert peak_memory_kb() - before < 200_000  # with the names once a group it took 1.6 GB


def test_a_test_without_images_has_none_that_were_seen(tmp_path):
    assert complaint_of(tmp_path, SPLITS, {"train": [], "val": [], "test": []}) is None


def test_tables_that_lack_values_are_one_line(tmp_path):
    write_groups(tmp_path, SPLITS)
    table = pl.read_parquet(tmp_path / "test.parquet")
    for name in ("image_name", "sha256", "group"):
        table.with_columns(pl.when(pl.int_range(pl.len()) > 0).then(name).alias(name)).write_parquet(
            tmp_path / "test.parquet"
        )
        with pytest.raises(UserError, match=rf"test\.parquet, row 1: {name} is missing"):
            check_unseen(read_seen(tmp_path), tmp_path)


IMAGES = [f"{group}{number}" for group in "abcde" for number in range(3)]


@st.composite
def divisions(draw) -> dict[str, list[Row]]:
    """Images of a few observations, some of them used, whole groups to a split, a group named after any of its own."""
    splits = defaultdict(list)
    for observation in "abcde":
        own = [name for name in IMAGES if name[0] == observation]
        name = draw(st.sampled_from(own))
        split = draw(st.sampled_from(["train", "val", "test"]))
        splits[split] += [(image, name) for image in draw(st.lists(st.sampled_from(own), unique=True))]
    return {split: splits[split] for split in ("train", "val", "test")}


@given(before=divisions(), now=divisions())
def test_whatever_is_divided_anew_no_image_is_scored_that_was_seen_and_no_group_refused_that_was_not(
    tmp_path_factory, before, now
):
    found = complaint_of(tmp_path_factory.getbasetemp(), before, now)
    observations = {row[0][0] for split in ("train", "val") for row in before[split]}
    images = {row[0] for split in ("train", "val") for row in before[split]}
    test = [row[0] for row in now["test"]]
    if images & set(test):
        assert found is not None
    if not observations & {name[0] for name in test}:
        assert found is None
    # What nobody can tell by the tables is a group of which all images and its name are others.
    known = images | {row[1] for split in ("train", "val") for row in before[split]}
    touched = {name[0] for name in known} & {row[0][0] for row in now["test"] if {row[0], row[1]} & known}
    refused = [name for name in test if name[0] in touched]
    if refused:
        assert found.startswith(f"the model has seen {len(refused)} of {len(test)} test images")
    else:
        assert found is None
