"""The picture that shows crops side by side: the original with the square in it, the smart crop, the centre crop."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stages.images.crop import Square
from stages.report.png import save_png

Box = tuple[int, int, int, int]
_SMART_COLOUR, _CENTER_COLOUR, _TRUTH_COLOUR = "#e8590c", "#1c7ed6", "#ffffff"


@dataclass(frozen=True)
class Comparison:
    """One image and what the two crops make of it.

    Attributes:
        species: the caption.
        pixels: uint8 [height, width, 3], RGB as shown.
        smart: the smart crop, in pixels of ``pixels``.
        center: the centre crop, likewise.
        true_box: x, y, width, height of the subject, where it is known.
    """

    species: str
    pixels: np.ndarray
    smart: Square
    center: Square
    true_box: Box | None


def draw_comparison(comparisons: list[Comparison], path: Path) -> None:
    """Write the picture to ``path`` (PNG): two images a row, each as original, smart crop and centre crop."""
    rows = -(-len(comparisons) // 2)
    with mpl.rc_context({"font.size": 11, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(15, 2.75 * rows + 0.9), dpi=72, facecolor="white")
        left, gap, right = (1.35, 1, 1), 0.12, (1.35, 1, 1)
        grid = figure.add_gridspec(
            rows, 7, width_ratios=(*left, gap, *right), left=0.012, right=0.988, bottom=0.015,
            top=1 - 0.85 / (2.75 * rows + 0.9), wspace=0.06, hspace=0.2,
        )  # fmt: skip
        figure.suptitle(
            "Smart crop (orange) against centre crop (blue); the true box of the plant, where known, is dashed",
            fontsize=14, y=1 - 0.22 / (2.75 * rows + 0.9),
        )  # fmt: skip
        for number, comparison in enumerate(comparisons):
            row, first = number // 2, 4 * (number % 2)
            axes = [figure.add_subplot(grid[row, first + column]) for column in range(3)]
            _draw_original(axes[0], comparison)
            _draw_crop(axes[1], comparison, comparison.smart, _SMART_COLOUR, "smart")
            _draw_crop(axes[2], comparison, comparison.center, _CENTER_COLOUR, "centre")
        save_png(figure, path)


def _draw_original(axes: mpl.axes.Axes, comparison: Comparison) -> None:
    axes.imshow(comparison.pixels)
    for square, colour in ((comparison.center, _CENTER_COLOUR), (comparison.smart, _SMART_COLOUR)):
        axes.add_patch(
            Rectangle((square.x, square.y), square.side, square.side, fill=False, edgecolor=colour, linewidth=2.2)
        )
    if comparison.true_box:
        x, y, width, height = comparison.true_box
        axes.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor=_TRUTH_COLOUR, linewidth=1.2, linestyle="--")
        )
    axes.set_title(comparison.species, fontstyle="italic", fontsize=12, pad=5, parse_math=False)
    height, width = comparison.pixels.shape[:2]
    axes.set_xlim(-0.005 * width, 1.005 * width)
    axes.set_ylim(1.005 * height, -0.005 * height)
    axes.axis("off")


def _draw_crop(axes: mpl.axes.Axes, comparison: Comparison, square: Square, colour: str, name: str) -> None:
    axes.imshow(comparison.pixels[square.y : square.y + square.side, square.x : square.x + square.side])
    fell_back = "" if square.how in ("smart", "center") else f": fell back ({square.how})"
    axes.set_title(f"{name}{fell_back}", color=colour, fontsize=11, pad=5)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_edgecolor(colour)
        spine.set_linewidth(2.2)
