"""What links connect is one group, and what names two species joins nothing."""

import polars as pl
import pytest
from hypothesis import given

from stages.splitting.groups import drop_contradictions, group_rows, link_images
from tests.support.splits import (
    NO_DISPUTES,
    NO_PAIRS,
    NOTHING,
    SHARES,
    alike,
    linked,
    populations,
    split,
    split_population,
)
from tests.support.tables import available_rows


def naive_groups(rows: pl.DataFrame) -> list[set[int]]:
    """Merge rows of one species that share a link until nothing changes."""
    groups = [{index} for index in range(rows.height)]
    for link in ("observation_id", "photo_id", "sha256"):
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
    found = group_rows(rows, linked(rows), NO_PAIRS).to_list()
    groups = naive_groups(rows)
    numbers = [{found[index] for index in group} for group in groups]
    assert all(len(number) == 1 for number in numbers)
    assert len(set.union(*numbers)) == len(groups)


@given(populations())
def test_a_group_bears_the_name_of_its_first_image(rows):
    used, _ = split(rows)
    first = used.group_by("group").agg(pl.col("image_name").min(), pl.col("species").n_unique())
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
    groups = group_rows(rows, linked(rows), NO_PAIRS).to_list()
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
    kept, left_out = drop_contradictions(rows, linked(rows), NO_DISPUTES)
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


def test_images_that_look_alike_are_one_group():
    rows = available_rows([{"species": "A", "observation_id": "o"}, *[{"species": "A"}] * 3])
    groups = group_rows(rows, linked(rows), alike((0, 2), (2, 3), (3, 99))).to_list()
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_a_value_under_many_species_takes_no_more_room_than_its_images():
    """A word for nothing that nobody thought of: as pairs of images and species they would fill any memory."""
    species = [{"species": f"species {n % 2000}", "observation_id": "no aplica"} for n in range(60_000)]
    rows = available_rows(species)
    groups = group_rows(rows, linked(rows), NO_PAIRS)
    assert groups.n_unique() == 2000
    kept, left_out = drop_contradictions(rows, linked(rows), NO_DISPUTES)
    assert (kept.height, left_out.height) == (0, 60_000)


@pytest.mark.parametrize("away", [1, 2, 5])
def test_images_that_nobody_has_connect_over_any_number_of_them(away):
    """a - observation - X1 - photo - X2 - ... - b, and none of the X was ever downloaded."""
    rows = available_rows([{"species": "A"}, {"species": "A"}, {"species": "A"}, {"species": "B"}])
    chain = [rows["image_name"][0], *(f"away {n}" for n in range(away)), rows["image_name"][1]]
    links = pl.DataFrame(
        [(name, "photo_id", f"s:{place}") for n, name in enumerate(chain) for place in (n - 1, n)],
        schema=["image_name", "kind", "value"],
        orient="row",
    )
    groups = group_rows(rows, link_images(rows, links, NOTHING), NO_PAIRS).to_list()
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3


def test_rows_of_two_species_that_hang_together_over_an_image_nobody_has_are_two_groups():
    rows = available_rows([{"species": "A"}, {"species": "B"}])
    links = [(rows["image_name"][0], "s:1"), ("away", "s:1"), ("away", "s:2"), (rows["image_name"][1], "s:2")]
    links = pl.DataFrame(links, schema=["image_name", "value"], orient="row").with_columns(kind=pl.lit("photo_id"))
    assert group_rows(rows, link_images(rows, links, NOTHING), NO_PAIRS).n_unique() == 2
