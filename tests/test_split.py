"""The split's rules, as properties over long-tailed populations with groups."""

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Shots, Split
from stages.runtime.errors import UserError
from stages.split import drop_small_classes, split_images
from stages.splitting.divide import divide
from stages.splitting.figures import class_sizes, long_tail, number_classes, summarize
from stages.splitting.groups import LINKS, drop_contradictions, group_rows
from stages.tables.classes import CLASSES, SPLITS
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.remember import ASSIGNMENTS
from stages.tables.split import LEFT_OUT, SPLIT
from stages.tables.table import read_table, write_table
from tests.conftest import available_rows, complaint, run_stage

SHARES = Split(
    seed=1,
    val_share=0.1,
    test_share=0.1,
    min_images_per_class=1,
    max_train_images_per_class=None,
    one_photo_an_observation=False,
)
SHOTS = Shots(few_below=20, many_above=100)
NO_PAIRS, NO_DISPUTES, NOTHING = (pl.DataFrame(schema=schema) for schema in (PAIRS, DISPUTED, ASSIGNMENTS))


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
    return split_images(rows, NO_PAIRS, NO_DISPUTES, NOTHING, params)[0]


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
    consistent, left_out = drop_contradictions(rows, NO_DISPUTES)
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
    kept, _ = drop_contradictions(rows, NO_DISPUTES)
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
    others = drop_contradictions(rows, NO_DISPUTES)[0].filter(pl.col("species") == "species 0")
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
    found = group_rows(rows, NO_PAIRS).to_list()
    groups = naive_groups(rows)
    numbers = [{found[index] for index in group} for group in groups]
    assert all(len(number) == 1 for number in numbers)
    assert len(set.union(*numbers)) == len(groups)


@given(populations())
def test_a_group_bears_the_name_of_its_first_image(rows):
    split, _ = split_images(rows, NO_PAIRS, NO_DISPUTES, NOTHING, SHARES)
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
    groups = group_rows(rows, NO_PAIRS).to_list()
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
    kept, left_out = drop_contradictions(rows, NO_DISPUTES)
    assert kept["image_name"].to_list() == [f"{3:032x}.jpg"]
    assert left_out["reason"].to_list() == ["sha256_of_two_species"] * 2 + ["photo_id_of_two_species"]


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
    kept, left_out = drop_small_classes(rows, 5)
    assert set(kept["species"]) == {"A"}
    assert left_out.height == 5
    assert set(left_out["reason"]) == {"species_with_too_few_images"}


@given(populations())
def test_classes_are_numbered_by_name_and_counted(rows):
    split = split_population(rows)
    if split.is_empty():
        return
    classes = number_classes(split)
    assert classes["species"].to_list() == sorted(set(split["species"]))
    assert classes["label"].to_list() == list(range(classes.height))
    figures = summarize(split, classes, NO_PAIRS, SHOTS)
    assert sum(figures[name]["images"] for name in SPLITS) == split.height
    assert sum(figures[name]["observations"] for name in SPLITS) == (
        split.select(pl.coalesce("observation_id", "image_name").n_unique()).item()
    )
    assert figures["share_of_evaluated_classes_in_train"] == 1.0
    assert set(figures["in_two_splits"].values()) == {0}
    assert sum(figures[f"{shot}_shot_classes"] for shot in ("few", "medium", "many")) == classes.height
    assert class_sizes(classes)["classes"].sum() == classes.height


def names(*numbers: int) -> list[str]:
    return [f"{number:032x}.jpg" for number in numbers]


def alike(*pairs: tuple[int, int]) -> pl.DataFrame:
    rows = [(*names(*pair), 5, False) for pair in pairs]
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def test_images_that_look_alike_are_one_group():
    rows = available_rows([{"species": "A", "observation_id": "o"}, *[{"species": "A"}] * 3])
    groups = group_rows(rows, alike((0, 2), (2, 3), (3, 99))).to_list()
    assert groups[0] == groups[2] == groups[3] != groups[1]


@pytest.mark.parametrize("seed", range(5))
def test_images_that_look_alike_never_stand_in_two_splits(seed):
    rows = available_rows([{"species": "A"}] * 30)
    pairs = alike(*((n, n + 15) for n in range(15)))
    params = SHARES.model_copy(update={"seed": seed})
    split, _ = split_images(rows, pairs, NO_DISPUTES, NOTHING, params)
    classes = number_classes(split)
    assert set(split["split"]) == set(SPLITS)
    assert summarize(split, classes, pairs, SHOTS)["in_two_splits"]["looks"] == 0
    # The check itself sees a leak.
    torn = split.with_columns(split=pl.when(pl.col("image_name") == names(0)[0]).then(pl.lit("x")).otherwise("split"))
    assert summarize(torn, classes, pairs, SHOTS)["in_two_splits"]["looks"] == 1
    assert summarize(torn, classes, pairs, SHOTS)["in_two_splits"]["group"] == 1


def test_a_picture_under_two_species_is_left_out_and_still_links():
    rows = available_rows(
        [{"species": "A"}, {"species": "A"}, {"species": "B"}, *[{"species": "A"}] * 3, {"species": "B"}]
    )
    disputed = pl.DataFrame(
        [(*names(1), "A", *names(2), "B", 4), (*names(2), "B", *names(1), "A", 4)], DISPUTED, orient="row"
    )
    split, left_out = split_images(rows, alike((0, 1), (1, 2), (1, 3)), disputed, NOTHING, SHARES)
    assert dict(left_out.select("image_name", "reason").iter_rows()) == dict.fromkeys(
        names(1, 2), "looks_of_two_species"
    )
    ends = split.filter(pl.col("image_name").is_in(names(0, 3)))
    assert ends["group"].n_unique() == 1


def test_one_photo_of_an_observation_stands_in_val_and_test():
    rows = available_rows([{"species": "A", "observation_id": f"o{n // 3}"} for n in range(90)])
    params = SHARES.model_copy(update={"one_photo_an_observation": True})
    split, left_out = split_images(rows, NO_PAIRS, NO_DISPUTES, NOTHING, params)
    sizes = split.group_by("split", "observation_id").len()
    assert set(sizes.filter(pl.col("split") != "train")["len"]) == {1}
    assert set(sizes.filter(pl.col("split") == "train")["len"]) == {3}
    assert set(left_out["reason"]) == {"another_photo_of_its_observation"}
    # They belong to val and test, and are remembered so.
    assert set(left_out["split"]) == {"val", "test"}
    everything = split_population(rows)
    assert split.height + left_out.height == everything.height


def test_a_class_has_no_more_in_train_than_is_allowed():
    rows = available_rows(
        [{"species": "A", "observation_id": f"o{n // 5}"} for n in range(100)] + [{"species": "B"}] * 5
    )
    params = SHARES.model_copy(update={"max_train_images_per_class": 20})
    split, left_out = split_images(rows, NO_PAIRS, NO_DISPUTES, NOTHING, params)
    before = split_population(rows)
    train = split.filter(pl.col("split") == "train")
    assert dict(train.group_by("species").len().iter_rows())["A"] == 20
    # One of each observation before a second one.
    of_a = before.filter(pl.col("split") == "train", pl.col("species") == "A")
    assert train.filter(pl.col("species") == "A")["observation_id"].n_unique() == of_a["observation_id"].n_unique()
    assert set(left_out["reason"]) == {"over_max_train_images"}
    for name in ("val", "test"):
        assert split.filter(pl.col("split") == name).equals(before.filter(pl.col("split") == name))
    assert split.filter(pl.col("species") == "B").height == 5


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


def write_inputs(folder, rows: pl.DataFrame) -> None:
    write_table(rows, dict(rows.schema), folder / "data/available.parquet")
    write_table(NO_PAIRS, PAIRS, folder / "data/near_duplicates/pairs.parquet")
    write_table(NO_DISPUTES, DISPUTED, folder / "data/near_duplicates/disputed.csv")


def test_the_stage_writes_the_splits_and_the_order_of_labels(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "BBBBAAAC"]))
    assert run_stage("split", workspace).returncode == 0
    tables = [read_table(workspace / f"data/splits/{name}.parquet", SPLIT) for name in SPLITS]
    assert sum(table.height for table in tables) == 8
    assert read_table(workspace / "data/splits/classes.csv", CLASSES)["species"].to_list() == ["A", "B", "C"]
    assert read_table(workspace / "data/left_out.csv", LEFT_OUT).is_empty()


def test_one_species_is_no_classifier(workspace):
    write_inputs(workspace, available_rows([{"species": "A"}] * 4))
    assert "a classifier needs two or more" in complaint(run_stage("split", workspace))


def test_when_every_class_is_too_small_the_limit_is_named(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "AABB"]))
    content = yaml.safe_load((workspace / "params.yaml").read_text())
    content["split"]["min_images_per_class"] = 3
    (workspace / "params.yaml").write_text(yaml.safe_dump(content))
    said = complaint(run_stage("split", workspace))
    assert "0 of 2 species of data/available.parquet are left (species_with_too_few_images 4)" in said
    assert "split.min_images_per_class" in said


def test_a_damaged_table_is_one_line_and_the_old_splits_stay(workspace):
    rows = available_rows([{"species": "A"}, {"species": "B"}])
    table = workspace / "data/available.parquet"
    write_inputs(workspace, rows)
    assert run_stage("split", workspace).returncode == 0
    before = {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()}
    table.write_bytes(table.read_bytes()[:-20])
    assert "data/available.parquet is damaged" in complaint(run_stage("split", workspace))
    assert {path.name: path.read_bytes() for path in (workspace / "data/splits").iterdir()} == before
    with pytest.raises(UserError, match="has other columns"):
        write_table(rows.select("species"), {"species": pl.String}, table)
        read_table(table, dict(rows.schema))
