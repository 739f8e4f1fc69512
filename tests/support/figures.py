"""Where texts and pictures stand on a drawn figure."""

import itertools

from matplotlib.figure import Figure
from matplotlib.text import Text

from stages.report.fitting import renderer_of

# Of all letters that the font has, the one that stands highest and the one that reaches lowest.
HIGH_AND_LOW = "\u1eb2\u06b8"

SMALLEST = 8  # pixels: what is smaller cannot be read

Place = tuple[str, float, float, float, float]  # what, and its left, lower, right and upper edge in pixels


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def written(figure: Figure) -> list[Place]:
    renderer = renderer_of(figure)
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    return [(text.get_text(), *text.get_window_extent(renderer).extents) for text in found if text.get_visible()]


def pictures(figure: Figure) -> list[Place]:
    renderer = renderer_of(figure)
    return [("picture", *axes.get_window_extent(renderer).extents) for axes in figure.axes]


def assert_nothing_touches(figure: Figure, places: list[Place]) -> None:
    """Each is on the page, and none touches another."""
    width, height = figure.get_size_inches() * figure.dpi
    for name, left, lower, right, upper in places:
        assert left >= 0 and lower >= 0 and right <= width and upper <= height, f"{name!r} leaves the page"
    for one, other in itertools.combinations(places, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, f"{one[0]!r} touches {other[0]!r}"


def assert_can_be_read(figure: Figure) -> None:
    """No text is too small, at the picture's own size."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip():
            size = text.get_fontsize() * figure.dpi / 72
            assert size >= SMALLEST, f"{text.get_text()!r} has {size:.1f} px"
