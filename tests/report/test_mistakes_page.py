"""The pictures of mistakes: both names beside each photo, whose it is, and what is not shown."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.report import mistakes_page, pairs_page
from stages.report.mistakes_page import Mistake, percent
from stages.report.pairs_page import Pair, Photos
from tests.support.figures import (
    HIGH_AND_LOW,
    assert_can_be_read,
    assert_nothing_touches,
    pictures,
    texts,
    written,
)

LONG = "Pelargonium × hortorum subsp. longissimum var. quoddam f. incredibile cv. Abracadabra"
SQUARE = np.zeros((40, 40, 3), np.uint8)


def mistake(name: str = LONG) -> Mistake:
    return Mistake(SQUARE, name, 0.999, name, 0.0001, f"{name}, CC BY-SA")


@settings(max_examples=6)
@given(st.text(max_size=120), st.integers(0, 20))
@example(LONG, 60)
@example(HIGH_AND_LOW * 30, 7)
def test_no_caption_touches_another(name, number):
    figure = mistakes_page.lay_out([mistake(name)] * number, notes=[name, name])
    assert_nothing_touches(figure, written(figure) + pictures(figure))
    assert_can_be_read(figure)


@settings(max_examples=6)
@given(st.text(max_size=120), st.integers(0, 3), st.integers(1, 6))
@example(LONG, 5, 3)
@example(HIGH_AND_LOW * 30, 2, 2)
def test_no_caption_of_a_pair_touches_another(name, number, places):
    some = Photos(name, [SQUARE] * places, [[name, name]] * places)
    none = Photos(name, [], [], "1,234 photos, none that may be shown by its license")
    figure = pairs_page.lay_out([Pair(name, some, none, some)] * number, photos=places, notes=[name])
    assert_nothing_touches(figure, written(figure) + pictures(figure))
    assert_can_be_read(figure)


def test_a_mistake_has_both_names_with_their_probabilities_and_a_credit():
    figure = mistakes_page.lay_out(
        [Mistake(SQUARE, "Rosa gallica", 0.873, "Rosa canina", 0.02, "ann, CC BY")], notes=["1 of 9"]
    )
    assert {"1 of 9", "Rosa gallica", "87 %", "Rosa canina", "2 %", "ann, CC BY"} <= set(texts(figure))


def test_a_place_without_a_photo_says_why():
    none = Photos("train: Rosa gallica, 0 of 7 photos", [], [], "7 photos, none that may be shown")
    some = Photos("test: taken for Rosa gallica", [SQUARE], [["sure by 90 %", "ann, CC BY"]])
    said = texts(pairs_page.lay_out([Pair("Rosa canina → Rosa gallica", some, none, none)], photos=2, notes=[]))
    assert {"sure by 90 %", "ann, CC BY", "train: Rosa gallica, 0 of 7 photos"} <= set(said)
    assert "7 photos, none that" in said


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.0001, "<1 %"), (0.0049, "<1 %"), (0.005, "0 %"), (0.5, "50 %"), (0.994, "99 %"),
     (0.9951, ">99 %"), (1.0, "100 %")],
)  # fmt: skip
def test_what_is_nearly_sure_is_not_called_sure(probability, words):
    assert percent(probability) == words
