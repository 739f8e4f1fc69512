"""Nothing stands in two splits, every species of val and test is in train, nothing is lost in silence."""

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.errors import UserError
from stages.split import drop_small_classes, split_images
from stages.splitting.groups import drop_contradictions
from stages.splitting.label_order import read_labels
from stages.tables.classes import CLASSES, SPLITS, UNKNOWN, read_split
from stages.tables.near_duplicates import DISPUTED
from stages.tables.split import LEFT_OUT, SPLIT
from stages.tables.table import read_table, write_table
from tests.support.running import complaint, run_here
from tests.support.splits import (
    NO_DISPUTES,
    NOTHING,
    SHARES,
    alike,
    leaks,
    linked,
    names,
    populations,
    split,
    split_population,
    write_inputs,
)
from tests.support.tables import available_rows, links_of_rows

COLUMNS = ("observation_id", "photo_id", "sha256")


@given(populations())
def test_nothing_stands_in_two_splits(rows):
    split = split_population(rows)
    for link in (*COLUMNS, "group"):
        shared = split.filter(pl.col(link).is_not_null()).group_by(link).agg(pl.col("split").n_unique())
        assert (shared["split"] == 1).all(), link


@given(populations())
def test_every_species_of_val_and_test_is_in_train(rows):
    split = split_population(rows)
    trained = set(split.filter(pl.col("split") == "train")["species"])
    assert set(split["species"]) == trained


@given(populations())
def test_one_two_and_three_groups(rows):
    per_species = split_population(rows).group_by("species").agg(pl.col("group").n_unique(), pl.col("split").unique())
    for _, groups, splits in per_species.iter_rows():
        expected = {1: {"train"}, 2: {"train", "val"}}.get(groups, set(SPLITS))
        assert set(splits) == expected, groups


@given(populations())
def test_no_image_is_lost_or_doubled(rows):
    consistent, left_out = drop_contradictions(rows, linked(rows), NO_DISPUTES)
    assert consistent.height + left_out.height == rows.height
    assert sorted(split_population(rows)["image_name"]) == sorted(consistent["image_name"])


@given(populations(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, random):
    order = list(range(rows.height))
    random.shuffle(order)
    by_name = ["image_name", "group", "split"]
    assert (
        split_population(rows[order])
        .select(by_name)
        .sort("image_name")
        .equals(split_population(rows).select(by_name).sort("image_name"))
    )


@given(populations())
def test_what_names_two_species_is_left_out_and_nothing_else(rows):
    kept, _ = drop_contradictions(rows, linked(rows), NO_DISPUTES)
    for link in COLUMNS:
        present = kept.filter(pl.col(link).is_not_null())
        assert (present.group_by(link).agg(pl.col("species").n_unique())["species"] == 1).all()
    species_of = rows.group_by("sha256").agg(pl.col("species").n_unique().alias("names"))
    innocent = species_of.filter(pl.col("names") == 1)["sha256"]
    # Observations and photos of this population never name two species: only bytes do.
    assert set(rows.filter(pl.col("sha256").is_in(innocent.implode()))["image_name"]) == set(kept["image_name"])


@given(populations())
def test_other_species_do_not_change_a_species_split(rows):
    alone = rows.filter(pl.col("species") == "species 0")
    others = drop_contradictions(rows, linked(rows), NO_DISPUTES)[0].filter(pl.col("species") == "species 0")
    if others.height == alone.height:
        expected = split_population(rows).filter(pl.col("species") == "species 0")
        assert split_population(alone)["split"].to_list() == expected["split"].to_list()


def test_another_seed_gives_another_split():
    rows = available_rows([{"species": "A"}] * 200)
    first, second = (split_population(rows, SHARES.model_copy(update={"seed": seed})) for seed in (1, 2))
    assert first["split"].to_list() != second["split"].to_list()


@given(populations(), st.integers(1, 30))
def test_unknown_species_are_those_of_too_few_images_and_change_no_split(rows, min_images):
    limited = SHARES.model_copy(update={"min_images_per_class": min_images})
    without, left_out = split(rows, params=limited)
    kept, still_out = split(rows, params=limited.model_copy(update={"keep_unknown": True}))
    unknown = kept.filter(pl.col("split") == UNKNOWN)
    assert kept.filter(pl.col("split") != UNKNOWN).equals(without)
    too_few = pl.col("reason") == "species_with_too_few_images"
    assert sorted(unknown["image_name"]) == sorted(left_out.filter(too_few)["image_name"])
    assert still_out.equals(left_out.filter(~too_few))
    assert not set(unknown["species"]) & set(without["species"])
    assert not set(unknown["group"]) & set(without["group"])


def test_unknown_species_have_a_table_and_no_label(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "AAABBBC"]))
    content = yaml.safe_load((workspace / "params.yaml").read_text())
    content["split"] |= {"min_images_per_class": 2, "keep_unknown": True}
    (workspace / "params.yaml").write_text(yaml.safe_dump(content))
    result = run_here("split", workspace)
    assert result.returncode == 0, result.stderr
    assert "unknown 1 of 1 species; 0 left out" in result.stdout + result.stderr
    splits = workspace / "data/splits"
    assert read_split(splits, UNKNOWN)["species"].to_list() == ["C"]
    assert read_labels(splits / "labels.csv") == ["A", "B"]
    assert read_table(splits / "classes.csv", CLASSES)["species"].to_list() == ["A", "B"]


def test_small_classes_are_left_out_and_counted():
    rows = available_rows([{"species": "A"}] * 5 + [{"species": "B"}] * 4 + [{"species": "C"}])
    kept, left_out = drop_small_classes(rows, 5)
    assert set(kept["species"]) == {"A"}
    assert left_out.height == 5
    assert set(left_out["reason"]) == {"species_with_too_few_images"}


@pytest.mark.parametrize("seed", range(5))
def test_images_that_look_alike_never_stand_in_two_splits(seed):
    rows = available_rows([{"species": "A"}] * 30)
    pairs = alike(*((n, n + 15) for n in range(15)))
    params = SHARES.model_copy(update={"seed": seed})
    used, _ = split(rows, pairs=pairs, params=params)
    assert set(used["split"]) == set(SPLITS)
    assert leaks(used, pairs)["looks"] == 0
    # The check itself sees a leak.
    torn = used.with_columns(split=pl.when(pl.col("image_name") == names(0)[0]).then(pl.lit("x")).otherwise("split"))
    assert leaks(torn, pairs)["looks"] == 1
    assert leaks(torn, pairs)["group"] == 1


def test_a_picture_under_two_species_is_left_out_and_still_links():
    rows = available_rows(
        [{"species": "A"}, {"species": "A"}, {"species": "B"}, *[{"species": "A"}] * 3, {"species": "B"}]
    )
    disputed = pl.DataFrame(
        [(*names(1), "A", *names(2), "B", 4), (*names(2), "B", *names(1), "A", 4)], DISPUTED, orient="row"
    )
    used, left_out = split_images(rows, links_of_rows(rows), alike((0, 1), (1, 2), (1, 3)), disputed, NOTHING, SHARES)
    assert dict(left_out.select("image_name", "reason").iter_rows()) == dict.fromkeys(
        names(1, 2), "looks_of_two_species"
    )
    ends = used.filter(pl.col("image_name").is_in(names(0, 3)))
    assert ends["group"].n_unique() == 1


def test_the_stage_writes_the_splits_and_the_order_of_labels(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "BBBBAAAC"]))
    assert run_here("split", workspace).returncode == 0
    tables = [read_table(workspace / f"data/splits/{name}.parquet", SPLIT) for name in SPLITS]
    assert sum(table.height for table in tables) == 8
    assert read_table(workspace / "data/splits/classes.csv", CLASSES)["species"].to_list() == ["A", "B", "C"]
    assert read_table(workspace / "data/left_out.csv", LEFT_OUT).is_empty()


def test_one_species_is_no_classifier(workspace):
    write_inputs(workspace, available_rows([{"species": "A"}] * 4))
    assert "a classifier needs two or more" in complaint(run_here("split", workspace))


def test_when_every_class_is_too_small_the_limit_is_named(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "AABB"]))
    content = yaml.safe_load((workspace / "params.yaml").read_text())
    content["split"]["min_images_per_class"] = 3
    (workspace / "params.yaml").write_text(yaml.safe_dump(content))
    said = complaint(run_here("split", workspace))
    assert "0 of 2 species of data/available.parquet are left (species_with_too_few_images 4)" in said
    assert "split.min_images_per_class" in said


def test_a_damaged_table_is_one_line_and_the_old_splits_stay(workspace):
    rows = available_rows([{"species": "A"}, {"species": "B"}])
    table = workspace / "data/available.parquet"
    write_inputs(workspace, rows)
    assert run_here("split", workspace).returncode == 0
    before = {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()}
    table.write_bytes(table.read_bytes()[:-20])
    assert "data/available.parquet is damaged" in complaint(run_here("split", workspace))
    assert {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()} == before
    with pytest.raises(UserError, match="has other columns"):
        write_table(rows.select("species"), {"species": pl.String}, table)
        read_table(table, dict(rows.schema))
