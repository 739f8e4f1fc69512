"""Folds share no family, intervals cover, and a fit finds the cue that tells where the plants are."""

import itertools

import numpy as np
import pytest

from benchmarks.crop_fitting import CHOICES, LEAST_SHARE, MOST_WORSE, Kept, Seen, choose, crop_all, fit_weights
from benchmarks.crop_photos import Photo
from benchmarks.crops import Cells, together
from sample.compose import ALL_FRAMES, draw_scene, take_photo
from sample.families import BACKGROUNDS
from stages.images.saliency import Cues, read_cues
from tests.support.crops import SMART, flower

FAMILIES, PLACES = ("flowers", "fruit", "mushrooms"), ("sky", "grass")


def photos(a_cell: int = 6) -> list[Photo]:
    return [
        Photo(b"", (0, 0, 1, 1), family, place, f"{family}{number % 3}", f"{place}{number % 2}")
        for number in range(a_cell)
        for family, place in itertools.product(FAMILIES, PLACES)
    ]


def kept(smart: np.ndarray, center: np.ndarray, share: float = 1.4) -> Kept:
    ones = np.ones(len(smart))
    return Kept(smart, center, share * ones, ones, 0 * ones, 0.1 * ones, ones, 0 * ones)


def test_what_is_measured_on_a_cell_saw_neither_of_its_families():
    cells = Cells(photos())
    assert len(cells.members) == len(FAMILIES) * len(PLACES)
    for cell, (family, place) in enumerate(cells.names):
        seen = {(one.family, one.place) for one, used in zip(cells.photos, cells.others(cell), strict=True) if used}
        assert seen == set(itertools.product(set(FAMILIES) - {family}, set(PLACES) - {place}))


def test_cells_put_together_stand_in_the_order_of_the_photos():
    cells = Cells(photos())
    whole = kept(np.arange(len(cells.photos)) / 100, np.zeros(len(cells.photos)))
    parts = [whole.of(members) for members in cells.members]
    assert together(parts, cells).smart.tolist() == whole.smart.tolist()


def test_each_cell_counts_as_much_and_what_is_no_number_does_not():
    cells = Cells(photos()[:-3])
    values = np.array([float(one.place == "sky") for one in cells.photos])
    assert cells.mean(values) == 0.5
    values[0] = np.nan
    assert cells.mean(values) == 0.5


def test_an_interval_is_as_wide_as_the_subjects_differ_and_not_as_the_photos_are_many():
    """A thousand photos of a subject say no more of the next subject than one does."""
    few, many = Cells(photos(6)), Cells(photos(60))
    widths = []
    for cells in (few, many):
        values = np.array([float(one.subject.endswith("0")) for one in cells.photos])
        low, high = cells.interval(values)
        assert low < cells.mean(values) < high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0], rel=0.3)


def test_weights_go_to_the_cue_that_tells_where_the_plant_is():
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(60):
        x, y = int(rng.integers(0, 60)), int(rng.integers(0, 40))
        telling = np.full((60, 80), -3.0, np.float32)
        telling[y : y + 20, x : x + 20] = 0
        noise = (rng.normal(-1.5, 1, (60, 80)).astype(np.float32) for _ in range(3))
        seen.append(Seen(Cues(telling, *noise), 800, 600, (10 * x, 10 * y, 200, 200)))
    weights = fit_weights(seen)
    assert weights.surrounded > 1 > 5 * max(weights.compact, weights.texture, weights.residual)
    assert fit_weights(seen, without="surrounded").surrounded == 0


def test_a_choice_keeps_to_its_limits_before_it_keeps_more():
    center = np.full(100, 0.9)
    best, sly = np.full(100, 0.99), np.full(100, 1.0)
    sly[: int(100 * MOST_WORSE) + 2] = 0.5
    small = kept(sly, center), kept(np.ones(100), center, share=LEAST_SHARE - 0.1), kept(best, center)
    measured = [kept(np.full(100, 0.8), center) for _ in CHOICES]
    measured[:3] = small
    assert choose(measured, np.ones(100, bool)) == 2


def test_crops_are_held_against_their_boxes():
    pixels = flower(640, 480, 520, 240, 60)
    box = (460, 180, 120, 120)
    measured = crop_all([Seen(read_cues(pixels, 128), 640, 480, box)], SMART)
    assert measured.smart[0] == 1
    assert measured.center[0] == pytest.approx(100 / 120)
    assert (measured.off[0], measured.better[0], measured.worse[0], measured.missed[0]) == (1, 1, 0, 0)
    assert measured.size[0] == pytest.approx(120**2 / (640 * 480))


def test_a_composed_photo_is_of_the_frame_and_size_that_was_asked_for():
    cutout = np.dstack([np.full((200, 150, 3), (200, 30, 30), np.uint8), np.full((200, 150), 255, np.uint8)])
    background = np.full((1000, 1600, 3), (40, 160, 40), np.uint8)
    sizes, shapes = [], set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scene = draw_scene(cutout, background, rng, least_blur_px=0.0)
        photo = take_photo(scene, rng, largest=0.95, frames=ALL_FRAMES, small_as_often=True, most_alike=0.6)
        height, width = photo.pixels.shape[:2]
        x, y, w, h = photo.box
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
        sizes.append(max(w, h) / min(width, height))
        shapes.add(round(width / height, 1))
    assert min(sizes) < 0.15
    assert max(sizes) > 0.7
    assert len(shapes) == len({round(width / height, 1) for width, height, _ in ALL_FRAMES.values()})


def test_parts_of_backgrounds_are_parts():
    for photos_of_a_place in BACKGROUNDS.values():
        assert all(
            0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in photos_of_a_place.values()
        )
