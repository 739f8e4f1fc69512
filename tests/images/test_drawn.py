"""What was drawn is told from what was photographed, at any size and quality, and plants on plain ground pass."""

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.images.drawn import banding, flatness, level_peaks
from stages.images.measure import measure
from stages.images.verdict import DRAWN
from stages.tables.inventory import MEASURES
from tests.support.no_photos import drawing, on_ground, page
from tests.support.pictures import encoded, jpeg, picture


def drawn(data: bytes) -> float:
    measured = vars(measure(data, max_megapixels=200))
    return pl.DataFrame([{name: measured[name] for name in MEASURES}], schema=MEASURES).select(DRAWN).item()


@pytest.mark.parametrize("kind", ["white", "gray", "black", "lit"])
@pytest.mark.parametrize("side", [128, 240, 600])
@pytest.mark.parametrize("quality", [60, 80, 95])
def test_a_plant_on_plain_ground_passes(params, kind, side, quality):
    pixels = cv2.resize(on_ground(kind), (side, side), interpolation=cv2.INTER_AREA)
    assert drawn(jpeg(pixels, quality)) < params.inventory.max_drawn
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    assert drawn(encoded(gray, "JPEG", "L", quality=quality)) < params.inventory.max_drawn


@pytest.mark.parametrize("make", [drawing, page])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("quality", [60, 80, 95])
def test_drawings_and_pages_do_not(params, make, factor, quality):
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    pixels = cv2.resize(make(), None, fx=factor, fy=factor, interpolation=method)
    assert drawn(jpeg(pixels, quality)) > params.inventory.max_drawn


def test_a_page_and_its_scan_do_not(params):
    rng = np.random.default_rng(1)
    scan = cv2.GaussianBlur(page(), (0, 0), 0.8) * np.linspace(0.8, 0.95, 500)[None, :, None]
    scan = np.clip(scan + rng.normal(0, 3, scan.shape), 0, 255).astype(np.uint8)
    assert drawn(jpeg(scan)) > params.inventory.max_drawn


def test_the_sample_of_a_texture_passes(params):
    assert drawn(jpeg(picture(640, 480))) < params.inventory.max_drawn


def test_banding_is_of_lines_and_not_of_a_horizon():
    lines = np.tile(np.repeat([250, 40], 2)[:, None], (32, 200)).astype(np.float32)
    horizon = np.full((128, 200), 200, np.float32)
    horizon[70:] = 60
    assert banding(lines) > 0.9
    assert banding(lines.T.copy()) == pytest.approx(banding(lines))
    assert banding(horizon) < 0.04
    assert banding(np.full((128, 200), 7, np.float32)) == 0


def test_one_level_stands_out_and_a_smooth_histogram_does_not():
    one, even, curve = np.zeros(256), np.full(256, 1 / 256), np.exp(-(((np.arange(256) - 128) / 30) ** 2))
    one[200] = 1
    assert level_peaks(one) == pytest.approx(7 / 9)
    assert level_peaks(even) == 0
    assert level_peaks(curve / curve.sum()) == 0


@pytest.mark.parametrize("quality", [8, 10, 20, 30, 40, 50])
@pytest.mark.parametrize("side", [240, 500, 1100])
def test_a_photo_of_a_low_quality_passes_and_a_drawing_does_not(params, side, quality):
    """Its levels come in steps: 17 of 40 photos at a quality of 20 were no photos by that."""
    photo = cv2.GaussianBlur(picture(side * 4 // 3, side, 5), (0, 0), side / 60)  # smooth, so that blocks are even
    assert drawn(jpeg(photo, quality)) < params.inventory.max_drawn - 0.1
    assert drawn(jpeg(cv2.resize(drawing(), None, fx=side / 500, fy=side / 500), quality)) > params.inventory.max_drawn


def test_flat_is_what_lies_inside_objects():
    ground = np.full((100, 100), 255, np.float32)
    assert flatness(ground, 255) == 1
    square = ground.copy()
    square[20:80, 20:80] = 90
    assert flatness(square, 255) == 1
    textured = square.copy()
    textured[20:80, 20:80] += 8 * (np.indices((60, 60)).sum(axis=0) % 2)
    assert flatness(textured, 255) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 130), st.integers(1, 130))
def test_measures_are_in_their_ranges_for_any_pixels(seed, height, width):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, rng.integers(1, 257), (height, width)).astype(np.uint8)
    shares = np.bincount(gray.ravel(), minlength=256) / gray.size
    assert 0 <= banding(gray.astype(np.float32)) < 5
    assert 0 <= level_peaks(shares) <= 1
    assert 0 <= flatness(gray.astype(np.float32), int(gray[0, 0])) <= 1
