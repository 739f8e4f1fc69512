"""The picture of a training batch: what the model really sees, with the species that it shall say."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.report.page import Page
from stages.report.png import save_png

_COLUMNS, _MOST = 4, 16

# In pixels.
_TILE, _GAP = 184, 8
_LINE, _BELOW = 13, 8
_HEAD = 2 * _LINE + 6  # two lines of caption


def draw_batch(pixels: np.ndarray, targets: np.ndarray, species: list[str], path: Path) -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        pixels: uint8 [images, side, side, 3], RGB.
        targets: float32 [images, classes]; a mixture's two largest are named with their shares.
        species: in the order of labels.
        path: of the picture.
    """
    save_png(lay_out(pixels, targets, species), path)


def lay_out(pixels: np.ndarray, targets: np.ndarray, species: list[str]) -> Figure:
    """Draw what ``draw_batch`` writes."""
    shown = min(len(pixels), _MOST)
    rows = -(-shown // _COLUMNS)
    row_height = _HEAD + _TILE + _BELOW
    width, height = _GAP + _COLUMNS * (_TILE + _GAP), _GAP + rows * row_height
    page = Page(width, height)
    for number in range(shown):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * (_TILE + _GAP), _GAP + row * row_height + _HEAD
        page.picture(pixels[number], left, top, _TILE, _TILE)
        lines = caption(targets[number], species)
        for line, base in zip(lines, range(top - 5 - _LINE * (len(lines) - 1), top, _LINE), strict=True):
            page.write(line, left + _TILE / 2, base, _TILE, size=9, align="center", style="italic")
    return page.figure


def caption(target: np.ndarray, species: list[str]) -> list[str]:
    """Name the species of a target, float32 [classes]; of a mixture both, a line each, with their shares."""
    first, second = (int(label) for label in np.argsort(-target, kind="stable")[:2]) if len(target) > 1 else (0, 0)
    rest = (1 - target[first] - target[second]) / max(1, len(target) - 2)
    # What smoothing gives every class is no part of a mixture.
    if target[second] - rest < 0.02 or len(target) < 3:
        return [species[first]]
    return [f"{target[label]:.0%} {species[label]}" for label in (first, second)]
