"""The page of all test figures says of how much each is, and is laid out alike whatever the figures are."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from stages.report.evaluation_page import evaluation_page
from stages.report.fitting import renderer_of
from stages.report.png import MOST_BYTES, save_png
from stages.tables import evaluate as tables
from stages.tables.size_bins import name_bins
from tests.support.figures import HIGH_AND_LOW, assert_can_be_read, assert_nothing_touches, texts, written

BINS = name_bins((1, 2, 5, 10, 20, 50, 100, 200, 500))
LONG = "Pelargonium × hortorum subsp. longissimum var. quoddam -> Ẳڸ f. incredibile"


def frame(rows: list[tuple], schema: dict) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema), orient="row")


def drawn(
    *, figures: int = 16, known: bool = True, name: str = "top-1", pairs: int = 3, epochs: int = 6, value: float = 0.5
) -> Figure:
    low, high = (value / 2, (1 + value) / 2) if known else (None, None)
    points = [round(step / 20, 2) for step in range(1, 21)]
    train = [(epoch, value, value / 2, value, value / 3) for epoch in range(1, epochs + 1)]
    return evaluation_page(
        headline=f"test top-1 {value:.3f}",
        note="of a test",
        figures=frame([(f"{name} {n}", value, low, high, 1234, 567, 89) for n in range(figures)], tables.TEST_FIGURES),
        by_class_size=frame([(BINS[2], value, low, high, 77, 66, 55)] if figures else [], tables.BY_CLASS_SIZE),
        size_bins=BINS,
        reliability=frame(
            [(x, value, low, high, 40, model) for x in points for model in ("before", "after")] if figures else [],
            tables.RELIABILITY,
        ),
        risk_coverage=frame(
            [(x, value, low, high, int(100 * x)) for x in points] if figures else [], tables.RISK_COVERAGE
        ),
        confused_pairs=frame([(LONG, 3, 2, 5)] * pairs, tables.DRAWN_PAIRS),
        curves=frame(train, tables.CURVES),
    )


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"figures": 60, "pairs": 30, "epochs": 300, "name": LONG},
        {"figures": 0, "pairs": 0, "epochs": 0},
        {"epochs": 1},
        {"value": 1.0, "name": HIGH_AND_LOW * 12},
    ],
    ids=str,
)
def test_no_text_touches_another_or_is_too_small(what):
    figure = drawn(**what)
    renderer_of(figure)
    figure.canvas.draw()  # which puts the labels of axes into their places
    assert_can_be_read(figure)
    assert_nothing_touches(figure, written(figure))


@settings(max_examples=4)
@given(
    st.integers(0, 40), st.booleans(), st.integers(0, 20), st.integers(0, 40), st.floats(0, 1, allow_subnormal=False)
)
def test_two_commits_lie_over_each_other(figures, known, pairs, epochs, value):
    """Each panel, and each axis but that of the epochs, has its place and its ends."""
    one, other = drawn(), drawn(figures=figures, known=known, pairs=pairs, epochs=epochs, value=value)

    def panels(figure: Figure) -> list[tuple]:
        return [
            (axes.get_position().bounds, () if axes.get_xlabel() == "epoch" else axes.get_xlim(), axes.get_ylim())
            for axes in figure.axes
            if axes.axison
        ]

    assert one.get_size_inches().tolist() == other.get_size_inches().tolist()
    assert panels(one) == panels(other)


def filled(figure: Figure, panel: int) -> list[bool]:
    """Whether each mark of a panel is filled."""
    marks = [line for line in figure.axes[panel].lines if line.get_marker() not in ("None", "", None)]
    return [line.get_markerfacecolor() != "white" for line in marks]


def test_what_has_no_interval_is_hollow_and_every_mark_says_its_n():
    sure, unsure = drawn(figures=2), drawn(figures=2, known=False)
    assert filled(sure, 0) == [True, True]
    assert filled(unsure, 0) == [False, False]
    assert filled(unsure, 1) == [False]
    assert texts(sure).count("1,234") == texts(unsure).count("1,234") == 2
    assert {"77", "66", "55"} <= set(texts(unsure))
    assert "none" in texts(unsure)
    assert "none" not in texts(sure)
    assert "0.25–0.75" in texts(sure)
    assert "3 of 5, 2 groups" in texts(sure)
    assert {"before temperature, 40 images a point", "the surest answers, 5 to 100 images a point"} <= set(texts(sure))
    for bar in sure.axes[2].patches:
        assert bar.get_facecolor()[:3] == (1, 1, 1)


def test_what_has_no_room_is_counted():
    figure = drawn(figures=30, pairs=13)
    assert {"and 6 more in plots/test_figures.csv", "and 3 more pairs"} <= set(texts(figure))
    assert texts(figure).count("3 of 5, 2 groups") == 10
    assert "no species was taken for another" in texts(drawn(pairs=0))
    assert set(BINS) <= set(texts(figure))


def test_the_four_curves_can_be_told_apart_and_one_epoch_is_seen():
    curves = drawn(epochs=1).axes
    lines = next(axes for axes in curves if axes.get_xlabel() == "epoch").lines
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker(), line.get_markerfacecolor()) for line in lines}
    assert len(looks) == len(lines) == 4
    assert all(line.get_marker() not in ("None", "") for line in lines)


def test_a_figure_that_is_no_number_has_no_mark():
    figures = frame([("top-1", np.nan, np.nan, np.nan, 0, 0, 0)], tables.TEST_FIGURES)
    figure = evaluation_page(
        headline="",
        note="",
        figures=figures,
        by_class_size=frame([], tables.BY_CLASS_SIZE),
        size_bins=BINS,
        reliability=frame([], tables.RELIABILITY),
        risk_coverage=frame([], tables.RISK_COVERAGE),
        confused_pairs=frame([], tables.DRAWN_PAIRS),
        curves=frame([], tables.CURVES),
    )
    assert filled(figure, 0) == []
    assert "–" in texts(figure)


def test_the_same_figures_are_the_same_small_file(tmp_path):
    for name in ("one.png", "two.png"):
        save_png(drawn(figures=24, pairs=10), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").stat().st_size < MOST_BYTES
