"""The crop finds what stands out, says when it cannot, and never leaves the image."""

import math

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.compare_crops import Measured, draw_rows, overlap, summarise
from stages.images.crop import FALLBACKS, Square, best_square, center_crop, cut, find_crop, saliency_map
from stages.images.prepare import decode_and_crop
from stages.params import Crop
from tests.conftest import ROOT, jpeg, picture

SMART = Crop(mode="smart", thumbnail_px=256, scales=[1.0, 0.8, 0.6], area_price=0.5, min_gain=0.03, min_contrast=24.0)


def flower(width: int, height: int, x: int, y: int, radius: int) -> np.ndarray:
    """A red disc on a dull meadow."""
    rng = np.random.default_rng(3)
    pixels = np.clip(rng.normal((70, 110, 60), 8, (height, width, 3)), 0, 255).astype(np.uint8)
    cv2.circle(pixels, (x, y), radius, (215, 30, 60), -1)
    return pixels


def kept(square: Square, x: int, y: int, radius: int) -> float:
    return overlap((x - radius, y - radius, 2 * radius, 2 * radius), square) / (2 * radius) ** 2


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (800, 400), (500, 500)])
@pytest.mark.parametrize("corner", ["left top", "right bottom", "middle"])
def test_it_keeps_a_flower_wherever_it_stands(width, height, corner):
    x, y = {"left top": (80, 80), "right bottom": (width - 80, height - 80), "middle": (width // 2, height // 2)}[
        corner
    ]
    square = find_crop(flower(width, height, x, y, 60), SMART)
    assert square.how == "smart"
    assert kept(square, x, y, 60) > 0.98
    assert square.saliency > kept(center_crop(width, height), x, y, 60) - 1


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_nothing_to_see_means_a_centre_crop_with_the_reason(grey):
    square = find_crop(np.full((300, 400, 3), grey, np.uint8), SMART)
    assert square.how in FALLBACKS
    assert (square.x, square.y, square.side) == (50, 0, 300)


def test_a_map_that_is_bright_everywhere_is_diffuse():
    saliency = np.random.default_rng(0).integers(100, 256, (120, 160)).astype(np.uint8)
    assert best_square(saliency, 1600, 1200, SMART).how == "diffuse"


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


def test_the_map_is_whole_numbers_of_the_thumbnails_size():
    saliency = saliency_map(picture(1024, 512), 256)
    assert (saliency.dtype, saliency.shape) == (np.uint8, (128, 256))


def test_a_reduced_decode_finds_the_same_place():
    pixels = flower(2048, 1536, 1500, 400, 250)
    data = jpeg(pixels, 92)
    reduced, square = decode_and_crop(data, SMART, 224)
    assert reduced.shape[:2] == (384, 512)
    full = find_crop(pixels, SMART)
    found = square.scaled(4)
    assert max(abs(found.x - full.x), abs(found.y - full.y), abs(found.side - full.side)) <= 40


def test_the_smallest_crop_is_not_enlarged_where_pixels_are_there():
    data = jpeg(picture(2048, 1536))
    pixels, _ = decode_and_crop(data, SMART, 448)
    assert min(pixels.shape[:2]) * min(SMART.scales) >= 448


def test_figures_of_a_comparison():
    smart = Square(0, 0, 10, "smart", 0.9)
    fell_back = Square(0, 0, 10, "diffuse", 0.4)
    center = Square(10, 10, 10, "center", 0.3)
    measured = {"a": Measured(smart, center), "b": Measured(fell_back, center)}
    figures = summarise(measured, {"a": (5, 5, 10, 10)})
    assert figures["fallback_share"] == 0.5
    assert figures["fallbacks"] == {"flat": 0, "diffuse": 1}
    assert figures["smart"]["subject_kept"] == figures["center"]["subject_kept"] == 0.25
    assert figures["smart"]["subject_share_of_crop"] == 0.25
    assert figures["smart"]["subject_missed_share"] == 1.0
    assert figures["center"]["saliency_kept"] == pytest.approx(0.3)
    assert "subject_kept" not in summarise(measured, {})["smart"]


@given(st.permutations(range(8)))
def test_the_drawn_order_does_not_depend_on_the_order_of_the_rows(order):
    rows = pl.DataFrame({"image_name": [f"{number}.jpg" for number in order]})
    expected = draw_rows(rows.sort("image_name"), 1)["image_name"].to_list()
    assert draw_rows(rows, 1)["image_name"].to_list() == expected


def test_on_the_sample_smart_crop_keeps_at_least_as_much_of_the_plants():
    import json

    figures = json.loads((ROOT / "metrics/crops.json").read_text(encoding="utf-8"))
    assert figures["images_with_true_box"] == figures["images"] > 300
    assert figures["smart"]["subject_kept"] >= figures["center"]["subject_kept"]
    assert figures["smart"]["subject_share_of_crop"] > figures["center"]["subject_share_of_crop"]
