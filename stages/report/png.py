"""Pictures for git, which keeps every version of each: as large as they may be, and no larger."""

import io
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from stages.runtime.outputs import replacing

MOST_BYTES = 300_000

_COLORS = 256  # of a palette
_A_SAMPLE = 23  # of so many pixels one, of which the palette is made: it is as good, in a tenth of the time
_LEAST_SHARE = 0.08  # of its place that a side of a photo keeps: what is smaller shows nothing


def save_png(figure: Figure, path: Path) -> None:
    """Save a figure as a PNG of at most ``MOST_BYTES``, whatever its photos show.

    It has six bits a color: that looks the same and takes a third less. Where it is too large all the same it has a
    palette of 256 colors, and where that does not do, its photos become smaller too, each in the middle of its place:
    texts and lines beside them stay as they are. The same figure gives the same bytes on every processor.

    Raises:
        ValueError: it is too large without its photos, too; nothing is written.
    """
    content = _within(figure)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _within(figure: Figure) -> bytes:
    """Give the PNG of a figure; the figure is as it was before."""
    pixels = _drawn(figure)
    content = _as_png(Image.fromarray(pixels))
    if len(content) <= MOST_BYTES:
        return content
    content = _as_png(_with_palette(pixels))
    places = {axes: axes.get_position(original=True) for axes in figure.axes if axes.images}
    share = 1.0
    try:
        while len(content) > MOST_BYTES:
            # What photos take goes with their area, and they take nearly all; in steps, so as to end soon.
            fitting = math.floor(100 * share * math.sqrt(MOST_BYTES / len(content))) / 100
            share = min(fitting, share - 0.02)
            if share < _LEAST_SHARE or not places:
                raise ValueError(f"the picture has {len(content):,} bytes without its photos: draw it smaller")
            for axes, place in places.items():
                _shrink(axes, place, share)
            content = _as_png(_with_palette(_drawn(figure)))
    finally:
        for axes, place in places.items():
            axes.set_position(place)
    return content


def _drawn(figure: Figure) -> np.ndarray:
    """Draw a figure with six bits a color: uint8 [height, width, 3]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgb = np.asarray(canvas.buffer_rgba())[..., :3]
    return np.where(rgb > 251, 255, rgb & 0b11111100).astype(np.uint8)


def _with_palette(pixels: np.ndarray) -> Image.Image:
    """Give pixels, uint8 [height, width, 3], in the colors that come nearest to all of them, and in pure white.

    Median cut, then k-means (Lloyd 1982), all in whole numbers.
    """
    sample = np.ascontiguousarray(pixels.reshape(1, -1, 3)[:, ::_A_SAMPLE])
    found = Image.fromarray(sample).quantize(_COLORS - 1, method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *found[: 3 * (_COLORS - 1)]])
    return Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE)


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _shrink(axes: Axes, place: Bbox, share: float) -> None:
    """Draw axes in the middle of their place, with so much of its sides; lines on them shrink along."""
    width, height = place.width * share, place.height * share
    axes.set_position((place.x0 + (place.width - width) / 2, place.y0 + (place.height - height) / 2, width, height))
