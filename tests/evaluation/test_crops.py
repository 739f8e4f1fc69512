"""Crops are measured against the true subject."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.evaluation.crops import (
    Measured,
    compared_figures,
    compared_in_words,
    describe,
    gain_curves,
    gain_over_area,
    kept_curves,
    summarize,
    tabulate,
)
from stages.images.crop import Square
from stages.tables.compare_crops import KEPT_CURVES
from stages.tables.table import write_table
from tests.support.crops import measured


def test_figures_of_a_comparison():
    table = tabulate({"a": measured("smart"), "b": measured("unsure", held=0.4)}, {"a": (5, 5, 10, 10)})
    figures = summarize(table)
    assert figures["fallback_share"] == 0.5
    assert figures["fallbacks"] == {"flat": 0, "everywhere": 0, "unsure": 1}
    assert figures["images_with_true_box"] == 1
    assert figures["smart"]["subject_kept"] == figures["center"]["subject_kept"] == 0.25
    assert figures["smart"]["subject_share_of_crop"] == 0.25
    assert figures["smart"]["subject_missed_share"] == 1.0
    assert figures["center"]["saliency_kept"] == pytest.approx(0.3)
    assert figures["center"]["saliency_gain"] == pytest.approx(0.3 - 100 / 8000)
    assert figures["by"]["position"] == {"off center": {"images": 1, "smart": 0.25, "center": 0.25}}
    assert "subject_kept" not in summarize(tabulate({"b": measured("smart")}, {}))["smart"]


BOX = (5, 5, 10, 10)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_a_square_gains_nothing_by_its_size(width, height, data):
    """The null value: of an even map any square gains 0, and so does on any map what holds all of it or nothing."""
    side = data.draw(st.integers(1, min(width, height)))
    x, y = data.draw(st.integers(0, width - side)), data.draw(st.integers(0, height - side))
    even = np.full((height, width), 7, np.uint8)
    square = Square(x, y, side, "smart", even[y : y + side, x : x + side].sum() / even.sum())
    assert gain_over_area(square, Measured(square, square, width, height)) == pytest.approx(0, abs=1e-9)
    whole = Square(0, 0, width, "smart", 1.0)
    assert gain_over_area(whole, Measured(whole, whole, width, width)) == 0


@given(arrays(np.uint8, (9, 12), elements=st.integers(0, 255)), st.integers(1, 9))
def test_squares_put_down_anywhere_gain_nothing_on_average(saliency, side):
    """Anywhere, with the map going on behind its edges, so that each place of it is as likely as any other."""
    assume(saliency.any())
    around = np.tile(saliency.astype(float), (2, 2))
    held = [around[y : y + side, x : x + side].sum() / saliency.sum() for y in range(9) for x in range(12)]
    gains = [gain_over_area(s, Measured(s, s, 12, 9)) for s in (Square(0, 0, side, "smart", share) for share in held)]
    assert np.mean(gains) == pytest.approx(0, abs=1e-9)


def test_curves_fall_from_all_images_to_those_kept_whole():
    table = tabulate({"a": measured("smart"), "b": measured("smart")}, {"a": BOX, "b": (0, 0, 5, 5)})
    curve = kept_curves(table).filter(pl.col("crop") == "smart")
    shares = dict(curve.select("kept", "share_of_images").iter_rows())
    assert (shares[0.0], shares[0.24], shares[0.26], shares[1.0]) == (1.0, 1.0, 0.5, 0.5)


def test_curves_of_gain_count_every_image_and_reach_from_end_to_end():
    table = tabulate({"a": measured("smart", held=0.9125), "b": measured("flat", held=0.0)}, {})
    curve = gain_curves(table).filter(pl.col("crop") == "smart")
    shares = dict(curve.select("gain", "share_of_images").iter_rows())
    assert (min(shares), max(shares)) == (-1.0, 1.0)
    assert (shares[-1.0], shares[-0.02], shares[0.0], shares[0.9], shares[0.92]) == (1.0, 1.0, 0.5, 0.5, 0.0)


def test_without_true_boxes_there_is_no_figure_of_the_plant(tmp_path):
    table = tabulate({"a": measured("smart"), "b": measured("unsure", held=0.41)}, {})
    figures = summarize(table)
    assert not {"subject_kept", "subject_missed_share"} & (figures["smart"].keys() | figures["center"].keys())
    assert set(compared_figures(figures)) == {"smart_saliency_gain", "center_saliency_gain", "fallback_share"}
    assert "plant" not in compared_in_words(figures)
    assert "gains 0.643 of the saliency map and center crop 0.287 (0 by chance; 2 images)" in compared_in_words(figures)
    # What does not apply is a table without rows, and no figures of another measure in its place.
    write_table(kept_curves(table), KEPT_CURVES, tmp_path / "kept.csv")
    assert (tmp_path / "kept.csv").read_text() == "kept,share_of_images,crop\n"


def test_with_true_boxes_of_some_images_each_measure_says_of_how_many():
    crops = {"a": measured("smart"), "b": measured("smart", held=0.5)}
    figures = summarize(tabulate(crops, {"a": BOX}))
    assert compared_figures(figures) == pytest.approx(
        {
            "smart_kept": 0.25, "center_kept": 0.25, "fallback_share": 0.0,
            "smart_saliency_gain": 0.7 - 0.0125, "center_saliency_gain": 0.3 - 0.0125,
        }
    )  # fmt: skip
    assert "(1 of 2 images, whose true box is known)" in compared_in_words(figures)
    every = summarize(tabulate(crops, {"a": BOX, "b": BOX}))
    assert "(2 images, whose true box is known)" in compared_in_words(every)
    assert every["smart"]["saliency_gain"] == figures["smart"]["saliency_gain"]


def test_maps_that_show_nothing_have_no_gain():
    """Every image black: there is no share of nothing, and JSON has no NaN."""
    black = Measured(Square(0, 0, 10, "flat", math.nan), Square(0, 0, 10, "center", math.nan), 10, 10)
    table = tabulate({"a": black}, {})
    figures = summarize(table)
    json.dumps(figures, allow_nan=False)
    assert None not in figures["smart"].values()
    assert compared_figures(figures) == {"fallback_share": 1.0}
    assert "no saliency map shows anything" in compared_in_words(figures)
    assert gain_curves(table).is_empty()


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((40, 30, 20, 20), ("4:3", "centered", "medium")),
        ((0, 0, 10, 10), ("4:3", "off center", "small")),
        ((20, 10, 60, 60), ("4:3", "centered", "large")),
    ],
)
def test_a_subject_is_described_in_words(box, words):
    assert tuple(describe(box, 100, 80).values()) == words
    assert describe(box, 200, 80)["frame"] == "wide"
    assert describe(box, 80, 100)["frame"] == "tall"
