"""The picture of suspects: each photo beside photos of its species and of the one that it is taken for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.report.page import Page
from stages.report.png import save_png

# Of Okabe and Ito (2008): told apart by those who do not see red or green.
OWN_COLOR, GUESS_COLOR = "#0072B2", "#D55E00"
_DARK, _GRAY = "#495057", "#868e96"

SUSPECT_PX, OTHER_PX = 124, 88
OTHERS = 2  # photos of each of the two species

# In pixels.
_COLUMNS, _GAP, _BETWEEN, _MARGIN = 2, 6, 14, 14
_LINE, _CAPTION, _BELOW = 19, 14, 16
_PAIR = OTHERS * (OTHER_PX + _GAP) - _GAP
_BLOCK = SUSPECT_PX + 2 * (_BETWEEN + _PAIR)
_NAME = 18
_ROW = SUSPECT_PX + 2 * _CAPTION + _BELOW
_APART = 30
_WIDTH = 2 * _MARGIN + _COLUMNS * (_BLOCK + _APART) - _APART


@dataclass(frozen=True)
class Examples:
    """Photos of a species.

    Attributes:
        species: its name.
        pixels: uint8 [height, width, 3], RGB, of each, ``OTHERS`` at the most.
        credits: who made them, and their licenses.
        missing: why there is none, or no more.
    """

    species: str
    pixels: Sequence[np.ndarray]
    credits: str
    missing: str = ""


@dataclass(frozen=True)
class Suspect:
    """A photo whose species the rest of the data contradicts.

    Attributes:
        pixels: uint8 [height, width, 3], RGB: the square that the network saw.
        credit: who made the photo, and its license.
        said: by how much it is suspected, shortly.
        own: photos of the species that it is said to be.
        guess: photos of the one that the rest of the data takes it for.
    """

    pixels: np.ndarray
    credit: str
    said: str
    own: Examples
    guess: Examples


def draw_suspects(suspects: Sequence[Suspect], path: Path, *, notes: Sequence[str]) -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        suspects: those to show, in their order; perhaps none.
        path: of the picture.
        notes: what is shown and what is not, lines below the title.
    """
    save_png(lay_out(suspects, notes=notes), path)


def lay_out(suspects: Sequence[Suspect], *, notes: Sequence[str]) -> Figure:
    """Draw what ``draw_suspects`` writes."""
    head = _MARGIN + _LINE * (1 + len(notes)) + _MARGIN
    rows = -(-len(suspects) // _COLUMNS)
    page = Page(_WIDTH, head + _ROW * rows)
    title = "Suspects: photos beside those of their label's species (blue), and of what they are taken for (orange)"
    for number, line in enumerate((title, *notes)):
        size, color = (10.5, _DARK) if number else (13, "black")
        page.write(line, _MARGIN, _MARGIN + 14 + number * _LINE, _WIDTH - 2 * _MARGIN, size=size, color=color)
    for number, suspect in enumerate(suspects):
        row, column = divmod(number, _COLUMNS)
        _draw(page, suspect, _MARGIN + column * (_BLOCK + _APART), head + row * _ROW)
    return page.figure


def _draw(page: Page, suspect: Suspect, left: float, top: float) -> None:
    page.picture(suspect.pixels, left, top, SUSPECT_PX, SUSPECT_PX)
    for line, (said, color) in enumerate(((suspect.said, _DARK), (suspect.credit, _GRAY)), 1):
        page.write(said, left, top + SUSPECT_PX + line * _CAPTION - 2, SUSPECT_PX, size=8.5, color=color)
    for place, (examples, color) in enumerate(((suspect.own, OWN_COLOR), (suspect.guess, GUESS_COLOR))):
        _draw_examples(page, examples, color, left + SUSPECT_PX + _BETWEEN + place * (_PAIR + _BETWEEN), top)


def _draw_examples(page: Page, examples: Examples, color: str, left: float, top: float) -> None:
    page.write(examples.species, left, top + 12, _PAIR, size=9.5, color=color, style="italic")
    top += _NAME
    for number, pixels in enumerate(examples.pixels):
        x = left + number * (OTHER_PX + _GAP)
        page.picture(pixels, x, top, OTHER_PX, OTHER_PX)
        page.box(x, top, OTHER_PX, OTHER_PX, edge=color, face=None)
    base = top + OTHER_PX + _CAPTION
    # A line for each license: side by side they would be cut, and a license asks for the name.
    for line, said in enumerate(filter(None, (*examples.credits.split("; "), examples.missing))):
        page.write(said, left, base + line * _CAPTION, _PAIR, size=8.5, color=_GRAY)
