"""The picture that shows crops side by side: the original, its saliency map, the smart crop, the center crop."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stages.evaluation.crops import Box, Measured, gain_over_area, overlap
from stages.images.crop import FALLBACKS, Square
from stages.report.page import Page
from stages.report.png import save_png

_SMART_COLOR, _CENTER_COLOR, _TRUTH_COLOR, _GRAY = "#e8590c", "#1c7ed6", "#ffffff", "#868e96"

# In pixels.
_MARGIN, _GUTTER, _GAP = 12, 24, 8
_FRAME, _CROP = 150, 114  # widths of the places for originals and maps, and for crops
_HIGHEST = _CROP  # original or map
_CAPTION, _BELOW = 18, 24
_LINE = 19  # of the title
_HALF = 2 * _FRAME + 2 * _CROP + 3 * _GAP
_WIDTH = 2 * _MARGIN + 2 * _HALF + _GUTTER
_ROW = _CAPTION + _HIGHEST + _BELOW


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
        credit: who made the photo, and its license.
    """

    species: str
    why: str
    pixels: np.ndarray
    saliency: np.ndarray
    crops: Measured
    true_box: Box | None
    credit: str = ""


def draw_comparison(
    comparisons: list[Comparison], path: Path, *, note: str, remainder: str, withheld: str = ""
) -> None:
    """Write the picture to ``path`` (PNG): two images a row, each as original, map, smart crop and center crop.

    Args:
        comparisons: the images, in their order; perhaps none.
        path: of the picture.
        note: what is shown, a line below the title.
        remainder: why the last row has one image, where it has.
        withheld: how many images may not be shown, and why.
    """
    save_png(lay_out(comparisons, note=note, remainder=remainder, withheld=withheld), path)


def lay_out(comparisons: list[Comparison], *, note: str, remainder: str, withheld: str = "") -> Figure:
    """Draw what ``draw_comparison`` writes."""
    head = [_title(comparisons), _legend(comparisons), note, *([withheld] if withheld else [])]
    head_height = _MARGIN + _LINE * len(head) + _MARGIN
    rows = -(-len(comparisons) // 2)
    page = Page(_WIDTH, head_height + _ROW * max(rows, 1))
    for number, line in enumerate(head):
        size, color = (13, "black") if number == 0 else (10.5, "#495057")
        page.write(line, _MARGIN, _MARGIN + _LINE * number + 14, _WIDTH - 2 * _MARGIN, size=size, color=color)
    for number, comparison in enumerate(comparisons):
        left = _MARGIN + (number % 2) * (_HALF + _GUTTER)
        _draw_one(page, comparison, left, head_height + number // 2 * _ROW)
    if not comparisons:
        page.write("no image to show", _MARGIN, head_height + _LINE, _HALF, size=10.5, color=_GRAY)
    if len(comparisons) % 2:
        left, middle = _MARGIN + _HALF + _GUTTER, head_height + (rows - 0.5) * _ROW
        page.write(remainder, left, middle, _HALF, size=10.5, color=_GRAY)
    return page.figure


def _title(comparisons: list[Comparison]) -> str:
    known = sum(comparison.true_box is not None for comparison in comparisons)
    title = "Smart crop (orange) against center crop (blue); second: what the map finds"
    if not known:
        return title
    of = "" if known == len(comparisons) else f", known of {known} of these {len(comparisons)} images"
    return f"{title}; dashed: the true box of the plant{of}"


def _legend(comparisons: list[Comparison]) -> str:
    """Explain the figures of the captions, those that stand there."""
    boxes = [comparison.true_box for comparison in comparisons]
    kept = ["kept: the share of the true box that a crop holds"] if any(boxes) else []
    gain = ["gain: the share of the map that a crop holds, less its share of the image (0 by chance)"]
    return "; ".join(kept + (gain if None in boxes else []))


def _draw_one(page: Page, comparison: Comparison, left: float, top: float) -> None:
    base, top = top + _CAPTION - 6, top + _CAPTION
    map_left = left + _FRAME + _GAP
    smart_left = map_left + _FRAME + _GAP
    center_left = smart_left + _CROP + _GAP

    both = 2 * _FRAME + _GAP
    taken = page.write(_reasons(comparison), left + both, base, 0.6 * both, size=10, align="right")
    for_species = both - taken - (_GAP if taken else 0)
    page.write(comparison.species, left, base, for_species, size=11, style="italic")
    page.write(comparison.credit, left, top + _HIGHEST + 13, _HALF, size=8.5, smallest=8, color=_GRAY)

    width, height = comparison.crops.width, comparison.crops.height
    scale = min(_FRAME / width, _HIGHEST / height)
    size = max(2, width * scale), max(2, height * scale)
    original = page.axes(left, top, *size)
    _show(original, comparison, comparison.pixels)
    for square, color in ((comparison.crops.center, _CENTER_COLOR), (comparison.crops.smart, _SMART_COLOR)):
        _outline(original, (square.x, square.y, square.side, square.side), color=color, width=2.2, style="-")
    saliency = page.axes(map_left, top, *size)
    _show(saliency, comparison, _glowing(comparison))
    for axes in (original, saliency):
        axes.axis("off")
        if comparison.true_box:
            _outline(axes, comparison.true_box, color=_TRUTH_COLOR, width=1.2, style="--")

    for name, square, color, place in (
        ("smart", comparison.crops.smart, _SMART_COLOR, smart_left),
        ("center", comparison.crops.center, _CENTER_COLOR, center_left),
    ):
        _draw_crop(page.axes(place, top, _CROP, _CROP), comparison, square, color)
        caption = f"{name}{_worth(comparison, square)}"
        page.write(caption, place + _CROP / 2, base, _CROP, size=10, align="center", color=color)


def _reasons(comparison: Comparison) -> str:
    """Say why an image is shown, and that smart crop fell back in it, wherever it did."""
    how = comparison.crops.smart.how
    return "; ".join(filter(None, [comparison.why, f"fell back: {how}" if how in FALLBACKS else ""]))


def _worth(comparison: Comparison, square: Square) -> str:
    """Say what a crop keeps of the true box, or, where that is not known, gains over its area."""
    if comparison.true_box:
        _, _, width, height = comparison.true_box
        return f", {overlap(comparison.true_box, square) / (width * height):.0%} kept"
    gain = gain_over_area(square, comparison.crops)
    return ", no map" if np.isnan(gain) else f", gain {round(gain, 2) + 0.0:+.2f}"  # and no -0.00


def _glowing(comparison: Comparison) -> np.ndarray:
    """Lay the map over the image in gray: bright is what stands out. Float [h, w, 3], 0 to 1."""
    height, width = comparison.pixels.shape[:2]
    gray = cv2.cvtColor(comparison.pixels, cv2.COLOR_RGB2GRAY)
    glow = mpl.colormaps["inferno"](cv2.resize(comparison.saliency, (width, height)))[..., :3]
    return np.clip(0.35 * gray[..., None] / 255 + 0.75 * glow, 0, 1)


def _show(axes: Axes, comparison: Comparison, pixels: np.ndarray) -> None:
    """Show pixels on axes whose unit is a pixel of the original."""
    axes.imshow(pixels, extent=(0, comparison.crops.width, comparison.crops.height, 0), aspect="auto")


def _outline(axes: Axes, box: Box, *, color: str, width: float, style: str) -> None:
    x, y, box_width, box_height = box
    axes.add_patch(
        Rectangle(
            (x, y), box_width, box_height, fill=False, edgecolor=color, linewidth=width, linestyle=style, clip_on=False
        )
    )


def _draw_crop(axes: Axes, comparison: Comparison, square: Square, color: str) -> None:
    _show(axes, comparison, comparison.pixels)
    axes.set_xlim(square.x, square.x + square.side)
    axes.set_ylim(square.y + square.side, square.y)
    for spine in axes.spines.values():
        spine.set_edgecolor(color)
        spine.set_linewidth(2.2)
