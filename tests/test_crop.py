"""The crop finds what stands out, says when it cannot, and never leaves the image."""

import math
from dataclasses import replace

import cv2
import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.compare_crops import choose_shown, draw_rows
from stages.config.schema import Crop
from stages.evaluation.crops import Measured, describe, kept_curves, overlap, summarize, tabulate
from stages.images.crop import Square, best_square, cut, find_crop, level_of, saliency_map
from stages.images.decode import decode_rgb, read_header, shown_size
from stages.images.prepare import decode_and_crop
from tests.conftest import ROOT, exif_jpeg, jpeg, picture

CROP = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["crop"]
SMART = Crop(**CROP | {"mode": "smart"})


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
    assert square.saliency > 0.3


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_nothing_to_see_means_a_center_crop_with_the_reason(gray):
    square = find_crop(np.full((300, 400, 3), gray, np.uint8), SMART)
    assert square.how == "black"
    assert (square.x, square.y, square.side) == (50, 0, 300)


def noise(low: int, high: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (120, 160)).astype(np.uint8)


@pytest.mark.parametrize(
    ("saliency", "reason"),
    [
        (np.zeros((120, 160), np.uint8), "black"),
        (noise(120, 140), "flat"),
        (np.where(noise(0, 10) < 7, 250, 0).astype(np.uint8), "everywhere"),
        (np.where(np.indices((120, 160)).sum(0) % 40 < 12, 250, 0).astype(np.uint8), "diffuse"),
    ],
)
def test_a_map_that_is_no_use_is_named(saliency, reason):
    # Without the bell around the middle, so that nothing but the map decides.
    square = best_square(saliency, 1600, 1200, SMART.model_copy(update={"center_sigma": 100.0, "min_gain": 0.05}))
    assert square.how == reason
    assert (square.x, square.y, square.side) == (200, 0, 1200)


def test_the_margin_makes_the_square_larger_as_far_as_the_image_goes():
    pixels = flower(640, 480, 60, 60, 30)
    tight, wide = (find_crop(pixels, SMART.model_copy(update={"margin": margin})) for margin in (1.0, 1.35))
    assert wide.side == round(1.35 * tight.side)
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
    assert (saliency <= level).mean() >= share
    assert (saliency < level).mean() <= share


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
    saliency = saliency_map(picture(1024, 512), SMART)
    assert (saliency.dtype, saliency.shape) == (np.uint8, (128, 256))


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
    in_reduced = find_crop(decode_rgb(data, factor=2), SMART)
    assert in_reduced.side < 448 + 100
    prepared = decode_and_crop(data, SMART, 700)
    assert (prepared.pixels.shape[:2], prepared.factor) == ((1536, 2048), 1)
    assert prepared.square.side >= 700
    assert kept(prepared.square, 1700, 300, 100) == 1


@given(
    st.sampled_from([(2048, 1365), (1365, 2048), (901, 1200), (1599, 1067), (3001, 2003)]),
    st.sampled_from([224, 256, 384, 448]),
    st.integers(1, 8),
    st.sampled_from(["smart", "center"]),
)
@settings(max_examples=30, deadline=None)
def test_a_square_of_a_reduced_image_is_in_the_image(size, size_px, orientation, mode):
    """Odd sides, on which the decoder rounds up, and images laid on their side among them."""
    data = exif_jpeg(picture(*size), orientation)
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


def measured(how: str, *, held: float = 0.9) -> Measured:
    return Measured(Square(0, 0, 10, how, held), Square(10, 10, 10, "center", 0.3), 100, 80)


def test_figures_of_a_comparison():
    table = tabulate({"a": measured("smart"), "b": measured("diffuse", held=0.4)}, {"a": (5, 5, 10, 10)})
    figures = summarize(table)
    assert figures["fallback_share"] == 0.5
    assert figures["fallbacks"] == {"black": 0, "flat": 0, "everywhere": 0, "diffuse": 1}
    assert figures["images_with_true_box"] == 1
    assert figures["smart"]["subject_kept"] == figures["center"]["subject_kept"] == 0.25
    assert figures["smart"]["subject_share_of_crop"] == 0.25
    assert figures["smart"]["subject_missed_share"] == 1.0
    assert figures["center"]["saliency_kept"] == pytest.approx(0.3)
    assert figures["by"]["position"] == {"off center": {"images": 1, "smart": 0.25, "center": 0.25}}
    assert "subject_kept" not in summarize(tabulate({"b": measured("smart")}, {}))["smart"]


def test_curves_fall_from_all_images_to_those_kept_whole():
    table = tabulate({"a": measured("smart"), "b": measured("smart")}, {"a": (5, 5, 10, 10), "b": (0, 0, 5, 5)})
    curve = kept_curves(table).filter(pl.col("crop") == "smart")
    shares = dict(curve.select("kept", "share_of_images").iter_rows())
    assert (shares[0.0], shares[0.24], shares[0.26], shares[1.0]) == (1.0, 1.0, 0.5, 0.5)
    # Where no box is known, of the saliency.
    unknown = kept_curves(tabulate({"a": measured("smart", held=0.7)}, {}))
    assert dict(unknown.filter(pl.col("crop") == "smart").select("kept", "share_of_images").iter_rows())[0.7] == 1.0


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((40, 30, 20, 20), ("4:3", "centered", "medium")),
        ((0, 0, 10, 10), ("4:3", "off center", "small")),
        ((20, 10, 60, 60), ("4:3", "centered", "large")),
    ],
)
def test_a_subject_is_described_in_words(box, words):
    assert tuple(describe(box, 100, 80).values()) == words
    assert describe(box, 200, 80)["frame"] == "wide"
    assert describe(box, 80, 100)["frame"] == "tall"


def test_what_is_shown_is_of_each_species_once_then_the_worst_and_what_fell_back(params):
    names = [f"{number}.jpg" for number in range(6)]
    rows = pl.DataFrame({"image_name": names, "sha256": names, "species": list("AABBCC")})
    hows = ["smart", "smart", "smart", "flat", "smart", "smart"]
    held = [0.9, 0.1, 0.9, 0.8, 0.9, 0.7]
    crops = {name: measured(how, held=share) for name, how, share in zip(names, hows, held, strict=True)}
    wanted = params.compare_crops.model_copy(update={"picture_images": 2, "worst_images": 1, "fallback_images": 3})
    shown = choose_shown(rows, tabulate(crops, {}), wanted)
    assert shown.select("image_name", "why").rows() == [
        ("0.jpg", ""), ("2.jpg", ""), ("1.jpg", "least kept"), ("3.jpg", "fell back"),
    ]  # fmt: skip


@given(st.permutations(range(8)))
def test_the_drawn_order_does_not_depend_on_the_order_of_the_rows(order):
    rows = pl.DataFrame({"image_name": [f"{number}.jpg" for number in order]})
    expected = draw_rows(rows.sort("image_name"), 1)["image_name"].to_list()
    assert draw_rows(rows, 1)["image_name"].to_list() == expected
