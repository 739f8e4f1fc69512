"""Crops are measured against the true subject."""

import polars as pl
import pytest

from stages.evaluation.crops import describe, kept_curves, summarize, tabulate
from tests.support.crops import measured


def test_figures_of_a_comparison():
    table = tabulate({"a": measured("smart"), "b": measured("diffuse", held=0.4)}, {"a": (5, 5, 10, 10)})
    figures = summarize(table)
    assert figures["fallback_share"] == 0.5
    assert figures["fallbacks"] == {"black": 0, "flat": 0, "everywhere": 0, "diffuse": 1}
    assert figures["images_with_true_box"] == 1
    assert figures["smart"]["subject_kept"] == figures["center"]["subject_kept"] == 0.25
    assert figures["smart"]["subject_share_of_crop"] == 0.25
    assert figures["smart"]["subject_missed_share"] == 1.0
    assert figures["center"]["saliency_kept"] == pytest.approx(0.3)
    assert figures["by"]["position"] == {"off center": {"images": 1, "smart": 0.25, "center": 0.25}}
    assert "subject_kept" not in summarize(tabulate({"b": measured("smart")}, {}))["smart"]


def test_curves_fall_from_all_images_to_those_kept_whole():
    table = tabulate({"a": measured("smart"), "b": measured("smart")}, {"a": (5, 5, 10, 10), "b": (0, 0, 5, 5)})
    curve = kept_curves(table).filter(pl.col("crop") == "smart")
    shares = dict(curve.select("kept", "share_of_images").iter_rows())
    assert (shares[0.0], shares[0.24], shares[0.26], shares[1.0]) == (1.0, 1.0, 0.5, 0.5)
    # Where no box is known, of the saliency.
    unknown = kept_curves(tabulate({"a": measured("smart", held=0.7)}, {}))
    assert dict(unknown.filter(pl.col("crop") == "smart").select("kept", "share_of_images").iter_rows())[0.7] == 1.0


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
