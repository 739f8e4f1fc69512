"""What is shown is drawn alike again: each species once, the worst, and what fell back."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.compare_crops import choose_shown, draw_rows, note_on
from stages.evaluation.crops import Measured, tabulate
from stages.images.crop import Square
from tests.support.crops import measured

FEW = {"picture_images": 2, "worst_images": 0, "fallback_images": 0}


def chosen(params, crops: dict, boxes: dict | None = None, species: str = "", **wanted) -> list[tuple[str, str]]:
    """Name and reason of the images that are shown of these crops, and the note on them, last."""
    names = list(crops)
    rows = pl.DataFrame({"image_name": names, "sha256": names, "species": list(species or "ABCDEFGHIJ"[: len(names)])})
    table, wish = tabulate(crops, boxes or {}), params.compare_crops.model_copy(update=FEW | wanted)
    shown = choose_shown(rows, table, wish)
    return [*shown.select("image_name", "why").iter_rows(), ("note", note_on(shown, table, wish))]


def test_what_is_shown_is_of_each_species_once_then_the_worst_and_what_fell_back(params):
    hows, held = ["smart", "smart", "smart", "flat", "smart", "smart"], [0.9, 0.02, 0.9, 0.8, 0.9, 0.7]
    crops = {f"{n}": measured(how, held=share) for n, (how, share) in enumerate(zip(hows, held, strict=True))}
    assert chosen(params, crops, species="AABBCC", worst_images=1, fallback_images=3) == [
        ("0", ""), ("2", ""), ("1", "least gain"), ("3", "fell back"),
        ("note", "shown: 2 images of 2 species; 1 of the least gain; 1 that fell back (no other fell back)"),
    ]  # fmt: skip


def test_what_is_kept_of_a_plant_and_of_a_map_are_never_compared(params):
    """Of an image whose true box is not known nobody knows how much of the plant is kept."""
    crops = {name: measured("smart", held=0.01) for name in ("unknown", "known", "worse", "other", "another")}
    boxes = {"known": (5, 5, 10, 10), "worse": (9, 9, 10, 10)}
    shown = chosen(params, crops, boxes, worst_images=4)
    assert shown[:-1] == [
        ("another", ""), ("worse", "least kept"), ("known", "least kept"), ("unknown", "least gain"),
        ("other", "least gain"),
    ]  # fmt: skip
    assert shown[-1][1].endswith("2 of the least kept and 2 of the least gain")


@pytest.mark.parametrize(("kept", "shown_as"), [(0.5, ["least kept"]), (0.89, ["least kept"]), (0.99, []), (1.0, [])])
def test_a_good_crop_is_not_called_least_kept(params, kept, shown_as):
    """However little others show: what is nearly whole is no bad crop."""
    crops = {name: measured("smart") for name in "abc"}
    boxes = {"a": (0, 0, 10, 10), "b": (0, 0, 10, 10), "c": (0, 0, 1000, 1000)}
    side = round(1000 * kept**0.5)
    crops["c"] = Measured(Square(0, 0, side, "smart", 0.9), Square(0, 0, side, "center", 0.9), 2000, 2000)
    shown = chosen(params, crops, boxes, worst_images=2)
    assert [why for name, why in shown if name == "c" and why] == shown_as
    said = "1 of the least kept (no other keeps" if shown_as else "none keeps"
    assert shown[-1][1].startswith(f"shown: 2 images of 2 species; {said} under 90% of the plant")


@pytest.mark.parametrize("images", range(1, 8))
@pytest.mark.parametrize("species", ["AAAAAAA", "AABBCCD", "ABCDEFG"])
def test_the_last_row_is_full_where_there_is_an_image_to_fill_it(params, images, species):
    crops = {f"{number}": measured("flat" if number == 3 else "smart") for number in range(images)}
    shown = chosen(params, crops, species=species[:images], picture_images=2, fallback_images=1)[:-1]
    assert len({name for name, _ in shown}) == len(shown)
    assert len(shown) % 2 == 0 or len(shown) == images


def test_an_image_that_fell_back_and_lost_the_plant_stands_once(params):
    crops = {"lost": measured("unsure"), "other": measured("unsure")}
    shown = chosen(params, crops, {"lost": (50, 50, 9, 9), "other": (0, 0, 9, 9)}, worst_images=4, fallback_images=2)
    assert shown[:-1] == [("lost", "least kept"), ("other", "fell back")]
    alone = chosen(params, {"lost": crops["lost"]}, {"lost": (50, 50, 9, 9)}, worst_images=4, fallback_images=2)
    assert alone[-1][1].endswith("; no other fell back")
    good = chosen(params, {"good": measured("smart")}, worst_images=4, fallback_images=2)
    assert good[-1][1] == "shown: 1 image of 1 species; none gains under 0.05 unless it fell back; none fell back"


@given(st.permutations(range(8)))
def test_the_drawn_order_does_not_depend_on_the_order_of_the_rows(order):
    rows = pl.DataFrame({"image_name": [f"{number}.jpg" for number in order]})
    expected = draw_rows(rows.sort("image_name"), 1)["image_name"].to_list()
    assert draw_rows(rows, 1)["image_name"].to_list() == expected
