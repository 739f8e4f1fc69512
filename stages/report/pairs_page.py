"""The picture of species that are confused: photos of both side by side, for one who knows them."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.report.page import Page
from stages.report.png import save_png

# Of Okabe and Ito (2008): told apart by those who do not see red or green.
_MISTAKEN_COLOR, _OWN_COLOR, _SAID_COLOR = "#D55E00", "#0072B2", "#009E73"
_DARK, _GRAY = "#495057", "#868e96"

PHOTO_PX = 104

# In pixels.
_GAP, _BETWEEN, _MARGIN = 6, 26, 14
_LINE, _TITLE, _NAMES, _CAPTION, _BELOW = 19, 20, 17, 14, 14
_ROW = _TITLE + _NAMES + PHOTO_PX + 2 * _CAPTION + _BELOW
_TEXT_LINE, _LETTERS = 14, 19


@dataclass(frozen=True)
class Photos:
    """The photos of a kind, side by side.

    Attributes:
        title: what they are.
        pixels: uint8 [height, width, 3], RGB, of each.
        captions: lines below each, up to two.
        missing: why there is none, or no more; stands in the next place.
    """

    title: str
    pixels: list[np.ndarray]
    captions: list[list[str]]
    missing: str = ""


@dataclass(frozen=True)
class Pair:
    """A species that is taken for another.

    Attributes:
        title: both, and how often.
        mistaken: test photos of the one that are said to be the other.
        own: train photos of the one.
        said: train photos of the other.
    """

    title: str
    mistaken: Photos
    own: Photos
    said: Photos


def draw_pairs(pairs: Sequence[Pair], path: Path, *, photos: int, notes: Sequence[str]) -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        pairs: those to show, in their order; perhaps none.
        path: of the picture.
        photos: places of each kind.
        notes: what is shown and what is not, lines below the title.
    """
    save_png(lay_out(pairs, photos=photos, notes=notes), path)


def lay_out(pairs: Sequence[Pair], *, photos: int, notes: Sequence[str]) -> Figure:
    """Draw what ``draw_pairs`` writes."""
    block = photos * (PHOTO_PX + _GAP) - _GAP
    width = 2 * _MARGIN + 3 * block + 2 * _BETWEEN
    head = _MARGIN + _LINE * (1 + len(notes)) + _MARGIN
    page = Page(width, head + _ROW * len(pairs))
    title = "Species that are confused: is the label wrong, or the model?"
    for number, line in enumerate((title, *notes)):
        size, color = (10.5, _DARK) if number else (13, "black")
        page.write(line, _MARGIN, _MARGIN + 14 + number * _LINE, width - 2 * _MARGIN, size=size, color=color)
    for number, pair in enumerate(pairs):
        top = head + number * _ROW
        page.write(pair.title, _MARGIN, top + 12, width - 2 * _MARGIN, size=11, weight="bold")
        for place, (kind, color) in enumerate(
            ((pair.mistaken, _MISTAKEN_COLOR), (pair.own, _OWN_COLOR), (pair.said, _SAID_COLOR))
        ):
            _draw(page, kind, color, _MARGIN + place * (block + _BETWEEN), top + _TITLE, block, photos)
    return page.figure


def _draw(page: Page, kind: Photos, color: str, left: float, top: float, width: float, places: int) -> None:
    page.write(kind.title, left, top + 11, width, size=9.5, color=color)
    top += _NAMES
    for number, (pixels, caption) in enumerate(zip(kind.pixels, kind.captions, strict=True)):
        x = left + number * (PHOTO_PX + _GAP)
        page.picture(pixels, x, top, PHOTO_PX, PHOTO_PX)
        page.box(x, top, PHOTO_PX, PHOTO_PX, edge=color, face=None)
        for line, said in enumerate(caption):
            base = top + PHOTO_PX + 11 + line * _CAPTION
            page.write(said, x, base, PHOTO_PX, size=8.5, color=_GRAY if said == caption[-1] else _DARK)
    if kind.missing and len(kind.pixels) < places:
        x = left + len(kind.pixels) * (PHOTO_PX + _GAP)
        lines = textwrap.wrap(kind.missing, _LETTERS)
        base = top + (PHOTO_PX - _TEXT_LINE * len(lines)) / 2 + 9
        for number, line in enumerate(lines):
            middle = x + PHOTO_PX / 2
            page.write(line, middle, base + _TEXT_LINE * number, PHOTO_PX, size=8.5, align="center", color=_GRAY)
