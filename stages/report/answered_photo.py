"""The picture of an answer: the photo with its crop on it, what the network sees, and the most probable species."""

import io
from pathlib import Path

import numpy as np
import simplejpeg
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from stages.answering.asking import Answer
from stages.answering.photo import Photo
from stages.answering.wording import as_probability, said_of
from stages.images.crop import Square
from stages.report.page import Page
from stages.runtime.outputs import write_bytes

CROP_COLOR, SEEN_COLOR = (
    "#D55E00",
    "#0072B2",
)  # of Okabe and Ito (2008): told apart by those who do not see red or green
_DARK, _GRAY, _PALE = "#343a40", "#5c636a", "#e9ecef"
PHOTO_PX = 560  # the longer side of the photo in the picture

# In pixels.
_MARGIN, _GAP, _RIGHT = 20, 24, 400
_SEEN, _BAR, _ROW = 168, 12, 38
_WIDTH = 2 * _MARGIN + PHOTO_PX + _GAP + _RIGHT
_HEAD, _FOOT = 34, 30
_LEAST = _HEAD + 48 + 5 * _ROW + _SEEN + 40
_LEVEL_COLORS = {"species": "black", "genus": _DARK, "nothing": _DARK}


def draw_answer(shown: bytes, photo: Photo, answer: Answer, path: Path, *, name: str) -> None:
    """Write the picture to ``path`` (JPEG, as most of it is a photo), whole or not at all.

    Args:
        shown: a JPEG of the whole photo, upright, at any size.
        photo: as the network saw it.
        answer: what the model says of it.
        path: of the picture.
        name: of the photo.
    """
    canvas = FigureCanvasAgg(lay_out(shown, photo, answer, name=name))
    canvas.draw()
    buffer = io.BytesIO()
    rgb = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    Image.fromarray(rgb).save(buffer, "JPEG", quality=90, subsampling=0)  # thin lines keep their colors
    write_bytes(path, buffer.getvalue())


def lay_out(shown: bytes, photo: Photo, answer: Answer, *, name: str) -> Figure:
    """Draw what ``draw_answer`` writes."""
    pixels = simplejpeg.decode_jpeg(shown)
    scale = PHOTO_PX / max(photo.width, photo.height)
    width, height = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    page = Page(_WIDTH, _MARGIN + max(_HEAD + height, _LEAST) + _FOOT)
    page.write(name, _MARGIN, _MARGIN + 14, PHOTO_PX, size=11, color=_GRAY)
    left, top = _MARGIN + (PHOTO_PX - width) // 2, _MARGIN + _HEAD
    page.picture(pixels, left, top, width, height)
    for square, color in ((photo.square, CROP_COLOR), (photo.seen, SEEN_COLOR)):
        _frame(page, square, scale, left, top, color)
    _write_answer(page, photo, answer)
    note = "This is what a model takes it for. Do not rely on it for food or medicine."
    page.write(note, _MARGIN, page_height(page) - 14, _WIDTH - 2 * _MARGIN, size=9.5, color=_GRAY)
    return page.figure


def page_height(page: Page) -> float:
    """Give the height of a page in pixels."""
    return float(page.figure.bbox.height)


def _frame(page: Page, square: Square, scale: float, left: float, top: float, color: str) -> None:
    x, y, side = left + square.x * scale, top + square.y * scale, square.side * scale
    page.box(x + 1.8, y + 1.8, side - 3.6, side - 3.6, edge="white", face=None)  # shows on any photo
    page.box(x, y, side, side, edge=color, face=None)


def _write_answer(page: Page, photo: Photo, answer: Answer) -> None:
    x, top = _MARGIN + PHOTO_PX + _GAP, _MARGIN
    first, _, more = said_of(answer).partition("; ")
    page.write(first, x, top + 18, _RIGHT, size=16, weight="bold", color=_LEVEL_COLORS[answer.level])
    if more:
        page.write(more, x, top + 40, _RIGHT, size=11, color=_DARK)
    top += 48 + 14
    number = 48
    for species, probability in answer.species:
        page.write(species, x, top + 12, _RIGHT - number - 8, size=11.5, style="italic")
        page.write(as_probability(probability), x + _RIGHT, top + 12, number, size=11.5, align="right")
        page.box(x, top + 18, _RIGHT, _BAR, edge=None, face=_PALE)
        page.box(x, top + 18, max(1.0, _RIGHT * probability), _BAR, edge=None, face=_GRAY)
        top += _ROW
    top += 14
    page.picture(photo.pixels, x, top, _SEEN, _SEEN)
    page.box(x, top, _SEEN, _SEEN, edge=SEEN_COLOR, face=None)
    beside = x + _SEEN + 14
    how = "the crop" if photo.square.how in ("smart", "center") else f"the crop ({photo.square.how}: the middle)"
    for place, (line, color) in enumerate(
        ((f"orange: {how}", CROP_COLOR), ("blue: what of it the network sees,", SEEN_COLOR),
         (f"here in its {len(photo.pixels)} px", SEEN_COLOR))
    ):  # fmt: skip
        page.write(line, beside, top + 16 + 18 * place, _RIGHT - _SEEN - 14, size=10.5, color=color)
