"""The picture of a model's mistakes: each photo with what it is, by its label, and what it was said to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.report.page import Page
from stages.report.png import save_png

SAID_COLOR, IS_COLOR = "#D55E00", "#0072B2"  # of Okabe and Ito (2008): told apart by those who do not see red or green
_DARK, _GRAY = "#495057", "#868e96"

PHOTO_PX = 152

# In pixels.
_COLUMNS, _GAP, _MARGIN = 6, 12, 14
_LINE, _CAPTION, _BELOW = 19, 14, 14
_ROW = PHOTO_PX + 3 * _CAPTION + _BELOW
_PERCENT = 34
_WIDTH = 2 * _MARGIN + _COLUMNS * (PHOTO_PX + _GAP) - _GAP


@dataclass(frozen=True)
class Mistake:
    """A photo that was taken for another species.

    Attributes:
        pixels: uint8 [height, width, 3], RGB: the square that the model saw.
        said: the species that it said.
        probability: of that, 0 to 1.
        species: its own, by its label.
        own_probability: of that.
        credit: who made the photo, and its license.
    """

    pixels: np.ndarray
    said: str
    probability: float
    species: str
    own_probability: float
    credit: str


def draw_mistakes(mistakes: Sequence[Mistake], path: Path, *, notes: Sequence[str]) -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        mistakes: those to show, in their order; perhaps none.
        path: of the picture.
        notes: what is shown and what is not, lines below the title.
    """
    save_png(lay_out(mistakes, notes=notes), path)


def lay_out(mistakes: Sequence[Mistake], *, notes: Sequence[str]) -> Figure:
    """Draw what ``draw_mistakes`` writes."""
    head = _MARGIN + _LINE * (1 + len(notes)) + _MARGIN
    rows = -(-len(mistakes) // _COLUMNS)
    page = Page(_WIDTH, head + _ROW * rows)
    wide = _WIDTH - 2 * _MARGIN
    title = "Confident mistakes on test: what the model says (orange), and what the label says (blue)"
    for number, line in enumerate((title, *notes)):
        size, color = (10.5, _DARK) if number else (13, "black")
        page.write(line, _MARGIN, _MARGIN + 14 + number * _LINE, wide, size=size, color=color)
    for number, mistake in enumerate(mistakes):
        row, column = divmod(number, _COLUMNS)
        _draw(page, mistake, _MARGIN + column * (PHOTO_PX + _GAP), head + row * _ROW)
    return page.figure


def _draw(page: Page, mistake: Mistake, left: float, top: float) -> None:
    page.picture(mistake.pixels, left, top, PHOTO_PX, PHOTO_PX)
    below = top + PHOTO_PX
    for number, (name, probability, color) in enumerate(
        ((mistake.said, mistake.probability, SAID_COLOR), (mistake.species, mistake.own_probability, IS_COLOR)), 1
    ):
        base = below + number * _CAPTION - 2
        page.write(name, left, base, PHOTO_PX - _PERCENT, size=9.5, color=color, style="italic")
        page.write(percent(probability), left + PHOTO_PX, base, _PERCENT - 4, size=9, align="right", color=color)
    page.write(mistake.credit, left, below + 3 * _CAPTION - 2, PHOTO_PX, size=8.5, color=_GRAY)


def percent(probability: float) -> str:
    """Give a probability in percent; what is not quite none or all is not called so."""
    if 0 < probability < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= probability < 1 else f"{probability:.0%}".replace("%", " %")
