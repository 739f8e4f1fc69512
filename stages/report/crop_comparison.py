"""The picture that shows crops side by side: the original, its saliency map, the smart crop, the center crop."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stages.evaluation.crops import Box, Measured, overlap
from stages.images.crop import FALLBACKS, Square
from stages.report.png import save_png

_SMART_COLOR, _CENTER_COLOR, _TRUTH_COLOR = "#e8590c", "#1c7ed6", "#ffffff"
_ROW_INCHES, _TITLE_INCHES = 2.25, 0.7


@dataclass(frozen=True)
class Comparison:
    """One image and what the two crops make of it.

    Attributes:
        species: the caption.
        why: why it is shown, added to the caption; may be empty.
        pixels: uint8 [h, w, 3], RGB as shown, at any scale.
        saliency: uint8 [h, w], its map, at any scale.
        crops: both, and the size of the original, in pixels of it.
        true_box: of the subject, where it is known.
    """

    species: str
    why: str
    pixels: np.ndarray
    saliency: np.ndarray
    crops: Measured
    true_box: Box | None


def draw_comparison(comparisons: list[Comparison], path: Path) -> None:
    """Write the picture to ``path`` (PNG): two images a row, each as original, map, smart crop and center crop."""
    rows = -(-len(comparisons) // 2)
    height = _ROW_INCHES * rows + _TITLE_INCHES
    with mpl.rc_context({"font.size": 10, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(16, height), dpi=72, facecolor="white")
        one = (1.3, 1.3, 1, 1)
        grid = figure.add_gridspec(
            rows, 9, width_ratios=(*one, 0.1, *one), left=0.01, right=0.99, bottom=0.02 / rows,
            top=1 - (_TITLE_INCHES + 0.15) / height, wspace=0.05, hspace=0.16,
        )  # fmt: skip
        figure.suptitle(
            "Smart crop (orange) against center crop (blue); the true box of the plant, where known, is dashed; "
            "second: what the map finds",
            fontsize=13, y=1 - 0.2 / height,
        )  # fmt: skip
        for number, comparison in enumerate(comparisons):
            row, first = number // 2, 5 * (number % 2)
            axes = [figure.add_subplot(grid[row, first + column]) for column in range(4)]
            _draw_original(axes[0], comparison)
            _draw_map(axes[1], comparison)
            _draw_crop(axes[2], comparison, comparison.crops.smart, _SMART_COLOR, "smart")
            _draw_crop(axes[3], comparison, comparison.crops.center, _CENTER_COLOR, "center")
        save_png(figure, path)


def _draw_original(axes: Axes, comparison: Comparison) -> None:
    _show(axes, comparison, comparison.pixels)
    for square, color in ((comparison.crops.center, _CENTER_COLOR), (comparison.crops.smart, _SMART_COLOR)):
        axes.add_patch(
            Rectangle((square.x, square.y), square.side, square.side, fill=False, edgecolor=color, linewidth=2.2)
        )
    _draw_true_box(axes, comparison)
    axes.set_title(comparison.species, fontstyle="italic", fontsize=11, pad=4, parse_math=False)
    _frame(axes, comparison)


def _draw_map(axes: Axes, comparison: Comparison) -> None:
    """Lay the map over the image in gray: bright is what stands out."""
    height, width = comparison.pixels.shape[:2]
    gray = cv2.cvtColor(comparison.pixels, cv2.COLOR_RGB2GRAY)
    glow = mpl.colormaps["inferno"](cv2.resize(comparison.saliency, (width, height)))[..., :3]
    _show(axes, comparison, np.clip(0.35 * gray[..., None] / 255 + 0.75 * glow, 0, 1))
    _draw_true_box(axes, comparison)
    axes.set_title(comparison.why, fontsize=10, pad=4)
    _frame(axes, comparison)


def _show(axes: Axes, comparison: Comparison, pixels: np.ndarray) -> None:
    """Show pixels on axes whose unit is a pixel of the original."""
    axes.imshow(pixels, extent=(0, comparison.crops.width, comparison.crops.height, 0))


def _draw_true_box(axes: Axes, comparison: Comparison) -> None:
    if comparison.true_box:
        x, y, width, height = comparison.true_box
        axes.add_patch(
            Rectangle((x, y), width, height, fill=False, edgecolor=_TRUTH_COLOR, linewidth=1.2, linestyle="--")
        )


def _frame(axes: Axes, comparison: Comparison) -> None:
    width, height = comparison.crops.width, comparison.crops.height
    axes.set_xlim(-0.005 * width, 1.005 * width)
    axes.set_ylim(1.005 * height, -0.005 * height)
    axes.axis("off")


def _draw_crop(axes: Axes, comparison: Comparison, square: Square, color: str, name: str) -> None:
    _show(axes, comparison, comparison.pixels)
    axes.set_xlim(square.x, square.x + square.side)
    axes.set_ylim(square.y + square.side, square.y)
    title = f"{name}: {square.how}" if square.how in FALLBACKS else name
    if comparison.true_box:
        _, _, width, height = comparison.true_box
        title += f", {overlap(comparison.true_box, square) / (width * height):.0%} kept"
    axes.set_title(title, color=color, fontsize=10, pad=4)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_edgecolor(color)
        spine.set_linewidth(2.2)
