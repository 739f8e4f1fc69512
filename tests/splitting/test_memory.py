"""Splits stay comparable while the cache grows: what was in val or test is never trained on."""

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.split import split_images
from stages.splitting.divide import divide
from stages.splitting.groups import link_images
from stages.splitting.memory import extend_assignments, lost_sources, pin_groups, recall
from stages.tables.links import LINKS
from stages.tables.remember import ASSIGNMENTS
from tests.support.splits import (
    NO_DISPUTES,
    NO_PAIRS,
    NOTHING,
    SHARES,
    alike,
    check,
    known_by,
    linked,
    names,
    note,
    populations,
    split,
    where,
)
from tests.support.tables import available_rows, links_of_rows


def remembered(rows: pl.DataFrame, assignments: pl.DataFrame = NOTHING) -> pl.DataFrame:
    return note(assignments, split(rows, assignments)[0])


def with_links(left_out: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Give rows that were left out with what they may be met again by."""
    return left_out.join(rows.select("image_name", "observation_id", "photo_id", "sha256"), on="image_name")


def grown(before: int, after: int, **columns: object) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = available_rows([{"species": "A"} | columns] * after)
    return rows.head(before), rows


@given(populations(), st.randoms(use_true_random=False), st.floats(0, 1))
def test_whatever_comes_and_goes_nothing_of_val_and_test_is_ever_trained_on(rows, random, share):
    """Three times some images are there, others are not: new links turn up, old images vanish and come back."""
    assignments, ever = NOTHING, {}
    for _ in range(3):
        there = rows.filter(pl.Series([random.random() < share for _ in range(rows.height)], dtype=pl.Boolean))
        if there.is_empty():
            continue
        used, left_out = split(there, assignments)
        check(used)
        assert used.height + left_out.height == there.height
        for name, now in where(used).items():
            assert ever.setdefault(name, now) == now
        assignments = note(assignments, used)
        assert where(assignments).items() >= ever.items()


@given(populations())
def test_the_same_images_are_split_as_before(rows):
    first, _ = split(rows)
    assume(first.height)
    again, _ = split(rows, note(NOTHING, first))
    assert where(again) == where(first)
    # Another seed draws nothing anew: all is remembered.
    other, _ = split(rows, note(NOTHING, first), params=SHARES.model_copy(update={"seed": 9}))
    assert where(other) == where(first)


def test_new_images_fill_up_what_is_wanted():
    few, many = grown(100, 1000)
    now, _ = split(many, remembered(few))
    counts = dict(now.group_by("split").len().iter_rows())
    assert counts == {"train": 800, "val": 100, "test": 100}


@pytest.mark.parametrize(
    ("known", "sizes", "expected"),
    [
        (["train", None], [1, 1], ["train", "val"]),
        (["val", None], [1, 1], ["val", "train"]),
        (["test", None], [1, 1], ["test", "train"]),
        (["train", "val", None], [1, 1, 1], ["train", "val", "test"]),
        (["val", None, None], [1, 1, 5], ["val", "test", "train"]),
        (["train", "train", "train", None], [1, 1, 1, 1], ["train", "train", "train", "val"]),
        (["val", "test"], [1, 1], ["val", "test"]),
        ([None], [3], ["train"]),
        (["test"], [3], ["test"]),
    ],
)
def test_new_groups_go_where_they_are_wanted_around_the_old_ones(known, sizes, expected):
    assert divide(sizes, 0.1, 0.1, known) == expected


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([None, "train", "val", "test"])), min_size=1, max_size=60))
def test_divide_keeps_what_it_is_given(groups):
    sizes, known = zip(*groups, strict=True)
    splits = divide(sizes, 0.1, 0.1, known)
    assert all(before in (None, after) for before, after in zip(known, splits, strict=True))
    assert "train" in splits or None not in known


def test_a_new_link_between_train_and_val_leaves_the_val_members_out():
    few, many = grown(30, 31)
    assignments = remembered(few)
    at = {split_: name for name, split_ in where(assignments).items()}
    numbers = {split_: int(name.split(".")[0], 16) for split_, name in at.items()}
    pairs = alike(*(tuple(sorted((numbers["train"], numbers[name]))) for name in ("val", "test")), (numbers["val"], 30))
    now, left_out = split(many, assignments, pairs)
    assert dict(left_out.select("image_name", "reason").iter_rows()) == {
        at["val"]: "was_in_val_and_now_belongs_to_train",
        at["test"]: "was_in_test_and_now_belongs_to_train",
    }
    assert where(now)[at["train"]] == "train"
    assert where(now)[names(30)[0]] == "train"  # new: never evaluated on
    # When the link is gone again, they are what they were.
    again, _ = split(few, note(assignments, now))
    assert where(again) == where(assignments)


def test_a_new_link_between_val_and_test_leaves_the_val_members_out():
    few, _ = grown(30, 30)
    assignments = remembered(few)
    numbers = {split_: int(name.split(".")[0], 16) for name, split_ in where(assignments).items()}
    _, left_out = split(few, assignments, alike(tuple(sorted((numbers["val"], numbers["test"])))))
    assert left_out["reason"].to_list() == ["was_in_val_and_now_belongs_to_test"]


@pytest.mark.parametrize("identity", ["sha256", "photo_id", "observation_id"])
def test_an_image_is_met_again_under_another_url(identity):
    few = available_rows([{"species": "A", identity: f"id{n}"} for n in range(40)])
    assignments = remembered(few)
    renamed = few.with_columns(image_name=pl.format("{}.jpg", pl.col("image_name").str.reverse()))
    again, _ = split(renamed, assignments)
    assert again["split"].to_list() == split(few)[0]["split"].to_list()


def test_an_image_whose_species_was_corrected_stays_where_it_was():
    few = available_rows([{"species": "A"}] * 20 + [{"species": "B"}] * 20)
    assignments = remembered(few)
    corrected = few.with_columns(
        species=pl.when(pl.col("image_name") < names(30)[0]).then(pl.lit("A")).otherwise("species")
    )
    assert where(split(corrected, assignments)[0]) == where(assignments)


def test_a_species_whose_training_images_are_gone_is_left_out():
    rows = available_rows([{"species": "A"}] * 3 + [{"species": "B"}] * 3)
    assignments = remembered(rows)
    trained = [name for name, now in where(assignments).items() if now == "train"]
    of_a = pl.col("image_name").is_in(trained) & (pl.col("species") == "A")
    now, left_out = split(rows.filter(~of_a), assignments)
    assert set(now["species"]) == {"B"}
    assert set(left_out["reason"]) == {"species_without_train"}
    check(now)


def test_a_photo_left_out_of_val_is_remembered_as_val():
    """One photo an observation: the others of a val observation are not trained on later, whatever happens to it."""
    rows = available_rows([{"species": "A", "sha256": f"s{n // 2}", "photo_id": f"p{n}"} for n in range(60)])
    params = SHARES.model_copy(update={"one_photo_an_observation": True})
    used, extra = split(rows, params=params)
    assignments = note(NOTHING, pl.concat([used, extra.drop_nulls("split")], how="diagonal"))
    assert assignments["image_name"].n_unique() == rows.height
    is_extra = pl.col("image_name").is_in(extra["image_name"].implode())
    some = rows.filter(is_extra | (pl.col("image_name") < names(9)[0]))
    by_name = assignments.filter(pl.col("kind") != "sha256")
    again, _ = split(some, by_name)
    evaluated = set(extra["image_name"])
    assert not evaluated & {name for name, now in where(again).items() if now == "train"}


def test_the_kept_photo_of_an_observation_stays_the_same():
    rows = available_rows([{"species": "A", "observation_id": f"o{n // 3}"} for n in range(90)])
    params = SHARES.model_copy(update={"one_photo_an_observation": True})
    last_two = rows.filter(pl.int_range(pl.len()) % 3 > 0)
    first, left_out = split(last_two, params=params)
    kept = {name for name, now in where(first).items() if now != "train"}
    assignments = note(note(NOTHING, first), left_out.drop_nulls("split").pipe(with_links, rows))
    # A third photo comes, whose name is the first; and again, when the others are remembered too.
    for _ in range(2):
        again, left_out = split(rows, assignments, params=params)
        assert kept == {name for name, now in where(again).items() if now != "train"}
        assignments = note(note(assignments, again), left_out.drop_nulls("split").pipe(with_links, rows))


def test_what_is_remembered_never_changes():
    rows = available_rows([{"species": "A"}] * 10)
    before = remembered(rows)
    swapped = rows.with_columns(split=pl.lit("train"), used=pl.lit(True))
    assert extend_assignments(before, swapped, known_by(rows)).equals(before)


def test_an_image_is_remembered_under_what_it_is_found_to_be_later():
    """It comes back in another size, and its observation turns up; a third address has nothing but those two."""
    rows = available_rows([{"species": "A"}] * 30)
    assignments = remembered(rows)
    assert assignments.height == 60  # by their names and their bytes
    evaluated = next(name for name, at in where(assignments).items() if at == "val")
    is_it = pl.col("image_name") == evaluated
    changed = rows.with_columns(
        sha256=pl.when(is_it).then(pl.lit("new bytes")).otherwise("sha256"),
        observation_id=pl.when(is_it).then(pl.lit("o")).otherwise(None),
    )
    assignments = remembered(changed, assignments)
    assert (assignments.height, assignments["image_name"].n_unique()) == (62, 30)
    elsewhere = available_rows([{"species": "A", "image_name": "x.jpg", "sha256": "new bytes"}])
    assert recall(elsewhere, linked(elsewhere, assignments), assignments).to_list() == ["val"]
    elsewhere = available_rows([{"species": "A", "image_name": "x.jpg", "sha256": "s", "observation_id": "o"}])
    assert recall(elsewhere, linked(elsewhere, assignments), assignments).to_list() == ["val"]


@pytest.mark.parametrize("seed", range(6))
def test_a_copy_of_a_picture_of_val_is_not_trained_on_when_the_picture_itself_is_left_out(seed):
    """The picture's bytes turn up under another species, so it is used for neither; its look-alike is new."""
    params = SHARES.model_copy(update={"seed": seed})
    few = available_rows([{"species": "A"}] * 30 + [{"species": "B"}] * 10)
    assignments = note(NOTHING, split(few, params=params)[0])
    at_val = next(name for name, at in where(assignments).items() if at == "val" and name < names(30)[0])
    number = int(at_val.split(".")[0], 16)
    copies = [{"species": "A"}, {"species": "B", "sha256": few["sha256"][number]}]
    many = available_rows(few.to_dicts() + copies)
    now, left_out = split(many, assignments, alike((number, 40)), params=params)
    assert where(now)[names(40)[0]] == "val"
    assert at_val in left_out["image_name"].to_list()


def test_an_identity_that_was_in_two_splits_counts_as_trained_on():
    rows = available_rows([{"species": "A", "observation_id": "o"}])
    known = pl.DataFrame(
        [
            ("x.jpg", "observation_id", "o", "val", True),
            ("y.jpg", "observation_id", "o", "train", True),
            ("z.jpg", "observation_id", "o", "test", True),
        ],
        schema=ASSIGNMENTS,
        orient="row",
    )
    assert recall(rows, linked(rows, known), known).to_list() == ["train"]
    assert pin_groups(
        rows.with_columns(group=pl.lit("g"), earlier=pl.lit("val"), followed=pl.lit(None, pl.String))
    ).to_list() == ["val"]


def test_a_photo_that_is_gone_passes_its_split_on_to_what_its_document_says_by_now():
    """It was tested when nothing was known but its address; now its document names its observation."""
    known = pl.DataFrame([("gone.jpg", "image_name", "gone.jpg", "test", True)], schema=ASSIGNMENTS, orient="row")
    rows = available_rows([{"observation_id": "s:1"}, {"observation_id": "s:2"}])
    links = pl.concat([links_of_rows(rows), links_of_rows(rows.head(1)).with_columns(image_name=pl.lit("gone.jpg"))])
    assert recall(rows, link_images(rows, links, known), known).to_list() == ["test", None]
    extended = extend_assignments(known, rows.with_columns(split=pl.lit("train"), used=pl.lit(True)), links)
    of_observation = extended.filter(pl.col("value") == "s:1", pl.col("image_name") == "gone.jpg")
    assert of_observation["split"].to_list() == ["test"]


def test_sources_of_which_no_record_is_left_are_named():
    known = [("a.jpg", "observation_id", f"{source}:1", "val", True) for source in ("jsonl", "legacy")]
    known += [("a.jpg", "address", "h.example/a.jpg", "val", True)]
    links = links_of_rows(available_rows([{"observation_id": "legacy:7"}]))
    assert lost_sources(pl.DataFrame(known, schema=ASSIGNMENTS, orient="row"), links) == ["observation_id of jsonl"]


@pytest.mark.parametrize("seed", range(5))
def test_a_new_image_follows_one_that_is_gone_over_images_that_nobody_has(seed):
    """M was evaluated on and is gone; M - observation - X - photo - P, and X was never downloaded."""
    few = available_rows([{"species": "A", "observation_id": f"s:{n}"} for n in range(40)])
    params = SHARES.model_copy(update={"seed": seed})
    assignments = note(NOTHING, split(few, params=params)[0])
    at_val = next(name for name, at in where(assignments).items() if at == "val")
    left = few.filter(pl.col("image_name") != at_val)
    rows = pl.concat([left, available_rows([{"species": "A", "image_name": "new.jpg", "sha256": "new"}])])
    number = int(at_val.split(".")[0], 16)
    away = [
        ("away.jpg", "observation_id", f"s:{number}"),
        ("away.jpg", "photo_id", "s:p"),
        ("new.jpg", "photo_id", "s:p"),
    ]
    chain = pl.DataFrame(away, schema=["image_name", "kind", "value"], orient="row")
    chain = chain.with_columns(source=pl.lit("s"), raw="value", problem=pl.lit(None, pl.String)).select(LINKS.keys())
    # Whether its documents are still there or not: what was remembered of it is enough.
    for documents in (links_of_rows(few), links_of_rows(left)):
        links = pl.concat([documents, chain])
        used, _ = split_images(rows, links, NO_PAIRS, NO_DISPUTES, assignments, params)
        assert where(used)["new.jpg"] == "val"
