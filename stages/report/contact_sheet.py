"""The contact sheet: a row of small pictures for each verdict, with the limit in between where there is one."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.report.png import save_png

_REJECTED_COLOR, _KEPT_COLOR, _GRAY = "#c92a2a", "#2b8a3e", "#868e96"
_ROW_INCHES, _HEAD_INCHES, _TILE_INCHES = 1.75, 0.75, 1.35


@dataclass(frozen=True)
class Tile:
    """One image of the sheet.

    Attributes:
        pixels: uint8 [height, width, 3], RGB; ``None`` where there is nothing to be seen.
        text: what stands in the place of pixels: how the file begins, or that it is gone.
        caption: the measure, or the file's size.
    """

    pixels: np.ndarray | None
    text: str
    caption: str


@dataclass(frozen=True)
class Row:
    """One verdict.

    Attributes:
        title: the verdict, the number of images and the limit, in words.
        rejected: images with this verdict, the one nearest to the limit first.
        kept: sound images, the one nearest to the limit first.
    """

    title: str
    rejected: list[Tile]
    kept: list[Tile]


def draw_contact_sheet(rows: list[Row], path: Path, *, a_side: int) -> None:
    """Write the picture to ``path`` (PNG), ``a_side`` tiles to each side of the limits."""
    height = max(len(rows), 1) * _ROW_INCHES + _HEAD_INCHES
    with mpl.rc_context({"font.size": 9, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(2 * a_side * _TILE_INCHES + 0.6, height), dpi=72, facecolor="white")
        figure.suptitle(
            "Rejected images (red), and kept ones (green) that lie nearest to the same limit",
            fontsize=13, y=1 - 0.25 / height,
        )  # fmt: skip
        grid = figure.add_gridspec(
            max(len(rows), 1), 2 * a_side + 1, width_ratios=[1] * a_side + [0.12] + [1] * a_side,
            left=0.01, right=0.99, bottom=0.3 / height, top=1 - _HEAD_INCHES / height, wspace=0.06, hspace=0.62,
        )  # fmt: skip
        for number, row in enumerate(rows):
            # The nearest to the limit stand in the middle, to either side of it.
            sides = ((row.rejected, _REJECTED_COLOR, a_side - 1, -1), (row.kept, _KEPT_COLOR, a_side + 1, 1))
            for tiles, color, start, step in sides:
                for place, tile in enumerate(tiles[:a_side]):
                    _draw_tile(figure.add_subplot(grid[number, start + step * place]), tile, color)
            title = figure.add_subplot(grid[number, :])
            title.axis("off")
            title.set_title(row.title, fontsize=10, pad=5, fontweight="bold")
        if not rows:
            figure.text(0.5, 0.4, "nothing was rejected", ha="center", color=_GRAY)
        save_png(figure, path)


def _draw_tile(axes: Axes, tile: Tile, color: str) -> None:
    if tile.pixels is None:
        # The first bytes of a file that is no image are no formula, whatever they look like.
        axes.text(
            0.5, 0.5, tile.text, ha="center", va="center", fontsize=7, color=_GRAY, transform=axes.transAxes,
            parse_math=False,
        )  # fmt: skip
        axes.set_facecolor("#f1f3f5")
    else:
        axes.imshow(tile.pixels)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(tile.caption, fontsize=8, labelpad=2, color=color)
    for spine in axes.spines.values():
        spine.set_edgecolor(color)
        spine.set_linewidth(1.8)
