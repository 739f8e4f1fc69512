"""What is done to a training image in the loader is a pure function of its generator."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.augment import augment, cut_resized, rand_augment
from tests.support.tiny_training import PLAIN, RICH


@given(st.integers(0, 999), st.sampled_from([PLAIN, RICH]), st.integers(16, 64))
def test_an_image_is_a_pure_function_of_its_generator(seed, augmentation, side):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    random.seed(seed)  # whatever the global generators hold
    one, other = (np.full((side, side, 3), fill, np.uint8) for fill in (1, 2))
    for out in (one, other):
        augment(pixels, augmentation, np.random.default_rng(seed), out)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("magnitude", [1, 5, 9, 10])
def test_randaugment_works_at_any_magnitude(magnitude):
    """Also where noise takes it to the end of its scale, at which Pillow refuses to posterize to no bits at all."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    changed = [rand_augment(pixels, magnitude, np.random.default_rng(seed)) for seed in range(300)]
    assert all((one.shape, one.dtype) == ((48, 48, 3), np.uint8) for one in changed)
    assert sum(np.array_equal(one, pixels) for one in changed) < 250


def test_half_of_the_images_are_mirrored_and_nothing_else_happens_to_them():
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    out, mirrored = np.empty_like(pixels), 0
    for seed in range(100):
        augment(pixels, PLAIN, np.random.default_rng(seed), out)
        mirrored += np.array_equal(out, pixels[:, ::-1])
        assert np.array_equal(out, pixels) or np.array_equal(out, pixels[:, ::-1])
    assert 35 < mirrored < 65


def test_a_resized_part_has_the_area_and_shape_that_are_asked_for():
    """Told by a picture whose colors are its coordinates."""
    ys, xs = np.mgrid[0:200, 0:200]
    pixels = np.stack([xs, ys, np.zeros_like(xs)], axis=2).astype(np.uint8)
    areas = []
    for seed in range(200):
        part = cut_resized(pixels, 100, RICH, np.random.default_rng(seed)).astype(float)
        width, height = (np.ptp(part[..., channel]) + 1 for channel in (0, 1))
        assert 0.7 < width / height < 1.43
        areas.append(width * height / 40_000)
    assert min(areas) > 0.3
    assert np.mean(areas) == pytest.approx(0.65, abs=0.05)
