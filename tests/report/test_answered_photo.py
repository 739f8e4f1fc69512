"""The picture of an answer: the crop lies where it was taken, and each line fits."""

import io

import numpy as np
import pytest
from PIL import Image

from stages.answering.asking import Answer, Level
from stages.answering.photo import Photo
from stages.images.crop import Square
from stages.report.answered_photo import CROP_COLOR, PHOTO_PX, SEEN_COLOR, draw_answer, lay_out
from tests.support.pictures import jpeg

LONG = "Pseudopodospermum " + "longissimum" * 8


def photo(width: int, height: int, square: Square) -> Photo:
    inset = max(1, square.side // 16)
    seen = Square(square.x + inset, square.y + inset, square.side - 2 * inset, square.how, 0.0)
    return Photo(np.full((224, 224, 3), 90, np.uint8), square, seen, width, height, "a" * 64)


def answer(level: Level = "genus", first: str = "Rosa canina") -> Answer:
    return Answer(level, ((first, 0.6), ("Rosa arvensis", 0.39), ("Acer rubrum", 0.001)), "Rosa", 0.99, (3.0, 2.0, 0.0))


def near(pixels: np.ndarray, color: str) -> tuple[np.ndarray, np.ndarray]:
    wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return np.nonzero(np.abs(pixels.astype(int) - wanted).max(2) < 40)


@pytest.mark.parametrize(("width", "height"), [(2000, 1000), (1000, 2000), (640, 640), (40, 30)])
def test_the_crop_is_drawn_where_it_lies(tmp_path, width, height):
    side = min(width, height) // 2
    square = Square(width - side, height - side, side, "smart", 0.0)
    shown = jpeg(np.full((height // 2, width // 2, 3), 128, np.uint8))
    draw_answer(shown, photo(width, height, square), answer(), tmp_path / "new/a.jpg", name="a.jpg")
    with Image.open(tmp_path / "new/a.jpg") as image:
        assert image.format == "JPEG"
        drawn = np.asarray(image)
    of_photo = drawn[:, : PHOTO_PX + 30]
    rows, columns = near(of_photo, CROP_COLOR)
    scale = PHOTO_PX / max(width, height)
    inner_rows, inner_columns = near(of_photo, SEEN_COLOR)
    assert np.ptp(rows) == pytest.approx(side * scale, abs=5)
    assert np.ptp(columns) == pytest.approx(side * scale, abs=5)
    assert rows.min() < inner_rows.min() <= inner_rows.max() < rows.max()
    assert columns.min() < inner_columns.min() <= inner_columns.max() < columns.max()
    gray = np.abs(of_photo.astype(int) - 128).max(2) < 4
    lowest = np.flatnonzero(gray.sum(1) > 20).max()  # not of texts
    rightmost = np.flatnonzero(gray.sum(0) > 20).max()
    assert rows.max() == pytest.approx(lowest, abs=5)  # the photo's lower right corner is the crop's
    assert columns.max() == pytest.approx(rightmost, abs=5)


@pytest.mark.parametrize("level", ["species", "genus", "nothing"])
@pytest.mark.parametrize(
    ("name", "first"), [("a.jpg", "Rosa canina"), ("/a/very/long" * 30 + "\n\x1b.jpg", LONG), ("$x$", "$a_b$ é")]
)
def test_each_line_fits_the_page_and_no_two_are_drawn_over_each_other(level, name, first):
    square = Square(0, 0, 100, "unsure", 0.0)
    figure = lay_out(jpeg(np.zeros((80, 100, 3), np.uint8)), photo(125, 100, square), answer(level, first), name=name)
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_a_picture_that_cannot_be_drawn_leaves_the_one_before(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=r"."):
        draw_answer(b"no image", photo(10, 10, Square(0, 0, 10, "center", 0.0)), answer(), path, name="a")
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["a.jpg"]


def test_bars_are_as_long_as_probabilities(tmp_path):
    square = Square(0, 0, 100, "center", 0.0)
    draw_answer(jpeg(np.zeros((80, 100, 3), np.uint8)), photo(125, 100, square), answer(), tmp_path / "a.jpg", name="a")
    with Image.open(io.BytesIO((tmp_path / "a.jpg").read_bytes())) as image:
        drawn = np.asarray(image.convert("L")).astype(int)
    right = drawn[:, PHOTO_PX + 40 :]
    lengths = sorted({int(run) for run in ((np.abs(right - 0x62) < 12).sum(1)) if run > 100}, reverse=True)
    assert lengths[0] == pytest.approx(0.6 * 400, abs=6)
    assert any(abs(length - 0.39 * 400) < 6 for length in lengths)
