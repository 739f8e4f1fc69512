"""Training sees the same whatever the workers and processes, and every image as often as it should."""

import numpy as np
import pytest
import simplejpeg
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.data import EpochBatches, PackedImages, PackedLoader, divide, epoch_order, times_before
from stages.learning.device import Batch
from stages.learning.split import PackedSplit
from stages.runtime.errors import UserError
from tests.support.packed import open_split, write_split
from tests.support.tiny_training import PLAIN, RICH


def all_pixels(loader) -> list[Batch]:
    return list(loader)


def loader_of(images: PackedImages, step_images: int, *, seed: int | None = None, workers: int = 0) -> PackedLoader:
    batches = EpochBatches(images.packed.labels, step_images=step_images, micro_images=step_images, seed=seed)
    return PackedLoader(images, batches, workers=workers)


@pytest.fixture
def packed(tmp_path) -> PackedSplit:
    return write_split(tmp_path / "packed", "train", 30)


@pytest.mark.slow
@pytest.mark.parametrize("augmentation", [PLAIN, RICH])
def test_the_number_of_workers_changes_nothing(packed, augmentation):
    seen = {}
    for workers in (0, 2):
        images = PackedImages(packed, 48, augmentation, seed=5)
        loader = loader_of(images, 7, seed=5, workers=workers)
        batches = []
        for epoch in (0, 1):
            loader.batch_sampler.epoch = epoch
            batches += all_pixels(loader)
        seen[workers] = batches
    assert len(seen[0]) == len(seen[2]) == 10
    for here, there in zip(seen[0], seen[2], strict=True):
        assert torch.equal(here.pixels, there.pixels)
        assert torch.equal(here.jitter, there.jitter)
        assert torch.equal(here.labels, there.labels)


def test_an_epoch_is_a_pure_function_of_its_number(packed):
    images = PackedImages(packed, 48, RICH, seed=5)
    loader = loader_of(images, 30, seed=5)

    def epoch(number: int) -> Batch:
        loader.batch_sampler.epoch = number
        return next(iter(loader))

    late, first, late_again = epoch(7), epoch(0), epoch(7)
    assert torch.equal(late.pixels, late_again.pixels)
    assert not torch.equal(late.labels, first.labels)
    assert sorted(late.labels.tolist()) == sorted(packed.labels.tolist())


long_tailed = st.lists(st.integers(1, 60), min_size=2, max_size=12).map(
    lambda sizes: np.repeat(np.arange(len(sizes)), sizes)
)


@given(long_tailed, st.integers(0, 99), st.sampled_from(["natural", "square_root", "balanced"]))
def test_an_order_draws_as_many_images_and_each_before_one_again(labels, epoch, sampling):
    order = epoch_order(labels, 7, epoch, sampling)
    assert len(order) == len(labels)
    assert np.array_equal(order, epoch_order(labels, 7, epoch, sampling))
    times = np.bincount(order, minlength=len(labels))
    for label in np.unique(labels):
        of_class = times[labels == label]
        assert of_class.max() - of_class.min() <= 1
    if sampling == "natural":
        assert (times == 1).all()


@pytest.mark.parametrize(("sampling", "power"), [("natural", 1.0), ("square_root", 0.5), ("balanced", 0.0)])
def test_classes_are_drawn_as_often_as_they_should_be(sampling, power):
    sizes = np.array([1, 4, 100, 900])
    labels = np.repeat(np.arange(4), sizes)
    drawn = sum(np.bincount(labels[epoch_order(labels, 3, epoch, sampling)], minlength=4) for epoch in range(50))
    expected = 50 * len(labels) * sizes**power / (sizes**power).sum()
    assert np.allclose(drawn, expected, rtol=0.15, atol=4)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_an_image_that_comes_again_is_counted(drawn):
    order = np.array(drawn, dtype=np.int64)
    assert times_before(order).tolist() == [drawn[:place].count(image) for place, image in enumerate(drawn)]


def test_an_image_that_comes_again_looks_otherwise(packed):
    images = PackedImages(packed, 48, RICH, seed=5)
    batch = images.__getitems__([(0, 3, 0), (0, 3, 1), (0, 3, 0)])
    assert torch.equal(batch.pixels[0], batch.pixels[2])
    assert not torch.equal(batch.pixels[0], batch.pixels[1])


@given(st.integers(0, 3000), st.integers(1, 70), st.sampled_from([1, 2]))
def test_images_are_divided_evenly_and_none_is_left_alone(images, at_most, unit):
    sizes = divide(images, at_most, unit=unit)
    assert sum(sizes) == images
    assert all(1 <= size <= at_most for size in sizes)
    even = min(unit, at_most)
    assert all(size % even == 0 for size in sizes[:-1])
    whole, one_more = at_most - at_most % even, images % even and at_most % even
    assert not images or (
        whole * (len(sizes) - 1) + one_more < max(images, 2) and images <= whole * len(sizes) + one_more
    )
    assert max(sizes, default=0) - min(sizes, default=0) <= 2 * even - 1
    if at_most > 2 and images > 1:
        assert min(sizes) > 1


@pytest.mark.parametrize(
    ("images", "at_most", "unit", "sizes"),
    [
        (246, 7, 1, [7] * 30 + [6] * 6),
        (8, 7, 1, [4, 4]),
        (8, 4, 1, [4, 4]),
        (5, 4, 1, [3, 2]),
        (5, 4, 2, [2, 3]),
        (6, 3, 2, [2, 2, 2]),
        (5, 3, 2, [2, 3]),
        (3, 3, 2, [3]),
        (3, 2, 1, [2, 1]),  # there is no other way
        (0, 4, 1, []),
        (1, 4, 2, [1]),
    ],
)
def test_some_divisions(images, at_most, unit, sizes):
    assert divide(images, at_most, unit=unit) == sizes


@given(
    long_tailed, st.integers(1, 5), st.sampled_from([None, 4]), st.integers(1, 20), st.integers(1, 9), st.booleans(),
    st.data(),
)  # fmt: skip
def test_several_processes_see_every_image_once(labels, processes, seed, step_images, micro_images, pairs, data):
    def parts(start: int) -> list[EpochBatches]:
        made = []
        for process in range(processes):
            batches = EpochBatches(
                labels, step_images=step_images, micro_images=micro_images, seed=seed, pairs=pairs, process=process,
                processes=processes,
            )  # fmt: skip
            batches.start = start
            made.append(batches)
        return made

    first = parts(0)[0]
    start = data.draw(st.integers(0, first.steps))
    everything = [[key for batch in part for key in batch] for part in parts(0)]
    left = [list(part) for part in parts(start)]
    assert sorted(index for part in everything for _, index, _ in part) == list(range(len(labels)))
    done = sum(map(first.images_in, range(start)))
    order = epoch_order(labels, seed, 0)[done:]
    assert sorted(index for part in left for batch in part for _, index, _ in batch) == sorted(order.tolist())
    for part, batches in zip(parts(start), left, strict=True):
        assert len(part) == len(batches) == sum(map(part.micro_batches_in, range(start, part.steps)))
        assert all(1 <= len(batch) <= micro_images for batch in batches)
        assert [index for batch in batches for _, index, _ in batch] == part.indices().tolist()
    alone = any(len(batch) == 1 for part in parts(0) for batch in part)
    assert alone == first.leaves_one_alone()
    at = done
    for step in range(start, first.steps):
        together = [index for one in parts(0) for index in one.indices(step)]
        assert 1 <= len(together) == first.images_in(step) <= step_images
        assert together == epoch_order(labels, seed, 0)[at : at + len(together)].tolist()
        at += len(together)
        of_processes = [len(one.indices(step)) for one in parts(0)]
        assert len(together) < 2 or 1 not in of_processes


def test_validation_sees_every_image_once_in_order_from_the_middle(packed):
    loader = loader_of(PackedImages(packed, 48), 7)
    batches = all_pixels(loader)
    assert torch.cat([batch.labels for batch in batches]).tolist() == packed.labels.tolist()
    assert all(batch.jitter is None for batch in batches)
    whole = simplejpeg.decode_jpeg(packed.jpeg(0))
    assert np.array_equal(batches[0].pixels[0].numpy(), whole[8:56, 8:56])


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_damaged_packed_image_is_named(tmp_path, workers):
    split = write_split(tmp_path / "packed", "train", 3)
    for path in (tmp_path / "packed").glob("*.arrow"):
        path.write_bytes(path.read_bytes().replace(bytes(split.jpeg(1))[:4], b"none"))
    with pytest.raises(UserError, match=r"^the packed image train\d\.jpg is damaged [^\n]+$"):
        list(loader_of(PackedImages(open_split(tmp_path / "packed", "train"), 48), 3, workers=workers))
