"""The picture of crops promises nothing that it does not show, and no caption touches another."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from stages.evaluation.crops import Measured
from stages.images.crop import FALLBACKS, Square
from stages.report.crop_comparison import Comparison, draw_comparison, lay_out
from tests.support.figures import HIGH_AND_LOW, assert_can_be_read, assert_nothing_touches, pictures, texts, written

LONG = "Pelargonium × hortorum subsp. longissimum var. quoddam f. incredibile cv. Abracadabra"
REASONS = ("", "least kept", "least gain")
SIZES = [(400, 1600), (900, 1600), (800, 800), (1500, 1000), (1600, 900), (1600, 400), (37, 2000)]


def comparison(species="Rosa canina", why="", how="smart", size=(400, 300), box: bool = True) -> Comparison:
    width, height = size
    side = min(size)
    smart, center = (Square(0, 0, side, word, -0.0 if how == "flat" else 0.4) for word in (how, "center"))
    pixels = np.full((max(2, height // 8), max(2, width // 8), 3), 90, np.uint8)
    true_box = (0, 0, side // 2, side // 2) if box else None
    crops = Measured(smart, center, width, height)
    return Comparison(species, why, pixels, pixels[..., 0], crops, true_box, f"photo: {species}, CC BY-SA")


def drawn(comparisons: list[Comparison]) -> Figure:
    return lay_out(comparisons, note="shown: some", remainder="no further image to show: 1 can be used")


def assert_no_caption_touches(figure: Figure) -> None:
    assert_nothing_touches(figure, written(figure) + pictures(figure))
    assert_can_be_read(figure)


@pytest.mark.parametrize("species", ["Poa annua", LONG, LONG.replace(" ", "")])
def test_no_caption_touches_another(species):
    """Every reason with every way to fall back, on frames from 1:4 to 4:1 and longer."""
    every = itertools.product(REASONS, ("smart", *FALLBACKS), (True, False))
    sizes = itertools.cycle(SIZES)  # as many as do not divide the other words
    assert_no_caption_touches(drawn([comparison(species, *words, next(sizes), box) for *words, box in every]))


@settings(max_examples=15)
@given(st.text(max_size=200), st.text(max_size=60), st.sampled_from(SIZES))
@example(HIGH_AND_LOW * 9, HIGH_AND_LOW, (400, 1600))
def test_no_caption_touches_another_whatever_names_hold(species, why, size):
    assert_no_caption_touches(drawn([comparison(species, why, "everywhere", size)]))


@pytest.mark.parametrize(
    ("boxes", "promised"),
    [
        ([False, False], ""),
        ([True, True], "; dashed: the true box of the plant"),
        ([True, False], "; dashed: the true box of the plant, known of 1 of these 2 images"),
    ],
)
def test_the_title_promises_no_dashed_box_that_is_not_there(boxes, promised):
    figure = drawn([comparison(box=box) for box in boxes])
    title, legend, *_ = texts(figure)
    assert title == f"Smart crop (orange) against center crop (blue); second: what the map finds{promised}"
    dashed = [patch for axes in figure.axes for patch in axes.patches if patch.get_linestyle() == "--"]
    assert len(dashed) == 2 * sum(boxes)  # on the original and on the map
    assert ("true box" in legend) == any(boxes)
    assert ("by chance" in legend) == (not all(boxes))
    assert any("kept" in text for text in texts(figure)[3:]) == any(boxes)


def test_a_crop_is_captioned_by_what_is_known_of_its_image():
    captions = texts(drawn([comparison(), comparison(box=False)]))
    assert {"smart, 100% kept", "center, 100% kept", "smart, gain -0.35", "center, gain -0.35"} <= set(captions)
    nothing = comparison(box=False)
    nothing = Comparison(
        "", "", nothing.pixels, nothing.saliency, nothing.crops._replace(smart=Square(0, 0, 9, "flat", np.nan)), None
    )
    assert {"smart, no map", "fell back: flat"} <= set(texts(drawn([nothing])))


def test_half_a_row_says_why_it_is():
    remainder = "no further image to show: 1 can be used"
    assert remainder in texts(drawn([comparison()]))
    assert remainder not in texts(drawn([comparison(), comparison()]))


def test_what_may_not_be_shown_is_counted_and_where_nothing_may_it_is_said():
    withheld = "139 of 326 images may not be shown"
    some = lay_out([comparison(), comparison()], note="shown: some", remainder="", withheld=withheld)
    assert withheld in texts(some)
    assert "photo: Rosa canina, CC BY-SA" in texts(some)
    none = lay_out([], note="shown: none", remainder="", withheld=withheld)
    assert {withheld, "no image to show"} <= set(texts(none))
    assert_no_caption_touches(none)


def test_the_same_images_are_the_same_bytes(tmp_path):
    comparisons = [comparison(LONG, "least kept", "unsure"), comparison("Poa annua", box=False), comparison()]
    for name in ("one.png", "two.png"):
        draw_comparison(comparisons, tmp_path / name, note="shown", remainder="")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
