"""What a decoder filled in is found after the file was saved again; plain ground, frames and dark photos are not it."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from stages.images.filled import filled_share
from stages.images.measure import measure
from tests.support.no_photos import cut_off, on_ground
from tests.support.pictures import exif_jpeg, jpeg, picture

FILLS = {"gray": (128, 128, 128), "black": (0, 0, 0), "green": (0, 135, 0), "green of zeros": (0, 136, 0)}


def found(data: bytes) -> float:
    return measure(data, max_megapixels=200).filled_share


@pytest.mark.parametrize("color", FILLS.values(), ids=FILLS.keys())
@pytest.mark.parametrize("share", [0.2, 0.6, 0.85])
@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("scale", [0.5, 0.7, 0.9, 1.0])
def test_a_cut_file_saved_again_is_found(params, color, share, quality, scale):
    pixels = cv2.resize(cut_off(color, share), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert found(jpeg(pixels, quality)) == pytest.approx(share, abs=0.06)
    assert found(jpeg(pixels, quality)) > params.inventory.max_filled_share


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_what_libjpeg_makes_of_a_cut_file_is_found(monkeypatch, params, share):
    whole = jpeg(picture(640, 480, seed=4))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with Image.open(io.BytesIO(whole[: int(len(whole) * (1 - share))] + b"\xff\xd9")) as image:
        filled = np.asarray(image.convert("RGB"))
    assert found(jpeg(filled)) > params.inventory.max_filled_share


@pytest.mark.parametrize(("turns", "orientation"), [(1, 8), (3, 6)])
def test_it_is_found_in_an_image_that_was_turned_upright(turns, orientation):
    pixels = cut_off((128, 128, 128), 0.5)
    assert found(jpeg(np.ascontiguousarray(np.rot90(pixels, turns)))) == pytest.approx(0.5, abs=0.06)
    assert found(exif_jpeg(pixels, orientation)) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("color", [(255, 255, 255), (120, 170, 230), (0, 0, 0)])
def test_a_sky_of_one_color_is_no_missing_part(color):
    """Overexposed or cloudless, it begins at a flat horizon all at once."""
    pixels = picture(640, 480, seed=5)
    pixels[:220] = color
    assert found(jpeg(pixels)) == 0


@pytest.mark.parametrize("turns", range(4))
def test_overexposed_ground_is_no_missing_part(turns):
    pixels = cut_off((255, 255, 255), 0.5)
    assert found(jpeg(np.ascontiguousarray(np.rot90(pixels, turns)))) == 0


@pytest.mark.parametrize("kind", ["white", "gray", "black", "lit"])
@pytest.mark.parametrize("lift", [0, 0.3, 0.6])
def test_a_plant_on_plain_ground_is_whole(kind, lift):
    """Also on ground that is one level to the bit, where it ends far above the lower edge."""
    pixels = on_ground(kind)
    below = np.repeat(pixels[-1:], int(lift * 600 / (1 - lift)), axis=0)
    assert found(jpeg(np.concatenate([pixels, below]))) < 0.02


def test_a_frame_a_sky_and_a_dark_photo_are_whole():
    framed = cv2.copyMakeBorder(picture(400, 300), 60, 60, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    sky = np.linspace(255, 120, 480)[:, None, None] * np.ones((1, 640, 3))
    sky[300:] = picture(640, 180)
    night = (picture(640, 480) * np.linspace(1, 0, 480)[:, None, None]).astype(np.uint8)
    for pixels in (framed, sky.astype(np.uint8), night):
        assert found(jpeg(np.ascontiguousarray(pixels))) < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (64, 3), (3, 64), (70, 70)])
def test_an_image_of_one_color_is_none_of_it(shape):
    assert filled_share(np.full((*shape, 3), 128, np.uint8)) == 0
