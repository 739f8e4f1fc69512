"""Text becomes as wide as its place at the most, and tells what it can."""

import warnings

from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from stages.report.fitting import fit, renderer_of, shortened

FIGURE = Figure(figsize=(4, 1), dpi=72)
RENDERER = renderer_of(FIGURE)


def fitted(line: str, width: float) -> tuple[str, float, float]:
    """What is written in such a width, its size and its real width."""
    text = FIGURE.text(0, 0, line)
    said = fit(text, width, RENDERER, size_pt=11)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a glyph that is missing, a warning on stderr would come
        real = text.get_window_extent(RENDERER).width if text.get_text() else 0.0
    assert said == real
    text.remove()
    return text.get_text(), float(text.get_fontsize()), real


def test_what_fits_stays_and_what_does_not_shrinks_before_it_is_cut():
    assert fitted("Rosa canina", 200)[:2] == ("Rosa canina", 11)
    line, size, _ = fitted("Rosa canina", 55)
    assert (line, size < 11) == ("Rosa canina", True)
    line, size, width = fitted("Rosa canina subsp. andegavensis", 100)
    assert size == 8
    assert line.startswith("Rosa can")
    assert line.endswith("gavensis")
    assert "…" in line
    assert 80 < width <= 100


@given(st.text(max_size=300), st.floats(20, 500))
def test_no_text_is_wider_than_its_place(line, width):
    assert fitted(line, width)[2] <= width


def test_what_the_font_lacks_and_what_breaks_lines_is_a_dot():
    assert fitted("薔薇 $x_1$\na", 300)[0] == "·· $x_1$·a"


@given(st.text("abc", max_size=20), st.integers(0, 25))
def test_shortened_keeps_both_ends(text, letters):
    short = shortened(text, letters)
    if letters >= len(text):
        assert short == text
    else:
        first, last = short.split("…")
        assert text.startswith(first) and text.endswith(last)
        assert len(first) + len(last) == letters
        assert 0 <= len(first) - len(last) <= 1
