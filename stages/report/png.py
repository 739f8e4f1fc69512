"""Pictures for git."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from stages.runtime.outputs import replacing


def save_png(figure: Figure, path: Path) -> None:
    """Save as a PNG under 1 MB, as git keeps every version: six bits a color look the same and take a third less."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.asarray(canvas.buffer_rgba())[..., :3]
    rounded = np.where(rgb > 251, 255, rgb & 0b11111100).astype(np.uint8)
    with replacing(path) as temporary:
        Image.fromarray(rounded).save(temporary, format="png", optimize=True)
