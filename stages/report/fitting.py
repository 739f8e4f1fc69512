"""Text that fits where it is put: measured as it will be drawn, then made smaller, then shortened in its middle."""

import unicodedata
from functools import cache

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

ELLIPSIS = "…"
_UNKNOWN = "·"  # for what cannot be drawn
_STEP_PT = 0.5


def renderer_of(figure: Figure) -> RendererAgg:
    """Give what measures the texts of a figure, as ``save_png`` will draw them."""
    return FigureCanvasAgg(figure).get_renderer()


def fit(text: Text, width_px: float, renderer: RendererAgg, *, size_pt: float, smallest_pt: float = 8) -> float:
    """Make a line of text no wider than ``width_px``, and give its width in pixels.

    From ``size_pt`` it becomes smaller, to ``smallest_pt``; where that does not do, an ellipsis takes the place of its
    middle: both ends of a name tell more than its beginning. What the font has no glyph for stands as a dot.
    """
    text.set_parse_math(False)  # a name or a file's content is no formula, whatever it looks like
    whole = drawable(text.get_text(), findfont(text.get_fontproperties()))
    text.set_text(whole)
    text.set_fontsize(size_pt)
    while _width(text, renderer) > width_px and size_pt > smallest_pt:
        size_pt = max(size_pt - _STEP_PT, smallest_pt)
        text.set_fontsize(size_pt)
    if _width(text, renderer) > width_px:
        fits, too_long = 0, len(whole)
        while too_long - fits > 1:
            middle = (fits + too_long) // 2
            text.set_text(shortened(whole, middle))
            fits, too_long = (middle, too_long) if _width(text, renderer) <= width_px else (fits, middle)
        text.set_text(shortened(whole, fits))
    return _width(text, renderer)


def shortened(text: str, letters: int) -> str:
    """Give ``text`` with so many of its letters, those of both ends, and an ellipsis between them."""
    if letters >= len(text):
        return text
    end = letters // 2
    return f"{text[: letters - end].rstrip()}{ELLIPSIS}{text[len(text) - end :].lstrip()}"


def drawable(text: str, font: str) -> str:
    """Give ``text`` in a line, with a dot for each letter that the font, a file, cannot draw."""
    return "".join(letter if _has(font, letter) else _UNKNOWN for letter in unicodedata.normalize("NFC", text))


@cache
def _has(font: str, letter: str) -> bool:
    return letter.isprintable() and get_font(font).get_char_index(ord(letter)) != 0


def _width(text: Text, renderer: RendererAgg) -> float:
    return text.get_window_extent(renderer).width if text.get_text() else 0.0
