"""The crop finds the plant wherever it stands, and says why where it does not."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stages.images.crop import best_square, cut, find_crop, level_of
from tests.support.crops import SMART, flower, kept


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (800, 400), (500, 500)])
@pytest.mark.parametrize("corner", ["left top", "right bottom", "middle"])
def test_it_keeps_a_flower_wherever_it_stands(width, height, corner):
    x, y = {"left top": (80, 80), "right bottom": (width - 80, height - 80), "middle": (width // 2, height // 2)}[
        corner
    ]
    square = find_crop(flower(width, height, x, y, 60), SMART)
    assert square.how == "smart"
    assert kept(square, x, y, 60) > 0.98
    assert square.saliency > 0.3


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_nothing_to_see_means_a_center_crop_with_the_reason(gray):
    square = find_crop(np.full((300, 400, 3), gray, np.uint8), SMART)
    assert square.how == "flat"
    assert (square.x, square.y, square.side) == (50, 0, 300)


def noise(low: int, high: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (120, 160)).astype(np.uint8)


@pytest.mark.parametrize(
    ("saliency", "reason"),
    [
        (np.zeros((120, 160), np.uint8), "flat"),
        (noise(120, 140), "flat"),
        (np.where(noise(0, 10) < 7, 250, 0).astype(np.uint8), "everywhere"),
        (np.where(np.indices((120, 160)).sum(0) % 40 < 12, 250, 0).astype(np.uint8), "unsure"),
    ],
)
def test_a_map_that_is_no_use_is_named(saliency, reason):
    # Without the bell around the middle, so that nothing but the map decides.
    square = best_square(saliency, 1600, 1200, SMART.model_copy(update={"center_sigma": 100.0, "min_gain": 0.05}))
    assert square.how == reason
    assert (square.x, square.y, square.side) == (200, 0, 1200)


def test_the_margin_makes_the_square_larger_as_far_as_the_image_goes():
    pixels = flower(640, 480, 60, 60, 30)
    tight, wide = (find_crop(pixels, SMART.model_copy(update={"margin": margin})) for margin in (1.0, 1.2))
    assert wide.side == round(1.2 * tight.side)
    assert (wide.x, wide.y) == (0, 0)


def test_of_two_equal_things_the_crop_takes_the_one_near_the_middle():
    pixels = flower(1200, 480, 560, 240, 40)
    cv2.circle(pixels, (1140, 420), 40, (215, 30, 60), -1)
    square = find_crop(pixels, SMART)
    assert kept(square, 560, 240, 40) == 1
    assert kept(square, 1140, 420, 40) == 0


@given(st.integers(0, 99), st.floats(0, 0.99))
def test_a_level_is_the_quantile_by_the_histogram(seed, share):
    saliency = np.random.default_rng(seed).integers(0, 256, (20, 30)).astype(np.uint8)
    level = level_of(saliency, share)
    # A share may be nearer to a count of pixels than floats can tell.
    assert (saliency <= level).mean() >= share - 1e-12
    assert (saliency < level).mean() <= share + 1e-12


def test_center_mode_asks_for_no_map():
    square = find_crop(flower(640, 480, 60, 60, 50), SMART.model_copy(update={"mode": "center"}))
    assert (square.x, square.y, square.side, square.how) == (80, 0, 480, "center")
    assert math.isnan(square.saliency)


maps = st.builds(
    lambda h, w, seed, peak: np.clip(
        np.random.default_rng(seed).integers(0, 30, (h, w)) + peak * (np.indices((h, w)).sum(0) < 30), 0, 255
    ).astype(np.uint8),
    st.integers(8, 100), st.integers(8, 100), st.integers(0, 99), st.integers(0, 255),
)  # fmt: skip


@given(maps, st.integers(1, 40))
def test_the_square_lies_in_the_image_whatever_the_map(saliency, zoom):
    height, width = saliency.shape[0] * zoom, saliency.shape[1] * zoom
    square = best_square(saliency, width, height, SMART)
    assert 0 <= square.x <= square.x + square.side <= width
    assert 0 <= square.y <= square.y + square.side <= height
    assert square.side >= 1


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (2, 2), (20, 4000), (64, 64), (64, 33000)])
def test_odd_sizes_make_no_trouble(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    square = find_crop(pixels, SMART)
    assert cut(pixels, square, 32).shape == (32, 32, 3)


@given(
    st.integers(20, 128), st.integers(20, 128), st.floats(0.1, 0.6), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from([(1, -1), (-1, 1), (-1, -1)]),
)  # fmt: skip
def test_a_mirrored_map_has_the_mirrored_square(height, width, size, down, across, steps):
    """A square that holds the whole of a plant does so in many places: it is the one around it, not the first."""
    side = max(3, round(size * min(height, width)))
    saliency = np.zeros((height, width), np.uint8)
    top, left = round(down * (height - side)), round(across * (width - side))
    saliency[top : top + side, left : left + side] = 255
    one = best_square(saliency, width, height, SMART)
    other = best_square(np.ascontiguousarray(saliency[:: steps[0], :: steps[1]]), width, height, SMART)
    assume(other.how == one.how)  # by rounding, one of them may just not be worth it
    assert abs(other.side - one.side) <= 1
    for place, back, step, edge in ((one.x, other.x, steps[1], width), (one.y, other.y, steps[0], height)):
        assert abs((back if step > 0 else edge - back - other.side) - place) <= 2


def test_a_square_that_holds_all_lies_around_it():
    saliency = np.zeros((90, 120), np.uint8)
    saliency[30:50, 60:80] = 255
    square = best_square(saliency, 120, 90, SMART)
    assert (square.x + square.side / 2, square.y + square.side / 2) == pytest.approx((70, 40), abs=2)
