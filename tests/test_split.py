"""The split's rules, as properties over long-tailed populations with groups."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import UserError
from stages.params import Split
from stages.split import (
    LINKS,
    assign_splits,
    divide,
    drop_contradictions,
    drop_small_classes,
    group_consistent_rows,
    group_rows,
    number_classes,
    summarise,
)
from stages.tables import CLASSES, SPLIT, SPLITS, read_table, write_table
from tests.conftest import available_rows, complaint, run_stage

SHARES = Split(seed=1, val_share=0.1, test_share=0.1, min_images_per_class=1)


@st.composite
def populations(draw) -> pl.DataFrame:
    """Images of a few species, most of them rare, that share observations, photos and bytes here and there."""
    rows = []
    for species in range(draw(st.integers(2, 8))):
        images = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4, 7, 12, 30]))
        ids = st.none() | st.integers(0, draw(st.sampled_from([2, 8, 60])))
        for _ in range(images):
            links = {"observation_id": draw(ids), "photo_id": draw(ids)}
            row = {link: f"{species}-{value}" for link, value in links.items() if value is not None}
            if draw(st.integers(0, 9)) == 0:
                row["sha256"] = f"same {draw(st.integers(0, 3))}"  # now and then under two species
            rows.append(row | {"species": f"species {species}"})
    return available_rows(rows)


def split_population(rows: pl.DataFrame, params: Split = SHARES) -> pl.DataFrame:
    consistent, _ = group_consistent_rows(rows)
    return consistent.with_columns(split=assign_splits(consistent, params))


@given(populations())
def test_nothing_stands_in_two_splits(rows):
    split = split_population(rows)
    for link in (*LINKS, "group"):
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
    consistent, counts = drop_contradictions(rows)
    assert consistent.height + sum(counts.values()) == rows.height
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
    kept, _ = drop_contradictions(rows)
    for link in LINKS:
        present = kept.filter(pl.col(link).is_not_null())
        assert (present.group_by(link).agg(pl.col("species").n_unique())["species"] == 1).all()
    species_of = rows.group_by("sha256").agg(pl.col("species").n_unique().alias("names"))
    innocent = species_of.filter(pl.col("names") == 1)["sha256"]
    # Observations and photos of this population never name two species: only bytes do.
    assert set(rows.filter(pl.col("sha256").is_in(innocent.implode()))["image_name"]) == set(kept["image_name"])


@given(populations())
def test_other_species_do_not_change_a_species_split(rows):
    alone = rows.filter(pl.col("species") == "species 0")
    others = drop_contradictions(rows)[0].filter(pl.col("species") == "species 0")
    if others.height == alone.height:
        expected = split_population(rows).filter(pl.col("species") == "species 0")
        assert split_population(alone)["split"].to_list() == expected["split"].to_list()


def naive_groups(rows: pl.DataFrame) -> list[set[int]]:
    """Merge rows of one species that share a link until nothing changes."""
    groups = [{index} for index in range(rows.height)]
    for link in LINKS:
        by_value: dict = {}
        for index, (species, value) in enumerate(rows.select("species", link).iter_rows()):
            if value is not None:
                by_value.setdefault((species, value), set()).add(index)
        for members in by_value.values():
            touched = [group for group in groups if group & members]
            groups = [group for group in groups if not group & members] + [set().union(*touched)]
    return groups


@given(populations())
def test_groups_are_what_links_connect(rows):
    found = group_rows(rows).to_list()
    groups = naive_groups(rows)
    numbers = [{found[index] for index in group} for group in groups]
    assert all(len(number) == 1 for number in numbers)
    assert len(set.union(*numbers)) == len(groups)


@given(populations())
def test_a_group_bears_the_name_of_its_first_image(rows):
    split, _ = group_consistent_rows(rows)
    first = split.group_by("group").agg(pl.col("image_name").min(), pl.col("species").n_unique())
    assert (first["group"] == first["image_name"]).all()
    assert (first["species"] == 1).all()


def test_one_image_under_two_species_joins_nothing():
    """One URL under two names is one image name in two rows; what belongs to either stays apart."""
    image = {"image_name": "0.jpg", "sha256": "same"}
    rows = available_rows(
        [
            image | {"species": "A", "observation_id": "a"},
            {"species": "A", "observation_id": "a"},
            image | {"species": "B", "observation_id": "b"},
            {"species": "B", "observation_id": "b"},
        ]
    )
    split = split_population(rows)
    assert split.height == 2
    assert split["group"].n_unique() == 2


def test_a_chain_of_different_links_is_one_group():
    rows = available_rows(
        [
            {"observation_id": "o1", "photo_id": "p1"},
            {"photo_id": "p1", "sha256": "s"},
            {"sha256": "s", "observation_id": "o2"},
            {"observation_id": "o2"},
            {"observation_id": None, "photo_id": None},
        ]
    )
    groups = group_rows(rows).to_list()
    assert len(set(groups[:4])) == 1
    assert groups[4] != groups[0]


def test_a_row_left_out_for_one_reason_still_shows_another():
    """The photo stands under two species, though one of its rows is left out for its bytes."""
    rows = available_rows(
        [
            {"species": "A", "photo_id": "p", "sha256": "x"},
            {"species": "B", "sha256": "x"},
            {"species": "B", "photo_id": "p", "sha256": "y"},
            {"species": "B"},
        ]
    )
    kept, counts = drop_contradictions(rows)
    assert kept["image_name"].to_list() == [f"{3:032x}.jpg"]
    assert counts == {"sha256_of_two_species": 2, "photo_id_of_two_species": 1, "observation_id_of_two_species": 0}


@pytest.mark.parametrize("seed", range(10))
def test_two_rows_linked_by_one_that_is_left_out_stay_together(seed):
    """The row in the middle is disputed; the other two still are pictures of one observation."""
    linked = [
        {"species": "A", "observation_id": "o"},
        {"species": "A", "observation_id": "o", "photo_id": "p", "sha256": "s"},
        {"species": "B", "photo_id": "p"},
        {"species": "A", "sha256": "s"},
    ]
    rows = available_rows(linked + [{"species": "A"}] * 6 + [{"species": "B"}] * 3)
    split = split_population(rows, SHARES.model_copy(update={"seed": seed}))
    ends = split.filter(pl.col("image_name").is_in([f"{0:032x}.jpg", f"{3:032x}.jpg"]))
    assert ends.height == 2
    assert ends["split"].n_unique() == 1


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


def test_another_seed_gives_another_split():
    rows = available_rows([{"species": "A"}] * 200)
    first, second = (split_population(rows, SHARES.model_copy(update={"seed": seed})) for seed in (1, 2))
    assert first["split"].to_list() != second["split"].to_list()


def test_small_classes_are_left_out_and_counted():
    rows = available_rows([{"species": "A"}] * 5 + [{"species": "B"}] * 4 + [{"species": "C"}])
    kept, counts = drop_small_classes(rows, 5)
    assert set(kept["species"]) == {"A"}
    assert counts == {"species_with_too_few_images": 2, "images_of_species_with_too_few": 5}


@given(populations())
def test_classes_are_numbered_by_name_and_counted(rows):
    split = split_population(rows)
    if split.is_empty():
        return
    classes = number_classes(split)
    assert classes["species"].to_list() == sorted(set(split["species"]))
    assert classes["label"].to_list() == list(range(classes.height))
    figures = summarise(split, classes)
    assert sum(figures[name]["images"] for name in SPLITS) == split.height
    assert sum(figures[name]["observations"] for name in SPLITS) == split["group"].n_unique()
    assert figures["share_of_evaluated_classes_in_train"] == 1.0


def test_the_stage_writes_the_splits_and_the_order_of_labels(workspace):
    rows = available_rows([{"species": name} for name in "BBBBAAAC"])
    write_table(rows, dict(rows.schema), workspace / "data/available.parquet")
    assert run_stage("split", workspace).returncode == 0
    tables = [read_table(workspace / f"data/splits/{name}.parquet", SPLIT) for name in SPLITS]
    assert sum(table.height for table in tables) == 8
    assert read_table(workspace / "data/splits/classes.csv", CLASSES)["species"].to_list() == ["A", "B", "C"]


def test_one_species_is_no_classifier(workspace):
    rows = available_rows([{"species": "A"}] * 4)
    write_table(rows, dict(rows.schema), workspace / "data/available.parquet")
    assert "a classifier needs two or more" in complaint(run_stage("split", workspace))


def test_a_damaged_table_is_one_line_and_the_old_splits_stay(workspace):
    rows = available_rows([{"species": "A"}, {"species": "B"}])
    table = workspace / "data/available.parquet"
    write_table(rows, dict(rows.schema), table)
    assert run_stage("split", workspace).returncode == 0
    before = {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()}
    table.write_bytes(table.read_bytes()[:-20])
    assert "data/available.parquet is damaged" in complaint(run_stage("split", workspace))
    assert {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()} == before
    with pytest.raises(UserError, match="has other columns"):
        write_table(rows.select("species"), {"species": pl.String}, table)
        read_table(table, dict(rows.schema))
