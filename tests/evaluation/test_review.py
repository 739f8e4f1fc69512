"""What differs between two commits besides their models' answers."""

from collections import Counter

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.review import Change, all_figures, changed_params, compare_splits, curves_of

SPLITS = ("train", "val", "test")
PLACES = st.dictionaries(st.integers(0, 30), st.tuples(st.sampled_from(SPLITS), st.sampled_from("AB")), max_size=20)


def test_parameters_that_differ_are_named_without_the_profile_and_others_profiles_are_left_out():
    base = {
        "profile": "sample",
        "crop": {"mode": "smart", "pad": 1},
        "gone": 1,
        "profiles": {"sample": {"lr": 0.1}, "big": {"lr": 1}},
    }
    head = {
        "profile": "sample",
        "crop": {"mode": "center", "pad": 1},
        "new": [1, 2],
        "profiles": {"sample": {"lr": 0.2}, "big": {"lr": 2}},
    }
    assert changed_params(base, head) == [
        Change("crop.mode", "smart", "center"),
        Change("new", None, [1, 2]),
        Change("lr", 0.1, 0.2),
        Change("gone", 1, None),
    ]


def test_true_and_one_are_two_values():
    assert changed_params({"a": True}, {"a": 1}) == [Change("a", True, 1)]
    assert changed_params({"a": 1}, {"a": "1"}) == [Change("a", 1, "1")]


def test_figures_of_both_stand_side_by_side_with_their_difference():
    found = all_figures({"test": {"top1": 0.5, "old": 3}}, {"test": {"top1": 0.75}, "train": {"epochs": 6, "ok": True}})
    assert found == [
        Change("test.top1", 0.5, 0.75), Change("train.epochs", None, 6), Change("train.ok", None, True),
        Change("test.old", 3, None),
    ]  # fmt: skip
    assert [change.difference for change in found] == [0.25, None, None, None]
    assert Change("ok", True, False).difference is None


def table(places: dict[int, tuple[str, str]]) -> pl.DataFrame:
    rows = [
        {"image_name": f"{n}.jpg", "sha256": f"{n:064x}", "species": species, "group": f"{n // 3}.jpg", "split": split}
        for n, (split, species) in places.items()
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("image_name", "sha256", "species", "group", "split"), pl.String))


@given(PLACES, PLACES)
def test_every_image_that_moved_came_went_or_is_another_species_is_counted(base, head):
    found = compare_splits(table(base), table(head), (["A", "B"], ["B", "A"]))
    both = base.keys() & head.keys()
    moves = Counter(f"{base[n][0]} -> {head[n][0]}" for n in both if base[n][0] != head[n][0])
    assert found.moves() == moves
    assert found.moved.height == moves.total()
    assert found.added == Counter(head[n][0] for n in head.keys() - base.keys())
    assert found.removed == Counter(base[n][0] for n in base.keys() - head.keys())
    relabeled = {f"{n}.jpg": (base[n][1], head[n][1]) for n in both if base[n][1] != head[n][1]}
    assert {row[0]: row[1:] for row in found.relabeled.iter_rows()} == relabeled
    counted = {change.name: (change.base, change.head) for change in found.images}
    for split in {place[0] for places in (base, head) for place in places.values()}:
        sides = tuple(sum(place[0] == split for place in places.values()) or None for places in (base, head))
        assert counted[split] == sides


@given(PLACES, PLACES)
def test_two_images_of_the_same_bytes_are_two_images(base, head):
    """Each split's table says how many images it has, and what came and went makes up what differs."""
    first = table({n: (split, "A") for n, (split, _) in base.items()})
    second = table({n: (base[n][0] if n in base else split, "A") for n, (split, _) in head.items()})
    copies = second.with_columns(image_name="copy of " + pl.col("image_name"))
    found = compare_splits(first, pl.concat([second, copies]), (["A"], ["A"]))
    for change in found.images:
        of_base, of_head = (change.base or 0), (change.head or 0)
        assert of_head == 2 * second.filter(split=change.name).height
        assert of_head - of_base == found.added.get(change.name, 0) - found.removed.get(change.name, 0)
    assert not found.moved.height


def test_an_image_that_came_again_with_other_bytes_has_moved_too():
    """A model has seen it all the same, and nobody would notice among what was added and removed."""
    base = table({1: ("train", "A"), 2: ("test", "A"), 3: ("val", "A")})
    head = table({1: ("test", "A"), 2: ("test", "A"), 3: ("val", "A")})
    head = head.with_columns(sha256=pl.col("sha256").str.replace("^0", "f"))
    found = compare_splits(base, head, (["A"], ["A"]))
    assert found.moves() == {"train -> test": 1}
    assert found.moved.row(0) == ("1.jpg", "A", "train", "test")
    assert (found.added, found.removed) == ({"test": 2, "val": 1}, {"train": 1, "test": 1, "val": 1})


def test_classes_that_are_new_or_gone_and_labels_that_mean_others_are_told_apart():
    none = table({})
    found = compare_splits(none, none, (["A", "B"], ["B", "C"]))
    assert (found.new_classes, found.gone_classes, found.same_order) == (["C"], ["A"], False)
    assert compare_splits(none, none, (["A", "B"], ["A", "B"])).same_order
    assert not compare_splits(none, none, (["A", "B"], ["B", "A"])).same_order


def test_curves_are_points_of_each_run_and_a_column_that_is_not_there_is_left_out():
    frames = {
        "main": pl.DataFrame({"epoch": [1], "val_top1": [0.5], "train_top5": [0.9]}),
        "mine": pl.DataFrame({"x": [1]}),
    }
    assert curves_of(frames) == [
        {"epoch": 1, "share": 0.5, "run": "main", "of": "top-1", "images": "validation"},
        {"epoch": 1, "share": 0.9, "run": "main", "of": "top-5", "images": "training"},
    ]
