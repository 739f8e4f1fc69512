"""The map is bright where a plant is, by each of its cues, and dark where there is nothing to see."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.images.saliency import map_of, read_cues, saliency_map
from tests.support.crops import SMART, flower
from tests.support.pictures import picture

WIDTH, HEIGHT = 256, 192
# Where things are put: rows and columns of a square of 40 px, right above the middle.
THING = np.s_[50:90, 150:190]


def meadow(seed: int = 0, *, detail: float = 8.0) -> np.ndarray:
    """Dull green with some detail; uint8 [HEIGHT, WIDTH, 3]."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal((70, 110, 60), detail, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


def stands_out(cue: np.ndarray) -> float:
    """By how much the mean of a cue in the thing's place is above that of all other places."""
    scaled = cv2.resize(cue, (WIDTH, HEIGHT))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[THING] = True
    return float(scaled[inside].mean() - scaled[~inside].mean())


def test_what_is_cut_off_from_the_frame_by_its_color_is_surrounded():
    pixels = meadow()
    pixels[THING] = (200, 60, 60)
    reaching = meadow()
    reaching[50:90, 150:] = (200, 60, 60)  # the same, but it goes on to the frame's edge
    assert stands_out(read_cues(pixels, 128).surrounded) > 1
    assert stands_out(read_cues(reaching, 128).surrounded) < 0.5 * stands_out(read_cues(pixels, 128).surrounded)


def test_a_color_that_is_found_all_over_is_spread_and_another_is_compact():
    pixels = meadow()
    pixels[::40, :] = (60, 60, 200)
    pixels[20:50, 20:50] = pixels[140:170, 200:230] = pixels[150:180, 30:60] = (60, 60, 200)
    pixels[THING] = (220, 200, 40)
    spread = read_cues(pixels, 128).spread
    assert stands_out(-spread) > 0.5
    blue = cv2.resize(spread, (WIDTH, HEIGHT))[25:45, 25:45].mean()
    assert blue > cv2.resize(spread, (WIDTH, HEIGHT))[THING].mean() + 0.5


@pytest.mark.parametrize(("behind", "before"), [(2.0, 40.0), (40.0, 2.0)])
def test_finer_and_coarser_detail_than_around_are_texture(behind, before):
    pixels = meadow(detail=behind)
    pixels[THING] = meadow(1, detail=before)[THING]
    assert stands_out(read_cues(pixels, 256).texture) > 0.5


def test_each_cue_counts_by_its_weight_and_none_at_0():
    pixels = flower(640, 480, 500, 100, 50)
    for name in ("surrounded", "compact", "texture", "residual"):
        alone = {one: float(one == name) for one in type(SMART.cues).model_fields}
        params, no_other = (
            SMART.model_copy(update={"cues": SMART.cues.model_copy(update=alone | {name: weight})})
            for weight in (1.0, 0.0)
        )
        assert np.ptp(saliency_map(pixels, params)) > 50, name
        assert np.ptp(saliency_map(pixels, no_other)) == 0


def test_the_map_is_brightest_on_the_flower():
    for x, y in ((500, 100), (320, 240), (90, 400)):
        saliency = saliency_map(flower(640, 480, x, y, 40), SMART)
        at_y, at_x = np.unravel_index(np.argmax(saliency), saliency.shape)
        assert np.hypot(at_x * 640 / saliency.shape[1] - x, at_y * 480 / saliency.shape[0] - y) < 60


@pytest.mark.parametrize("gray", [0, 1, 127, 128, 254, 255])
def test_an_even_area_of_any_brightness_is_dark_all_over(gray):
    assert saliency_map(np.full((300, 400, 3), gray, np.uint8), SMART).max() < 10


@pytest.mark.parametrize("size", [(1024, 512), (100, 50), (64, 33), (40, 4000), (1, 1), (1, 500), (2, 3)])
@pytest.mark.parametrize("thumbnail_px", [64, 128, 300])
def test_the_map_is_whole_numbers_of_the_thumbnails_size(size, thumbnail_px):
    saliency = saliency_map(picture(*size), SMART.model_copy(update={"thumbnail_px": thumbnail_px}))
    scale = min(1.0, thumbnail_px / max(size))
    assert saliency.dtype == np.uint8
    assert saliency.shape == tuple(max(1, round(side * scale)) for side in reversed(size))


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_whatever_the_pixels_the_cues_are_numbers(pixels):
    cues = read_cues(pixels, 64)
    assert all(np.isfinite(cue).all() and cue.shape == pixels.shape[:2] for cue in cues)
    assert map_of(cues, SMART).dtype == np.uint8


def test_a_mirrored_image_has_the_mirrored_map():
    pixels = flower(640, 480, 500, 100, 50)
    saliency, mirrored = (saliency_map(np.ascontiguousarray(one), SMART) for one in (pixels, pixels[:, ::-1]))
    assert np.abs(saliency.astype(int) - mirrored[:, ::-1]).mean() < 3
