"""A page to draw on: places are pixels from its upper left corner, and text is no wider than its place."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stages.report.fitting import fit, renderer_of

_DPI = 72  # so that a pixel is a point, too
_FONT = "DejaVu Sans"  # comes with matplotlib, so that every machine has it


class Page:
    """A white figure of so many pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        self._width, self._height = width, height
        self._renderer = renderer_of(self.figure)

    def write(
        self,
        line: str,
        x: float,
        base: float,
        width: float,
        *,
        size: float,
        smallest: float = 8,
        align: Literal["left", "center", "right"] = "left",
        color: str = "black",
        weight: Literal["normal", "bold"] = "normal",
        style: Literal["normal", "italic"] = "normal",
    ) -> float:
        """Write a line no wider than ``width``, and give its width.

        Args:
            line: the text.
            x: of its left end, middle or right end, as ``align`` says.
            base: of the line on which its letters stand.
            width: that it may have; where it needs more, it becomes smaller, then shorter.
            size: in points.
            smallest: that it may become.
            align: what ``x`` is of.
            color: of matplotlib.
            weight: of the font.
            style: of the font.
        """
        text = self.figure.text(
            x / self._width, 1 - base / self._height, line, ha=align, va="baseline", color=color, fontfamily=_FONT,
            fontweight=weight, fontstyle=style,
        )  # fmt: skip
        return fit(text, width, self._renderer, size_pt=size, smallest_pt=smallest)

    def axes(self, x: float, top: float, width: float, height: float) -> Axes:
        """Give axes that fill a rectangle, without ticks."""
        axes = self.figure.add_axes(self._place(x, top, width, height))
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def picture(self, pixels: np.ndarray, x: float, top: float, width: float, height: float) -> None:
        """Draw pixels, [h, w, 3] RGB, into a rectangle."""
        axes = self.axes(x, top, width, height)
        axes.imshow(pixels, aspect="auto")
        axes.axis("off")

    def box(self, x: float, top: float, width: float, height: float, *, edge: str | None, face: str | None) -> None:
        """Draw a rectangle with an edge, filled, or both."""
        left, lower, wide, high = self._place(x, top, width, height)
        self.figure.add_artist(
            Rectangle(
                (left, lower), wide, high, linewidth=1.8 if edge else 0, edgecolor=edge, facecolor=face or "none",
                transform=self.figure.transFigure,
            )
        )  # fmt: skip

    def _place(self, x: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """Give a rectangle as matplotlib wants it: left, lower, width and height as shares of the page."""
        lower = 1 - (top + height) / self._height
        return x / self._width, lower, width / self._width, height / self._height
