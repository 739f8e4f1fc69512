"""Which images gained and lost are shown, and that no photo is that may not be."""

import numpy as np
import polars as pl
import pytest

from stages.evaluation.paired import Side, compare
from stages.records.rights import rights_of
from stages.report.review_gallery import SHOWN, gallery_of
from tests.support.packed import packed_image, write_images
from tests.support.pictures import jpeg
from tests.support.predictions import example


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison, the second's test, and a folder with its photos but one, and another that is none."""
    base, head = (example(1, classes=8, train=30, val=10, test=200, skill=skill) for skill in (1.5, 6.0))
    seen = base.splits["train"].select("split", "image_name", "sha256", "group")
    sides = [Side(made.predictions["test"], made.splits["test"], made.species, seen) for made in (base, head)]
    names = head.splits["test"]["image_name"].to_list()
    photos = [packed_image(name, jpeg(np.full((64, 64, 3), 99, np.uint8))) for name in names]
    folder = tmp_path_factory.mktemp("packed")
    write_images(photos, folder)
    return compare(*sides, min_groups=10), head.splits["test"], folder


def test_photos_are_of_open_licenses_and_the_others_are_listed_without_and_counted(compared):
    comparison, test, folder = compared
    rights = rights_of(test, ["cc0"])
    found = gallery_of(comparison, rights, folder)
    changed = comparison.images.filter(pl.col("head_hit") != pl.col("base_hit"))
    gained = changed.filter("head_hit")
    closed = [name for name in gained["image_name"] if not rights.may_show(name)]
    assert 0 < len(closed) < gained.height
    assert {card.image_name for card in found.gained} <= {*gained["image_name"]}
    for card in (*found.gained, *found.lost):
        assert (card.photo is not None) == rights.may_show(card.image_name)
        assert card.credit.startswith("photo not shown: ") == (card.photo is None)
    # Photos first, then the others; of each kind the surest first.
    shown = [card.photo is not None for card in found.gained]
    assert shown == sorted(shown, reverse=True)
    assert len(found.gained) == SHOWN
    assert any(note.startswith(f"Photos of {len(closed)} images gained are not shown") for note in found.notes)
    assert any(
        note.startswith(f"Not listed: {gained.height - SHOWN} more of the images gained.") for note in found.notes
    )


def test_of_an_observation_one_image_is_shown_that_of_which_the_second_model_is_surest(compared):
    comparison, test, folder = compared
    found = gallery_of(comparison, rights_of(test, None), folder)
    rows = {row["image_name"]: row for row in comparison.images.iter_rows(named=True)}
    groups = [rows[card.image_name]["group"] for card in found.gained]
    assert len({*groups}) == len(groups)
    sure = [card.head_probability for card in found.gained]
    assert sure == sorted(sure, reverse=True)
    for card in found.gained:
        row = rows[card.image_name]
        assert (card.species, card.base_said, card.head_said) == (row["species"], row["base_said"], row["species"])


def test_a_photo_that_is_not_packed_is_counted(compared, tmp_path):
    comparison, test, folder = compared
    rights = rights_of(test, None)
    name = gallery_of(comparison, rights, folder).gained[0].image_name
    others = [packed_image(of, b"no picture" if of != name else b"") for of in test["image_name"] if of != name]
    write_images(others, tmp_path / "packed")
    found = gallery_of(comparison, rights, tmp_path / "packed")
    assert all(card.photo is None for card in found.gained)
    assert f"{len(found.gained) + len(found.lost)} photos are not in" in found.notes[-1]


def test_where_nothing_changed_no_shard_is_opened(compared, tmp_path):
    comparison, test, _ = compared
    base = compare(*_same(test), min_groups=10)
    assert gallery_of(base, rights_of(test, None), tmp_path / "missing") == gallery_of(
        base, rights_of(test, None), tmp_path
    )
    assert (
        gallery_of(comparison, rights_of(test, None), tmp_path / "missing").notes[-1].startswith("No photo is shown: ")
    )


def _same(test: pl.DataFrame) -> list[Side]:
    made = example(1, classes=8, train=30, val=10, test=200, skill=6.0)
    seen = made.splits["train"].select("split", "image_name", "sha256", "group")
    return [Side(made.predictions["test"], test, made.species, seen)] * 2
