"""The run at a glance: one picture of all test figures, which any forge shows beside that of another commit.

Everything has its place, whatever the figures are, and every axis its ends, so that two commits lie over each other to
the pixel. An interval is drawn wherever one is known; what has none is hollow, and how many images each mark is of
stands beside it: a share of three images is no measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.report.page import Page

# Of Okabe and Ito (2008): told apart by those who do not see red or green.
_BLUE, _VERMILION, _GREEN = "#0072B2", "#D55E00", "#009E73"
_BLACK, _DARK, _GRAY, _LIGHT = "#000000", "#495057", "#868e96", "#dee2e6"

# In pixels.
_WIDTH, _HEIGHT = 1200, 914
_MARGIN, _LINE = 16, 17
_TITLE, _HEADING = 62, 40  # from the top of the page to its panels, and of a panel to its first line
_FIGURES, _PAIRS = 24, 10  # lines that there is room for
_TALL = _HEADING + _FIGURES * _LINE + 28
_RIGHT, _RIGHT_WIDTH = 696, 488  # where the right column begins, and how wide it is
_SQUARES = _TITLE + _TALL + 10
_SQUARE, _SQUARE_HEIGHT, _Y_LABEL = 340, 250, 46
_KEYS = _SQUARES + 24 + _SQUARE_HEIGHT + 52
_TEXT, _SMALL = 10, 9
_FIGURE_COLUMNS = ("figure", "value", "low", "high", "images", "groups", "classes")
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_RISKS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)

_Point = tuple[float, float, float | None, float | None]  # x, y, low, high


@dataclass(frozen=True)
class _Mark:
    """A share with its interval, if it has one, and how much it is of."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    counts: tuple[int, ...]


@dataclass(frozen=True)
class _Columns:
    """Where the parts of a panel of lines begin, in pixels from its left edge."""

    axis: int
    axis_width: int
    value: int  # right ends from here on
    interval: int
    counts: tuple[int, ...]
    names: tuple[str, ...]  # of the counts


_LEFT_COLUMNS = _Columns(208, 200, 456, 530, (580, 622, 664), ("images", "groups", "classes"))
_RIGHT_COLUMNS = _Columns(80, 150, 278, 352, (402, 444, 488), ("images", "groups", "classes"))


def evaluation_page(
    *,
    headline: str,
    note: str,
    figures: pl.DataFrame,
    by_class_size: pl.DataFrame,
    size_bins: Sequence[str],
    reliability: pl.DataFrame,
    risk_coverage: pl.DataFrame,
    confused_pairs: pl.DataFrame,
    curves: pl.DataFrame,
) -> Figure:
    """Draw the test figures of a run: shares from 0 to 1; ``low`` and ``high`` are null where there is no interval.

    Args:
        headline: the figures that count, in a line.
        note: what they are of, in a line.
        figures: figure, value, low, high, images, groups, classes; a line each, as many as there is room for.
        by_class_size: train_images (name of a range), top1, low, high, images, groups, classes.
        size_bins: the names of all ranges, in order; one of which no class is keeps its line.
        reliability: confidence, accuracy, low, high, images, model (before or after the temperature).
        risk_coverage: coverage, risk, low, high, images.
        confused_pairs: pair, images, groups, of_images; the first ones are shown.
        curves: epoch, and train_top1, val_top1, train_top5, val_top5.
    """
    page = Page(_WIDTH, _HEIGHT)
    wide = _WIDTH - 2 * _MARGIN
    page.write(headline, _MARGIN, 26, wide, size=15, smallest=_SMALL, weight="bold")
    page.write(note, _MARGIN, 46, wide, size=_TEXT, smallest=_SMALL, color=_DARK)

    marks = [_mark(row) for row in figures.select(_FIGURE_COLUMNS).fill_nan(None).iter_rows()]
    more = len(marks) - _FIGURES
    last = f"and {more} more in plots/test_figures.csv" if more > 0 else ""
    _lines(page, "Test figures", marks[:_FIGURES], _MARGIN, _TITLE, _LEFT_COLUMNS, slots=_FIGURES, last=last)

    of_size = by_class_size.select("train_images", "top1", *_FIGURE_COLUMNS[2:]).fill_nan(None)
    of_bins = {row[0]: _mark(row) for row in of_size.iter_rows()}
    ranges = [of_bins.get(name, _Mark(name, None, None, None, ())) for name in size_bins]
    title = "Top-1 of classes by their training images"
    _lines(page, title, ranges, _RIGHT, _TITLE, _RIGHT_COLUMNS, slots=len(ranges), last="")
    _pairs(page, confused_pairs, _TITLE + _HEADING + len(ranges) * _LINE + 40)

    across = (_WIDTH - 2 * _MARGIN - 3 * _SQUARE) / 2 + _SQUARE
    for number, draw in enumerate((_reliability, _risk_coverage, _curves)):
        table = (reliability, risk_coverage, curves)[number]
        draw(page, table, _MARGIN + number * across)
    return page.figure


def _mark(row: Sequence[Any]) -> _Mark:
    name, value, low, high, *counts = row
    return _Mark(name, value, low, high, tuple(counts))


def _lines(
    page: Page, title: str, marks: Sequence[_Mark], left: float, top: float, columns: _Columns, *, slots: int, last: str
) -> None:
    """Draw a forest plot: a line each, with its name, interval, value and counts."""
    page.write(title, left, top + 14, columns.value + 40, size=12, smallest=_SMALL, weight="bold")
    first = top + _HEADING
    head = first - 8
    for x, name in zip(
        (columns.value, columns.interval, *columns.counts), ("value", "95 %", *columns.names), strict=True
    ):
        page.write(name, left + x, head, 60, size=_SMALL, smallest=8, align="right", color=_GRAY)
    height = slots * _LINE
    axes = _share_axes(page, left + columns.axis, first, columns.axis_width, height)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(height, 0)
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.grid(visible=True, axis="x", color=_LIGHT, linewidth=0.8)
    for number, mark in enumerate(marks):
        middle = (number + 0.5) * _LINE
        base = first + middle + 4
        color = _GRAY if mark.value is None else _BLACK
        page.write(mark.name, left, base, columns.axis - 12, size=_TEXT, smallest=8, color=color)
        if mark.value is None:
            page.write("–", left + columns.value, base, 40, size=_TEXT, align="right", color=_GRAY)
            continue
        _draw_mark(axes, mark.value, middle, mark.low, mark.high, _BLUE)
        interval = "none" if mark.low is None or mark.high is None else f"{mark.low:.2f}–{mark.high:.2f}"
        cells = [f"{mark.value:.3f}", interval, *(f"{count:,}" for count in mark.counts)]
        for x, cell, faint in zip(
            (columns.value, columns.interval, *columns.counts),
            cells,
            (False, interval == "none", *(False for _ in mark.counts)),
            strict=True,
        ):
            tone = _GRAY if faint else _BLACK
            page.write(cell, left + x, base, 66, size=_SMALL, smallest=8, align="right", color=tone)
    if last:
        page.write(last, left, first + height + 22, columns.axis, size=_SMALL, smallest=8, color=_DARK)


def _pairs(page: Page, pairs: pl.DataFrame, top: float) -> None:
    """Draw the most confused pairs as counts: hollow, as none of them is a rate that is known."""
    title = "Most confused: species → said, of the species' test images"
    page.write(title, _RIGHT, top + 14, _RIGHT_WIDTH, size=12, smallest=_SMALL, weight="bold")
    first, names, across = top + 24, 278, 90
    height = _PAIRS * _LINE
    axes = _share_axes(page, _RIGHT + names, first, across, height)
    axes.set_xlim(0, 1)
    axes.set_ylim(height, 0)
    axes.set_xticks((0, 0.5, 1), ["0", "0.5", "1"])
    axes.grid(visible=True, axis="x", color=_LIGHT, linewidth=0.8)
    shown = pairs.select("pair", "images", "groups", "of_images").head(_PAIRS)
    for number, (pair, images, groups, of_images) in enumerate(shown.iter_rows()):
        middle = (number + 0.5) * _LINE
        base = first + middle + 4
        page.write(pair.replace("->", "→"), _RIGHT, base, names - 10, size=_TEXT, smallest=8, style="italic")
        share = images / of_images if of_images else 0.0
        axes.barh(middle, share, height=0.55 * _LINE, facecolor="white", edgecolor=_VERMILION, linewidth=1.2)
        said = f"{images:,} of {of_images:,}, {groups:,} {'group' if groups == 1 else 'groups'}"
        room = _RIGHT_WIDTH - names - across - 8
        page.write(said, _RIGHT + _RIGHT_WIDTH, base, room, size=_SMALL, smallest=8, align="right")
    more = pairs.height - _PAIRS
    last = "" if pairs.height else "no species was taken for another"
    last = f"and {more:,} more {'pairs' if more > 1 else 'pair'}" if more > 0 else last
    page.write(last, _RIGHT, first + height + 14, names, size=_SMALL, smallest=8, color=_DARK)


def _reliability(page: Page, table: pl.DataFrame, left: float) -> None:
    axes = _square(page, left, "Reliability", "largest probability", "share that is right", table)
    axes.plot((0, 1), (0, 1), color=_GRAY, linewidth=1, linestyle=(0, (4, 3)))
    for number, (model, color, marker) in enumerate((("before", _VERMILION, "s"), ("after", _BLUE, "o"))):
        of_model = table.filter(pl.col("model") == model)
        _points(axes, of_model.select("confidence", "accuracy", "low", "high").rows(), color, marker)
        said = f"{model} temperature, {_between(of_model['images'])} a point" if of_model.height else ""
        _key(page, left, number, said, color, marker)


def _risk_coverage(page: Page, table: pl.DataFrame, left: float) -> None:
    axes = _square(
        page, left, "Risk and coverage", "share that gets an answer", "share of answers that is wrong", table
    )
    # Small risks are what is looked for.
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    axes.set_ylim(0, 1)
    axes.set_yticks(_RISKS, [f"{tick:g}" for tick in _RISKS])
    axes.minorticks_off()
    rows = table.select("coverage", "risk", "low", "high").rows()
    _points(axes, rows, _BLUE, "o")
    said = f"the surest answers, {_between(table['images'])} a point" if rows else ""
    _key(page, left, 0, said, _BLUE, "o")


def _curves(page: Page, table: pl.DataFrame, left: float) -> None:
    axes = _square(page, left, "Training (below: the last epoch)", "epoch", "share of images", table)
    epochs = table["epoch"].to_list()
    last = max(epochs, default=1)
    axes.set_xlim(0.5, max(last, 2) + 0.5)
    ticks = range(1, last + 1, max(1, -(-last // 10)))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    for number, (name, color, marker, dashed) in enumerate(
        (
            ("train_top1", _VERMILION, "^", False),
            ("val_top1", _BLUE, "o", False),
            ("train_top5", _VERMILION, "^", True),
            ("val_top5", _BLUE, "o", True),
        )
    ):
        values = table[name].to_list()
        axes.plot(
            epochs, values, color=color, linewidth=1.3, linestyle=(0, (3, 2)) if dashed else "-", marker=marker,
            markersize=4.5, markerfacecolor="white" if dashed else color, clip_on=False,
        )  # fmt: skip
        said = f"{name.replace('_top', ', top-')}: {values[-1]:.3f}" if values else ""
        _key(page, left, number % 2, said, color, marker, filled=not dashed, second=number > 1)


def _points(
    axes: Axes, rows: Sequence[tuple[float, float, float | None, float | None]], color: str, marker: str
) -> None:
    """Draw points with their intervals, joined by a line; without an interval a point is hollow."""
    axes.plot([row[0] for row in rows], [row[1] for row in rows], color=color, linewidth=0.9, zorder=2)
    for x, y, low, high in rows:
        known = low is not None and high is not None
        if low is not None and high is not None:
            axes.plot((x, x), (low, high), color=color, linewidth=1.6, alpha=0.4, solid_capstyle="butt", zorder=1)
        axes.plot(
            x, y, color=color, marker=marker, markersize=4.5, markerfacecolor=color if known else "white", zorder=3,
            clip_on=False,
        )  # fmt: skip


def _square(page: Page, left: float, title: str, x_label: str, y_label: str, table: pl.DataFrame) -> Axes:
    """Draw the frame of one of the panels in a row: both axes from 0 to 1."""
    page.write(title, left, _SQUARES + 14, _SQUARE, size=12, smallest=_SMALL, weight="bold")
    axes = _share_axes(page, left + _Y_LABEL, _SQUARES + 24, _SQUARE - _Y_LABEL, _SQUARE_HEIGHT)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for ticks in (axes.set_xticks, axes.set_yticks):
        ticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.grid(visible=True, color=_LIGHT, linewidth=0.8)
    axes.set_xlabel(x_label, fontsize=_TEXT, color=_DARK, labelpad=3)
    axes.set_ylabel(y_label, fontsize=_TEXT, color=_DARK, labelpad=3)
    if not table.height:
        axes.text(0.5, 0.5, "nothing to show", ha="center", fontsize=_TEXT, color=_GRAY, transform=axes.transAxes)
    return axes


def _share_axes(page: Page, left: float, top: float, width: float, height: float) -> Axes:
    axes = page.axes(left, top, width, height)
    axes.tick_params(length=2, labelsize=_SMALL, labelcolor=_DARK, color=_GRAY, pad=2)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(_LIGHT)
    return axes


def _draw_mark(axes: Axes, x: float, y: float, low: float | None, high: float | None, color: str) -> None:
    if low is not None and high is not None:
        axes.plot((low, high), (y, y), color=color, linewidth=2.2, alpha=0.55, solid_capstyle="butt")
        axes.plot(x, y, color=color, marker="o", markersize=6)
    else:
        axes.plot(x, y, color=_GRAY, marker="o", markersize=6, markerfacecolor="white")


def _key(
    page: Page, left: float, line: int, said: str, color: str, marker: str, *, filled: bool = True, second: bool = False
) -> None:
    """Write a line of a square's legend below it, in its first or second half, with the mark that it explains."""
    if not said:
        return
    half = (_SQUARE - _Y_LABEL) / 2
    at = left + _Y_LABEL + (half if second else 0)
    base = _KEYS + line * (_LINE - 2)
    axes = page.axes(at, base - 10, 12, 12)
    axes.axis("off")
    axes.plot(0, 0, color=color, marker=marker, markersize=5.5, markerfacecolor=color if filled else "white")
    room = left + _SQUARE - at - 16
    page.write(said, at + 16, base, room, size=_SMALL, smallest=8, color=_DARK)


def _between(counts: pl.Series) -> str:
    least, most = counts.min(), counts.max()
    words = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"{words} {'image' if most == 1 else 'images'}"
