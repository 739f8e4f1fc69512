"""Photos as they come to a model: in their order, some at a time, and whatever becomes of some of them."""

import io
from collections.abc import Iterator
from functools import partial
from itertools import count, islice

import numpy as np
import pytest
from PIL import Image

from stages.answering.cropped import crop_photo
from stages.answering.photo_files import Source, find_photos
from stages.answering.preparing import prepare_photos, shown_whole, surviving_map
from stages.runtime.parallel import ITEMS_A_WORKER
from stages.tables.preprocessing import Preprocessing
from tests.support.image_server import image, image_server
from tests.support.pictures import encoded, exif_jpeg, jpeg, picture
from tests.support.saved import RECIPE
from tests.support.work import each_or_die

PREPROCESSING = Preprocessing.model_validate({"model_sha256": "0" * 64, **RECIPE})


@pytest.fixture
def folder(tmp_path):
    """Twenty photos, some of which are none."""
    for number in range(20):
        (tmp_path / f"{number:02}.jpg").write_bytes(jpeg(picture(60 + number, 50, number)))
    (tmp_path / "03.jpg").write_bytes(b"")
    (tmp_path / "11.jpg").write_bytes(jpeg(picture())[:-500])
    (tmp_path / "12.txt").write_bytes(b"about these photos")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_they_come_in_their_order_and_one_that_is_broken_stops_nothing(folder, workers):
    with image_server() as server:
        address = server.script("/a.jpg", image(jpeg(picture(200, 100))))
        sources = find_photos([str(folder), address, str(folder / "none.jpg")]).sources
        photos = list(prepare_photos(sources, PREPROCESSING, workers=workers))
    assert [photo.source for photo in photos] == sources
    assert {photo.source.name.rpartition("/")[2]: photo.trouble for photo in photos if photo.trouble} == {
        "03.jpg": "empty",
        "11.jpg": "not_an_image",
        "none.jpg": "missing",
    }
    assert [photo.source.name[-6:] for photo in photos if not photo.is_photo] == ["12.txt"]
    for photo in photos:
        assert (photo.cropped is not None) == (photo.is_photo and not photo.trouble)
        assert bool(photo.message) == bool(photo.trouble)
        if photo.cropped and photo.source.path:
            alone = crop_photo(photo.source.path.read_bytes(), PREPROCESSING)
            assert np.array_equal(photo.cropped.pixels, alone.pixels)
            assert (photo.cropped.square.x, photo.cropped.sha256) == (alone.square.x, alone.sha256)
            assert photo.shown == b""


def test_no_more_are_read_than_processes_can_be_busy_with():
    taken = count()

    def sources() -> Iterator[list[int]]:
        for _ in range(1000):
            next(taken)
            yield [1, 2]

    results = surviving_map(partial(each_or_die, poison=-1), sources(), died=int, workers=2)
    assert list(islice(results, 3)) == [[1, 2]] * 3
    results.close()  # type: ignore[attr-defined]
    assert next(taken) <= 3 + 2 * ITEMS_A_WORKER


def test_an_item_of_which_processes_die_costs_no_other_its_result():
    tasks = [list(range(start, start + 3)) for start in range(0, 20, 3)]
    results = surviving_map(partial(each_or_die, poison=4), tasks, died=lambda item: -item, workers=2)
    assert list(results) == [[-item if item == 4 else item for item in task] for task in tasks]


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (jpeg(picture(1000, 500)), (300, 150)), (jpeg(picture(100, 50)), (100, 50)),
        (exif_jpeg(picture(1000, 500), 6), (150, 300)), (encoded(picture(500, 1000), "PNG"), (150, 300)),
        (encoded(picture(640, 320), "JPEG", "CMYK"), (300, 150)),
    ],
)  # fmt: skip
def test_the_whole_photo_comes_along_upright_and_small(data, size):
    with Image.open(io.BytesIO(shown_whole(data, 300))) as image_shown:
        assert (image_shown.format, image_shown.size, image_shown.mode) == ("JPEG", size, "RGB")


def test_the_whole_photo_comes_where_it_was_asked_for(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(picture(400, 200)))
    [photo] = prepare_photos([Source("a", tmp_path / "a.jpg")], PREPROCESSING, shown_px=100)
    with Image.open(io.BytesIO(photo.shown)) as shown:
        assert shown.size == (100, 50)
