"""What is shown is drawn alike again: each species once, the worst, and what fell back."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.compare_crops import choose_shown, draw_rows
from stages.evaluation.crops import tabulate
from tests.support.crops import measured


def test_what_is_shown_is_of_each_species_once_then_the_worst_and_what_fell_back(params):
    names = [f"{number}.jpg" for number in range(6)]
    rows = pl.DataFrame({"image_name": names, "sha256": names, "species": list("AABBCC")})
    hows = ["smart", "smart", "smart", "flat", "smart", "smart"]
    held = [0.9, 0.1, 0.9, 0.8, 0.9, 0.7]
    crops = {name: measured(how, held=share) for name, how, share in zip(names, hows, held, strict=True)}
    wanted = params.compare_crops.model_copy(update={"picture_images": 2, "worst_images": 1, "fallback_images": 3})
    shown = choose_shown(rows, tabulate(crops, {}), wanted)
    assert shown.select("image_name", "why").rows() == [
        ("0.jpg", ""), ("2.jpg", ""), ("1.jpg", "least kept"), ("3.jpg", "fell back"),
    ]  # fmt: skip


def test_what_is_kept_of_a_plant_and_of_a_map_are_never_compared(params):
    """Of an image whose true box is not known nobody knows how much of the plant is kept."""
    names = ["known.jpg", "worse.jpg", "unknown.jpg"]
    rows = pl.DataFrame({"image_name": names, "sha256": names, "species": list("AAA")})
    crops = {name: measured("smart", held=0.1) for name in names}
    boxes = {"known.jpg": (0, 0, 1, 1), "worse.jpg": (0, 0, 1, 1)}
    wanted = params.compare_crops.model_copy(update={"picture_images": 1, "worst_images": 9, "fallback_images": 0})
    shown = choose_shown(rows, tabulate(crops, boxes), wanted).filter(pl.col("why") == "least kept")
    assert set(shown["image_name"]) == {"known.jpg", "worse.jpg"}
    shown = choose_shown(rows, tabulate(crops, {}), wanted).filter(pl.col("why") == "least kept")
    assert set(shown["image_name"]) == set(names)


@given(st.permutations(range(8)))
def test_the_drawn_order_does_not_depend_on_the_order_of_the_rows(order):
    rows = pl.DataFrame({"image_name": [f"{number}.jpg" for number in order]})
    expected = draw_rows(rows.sort("image_name"), 1)["image_name"].to_list()
    assert draw_rows(rows, 1)["image_name"].to_list() == expected
