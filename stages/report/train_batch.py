"""The picture of a training batch: what the model really sees, with the species that it shall say."""

import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from stages.report.png import save_png

_COLUMNS, _MOST = 4, 16
_TILE_INCHES, _TITLE_INCHES = 2.6, 0.5


def draw_batch(pixels: np.ndarray, targets: np.ndarray, species: list[str], path: Path) -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        pixels: uint8 [images, side, side, 3], RGB.
        targets: float32 [images, classes]; a mixture's two largest are named with their shares.
        species: in the order of labels.
        path: of the picture.
    """
    shown = min(len(pixels), _MOST)
    rows = -(-shown // _COLUMNS)
    with mpl.rc_context({"font.size": 9, "font.family": "DejaVu Sans"}):
        figure = Figure(
            figsize=(_COLUMNS * _TILE_INCHES, rows * (_TILE_INCHES + _TITLE_INCHES)), dpi=72, facecolor="white"
        )
        grid = figure.add_gridspec(
            rows, _COLUMNS, left=0.01, right=0.99, bottom=0.01, top=1 - 0.13 / rows, wspace=0.05, hspace=0.2
        )
        for number in range(shown):
            axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
            axes.imshow(pixels[number])
            axes.set_title(caption(targets[number], species), fontstyle="italic", fontsize=9, pad=3, parse_math=False)
            axes.axis("off")
        save_png(figure, path)


def caption(target: np.ndarray, species: list[str]) -> str:
    """Name the species of a target, float32 [classes]; of a mixture both, with their shares."""
    first, second = (int(label) for label in np.argsort(-target, kind="stable")[:2]) if len(target) > 1 else (0, 0)
    rest = (1 - target[first] - target[second]) / max(1, len(target) - 2)
    # What smoothing gives every class is no part of a mixture.
    if target[second] - rest < 0.02 or len(target) < 3:
        return textwrap.fill(species[first], 28)
    return textwrap.fill(f"{target[first]:.0%} {species[first]}, {target[second]:.0%} {species[second]}", 30)
