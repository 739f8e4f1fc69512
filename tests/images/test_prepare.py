"""A crop of a reduced decode is where, and what, a crop of the original would be."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.images.crop import cut, find_crop
from stages.images.decode import decode_rgb, read_header, shown_size
from stages.images.prepare import decode_and_crop
from tests.support.crops import SMART, flower, kept
from tests.support.examples import at_most
from tests.support.pictures import exif_jpeg, jpeg, picture


def test_a_reduced_decode_finds_the_same_place():
    pixels = flower(2048, 1536, 1500, 500, 350)
    data = jpeg(pixels, 92)
    prepared = decode_and_crop(data, SMART, 150)
    assert (prepared.pixels.shape[:2], prepared.factor) == ((384, 512), 4)
    full = find_crop(pixels, SMART)
    found = prepared.in_original(prepared.square)
    assert max(abs(found.x - full.x), abs(found.y - full.y), abs(found.side - full.side)) <= 40


def test_a_small_crop_is_decoded_with_the_pixels_that_it_has():
    pixels = flower(2048, 1536, 1700, 300, 100)
    data = jpeg(pixels, 92)
    close = SMART.model_copy(update={"margin": 1.2, "area_price": 0.3})
    in_reduced = find_crop(decode_rgb(data, factor=2), close)
    assert in_reduced.side < 448 + 100
    prepared = decode_and_crop(data, close, 700)
    assert (prepared.pixels.shape[:2], prepared.factor) == ((1536, 2048), 1)
    assert prepared.square.side >= 700
    assert kept(prepared.square, 1700, 300, 100) == 1


@cache
def odd_photo(size: tuple[int, int], orientation: int) -> bytes:
    return exif_jpeg(picture(*size), orientation)


@given(
    st.sampled_from([(2048, 1365), (1365, 2048), (901, 1200), (1599, 1067), (3001, 2003)]),
    st.sampled_from([224, 256, 384, 448]),
    st.integers(1, 8),
    st.sampled_from(["smart", "center"]),
)
@at_most(30)  # of several megapixels each
def test_a_square_of_a_reduced_image_is_in_the_image(size, size_px, orientation, mode):
    """Odd sides, on which the decoder rounds up, and images laid on their side among them."""
    data = odd_photo(size, orientation)
    params = SMART.model_copy(update={"mode": mode})
    prepared = decode_and_crop(data, params, size_px)
    width, height = shown_size(*read_header(data))
    assert prepared.pixels.shape[:2] == (height // prepared.factor, width // prepared.factor)
    assert prepared.square.side >= size_px or prepared.factor == 1
    whole = prepared.in_original(prepared.square)
    assert 0 <= whole.x <= whole.x + whole.side <= width
    assert 0 <= whole.y <= whole.y + whole.side <= height


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size_px", [90, 200, 400])
def test_what_is_cut_is_what_stands_at_its_place_in_the_original(orientation, size_px):
    """Sides that no factor divides: what is left over of them is at another edge of an image that is turned."""
    data = exif_jpeg(flower(1607, 1205, 1100, 400, 220), orientation)
    full = decode_rgb(data)
    prepared = decode_and_crop(data, SMART, size_px)
    place = prepared.in_original(prepared.square)
    shown = cut(prepared.pixels, prepared.square, size_px).astype(float)

    moves = [(dx, dy) for dx in (-2, 0, 2) for dy in (-2, 0, 2)]
    places = [replace(place, x=place.x + dx, y=place.y + dy) for dx, dy in moves]
    inside = [one for one in places if min(one.x, one.y) >= 0]
    assert len(inside) > 3
    assert min(inside, key=lambda one: np.square(cut(full, one, size_px) - shown).mean()) == place
