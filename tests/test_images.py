"""Decoding shows what a person would see, and only whole images with something on them are sound."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from stages.images.decode import DecodeError, decode_grey, decode_rgb, read_header, reduction, shown_size
from stages.images.verdict import judge
from tests.conftest import encoded, jpeg, picture


def exif_jpeg(pixels: np.ndarray, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_shown_upright(orientation):
    data = exif_jpeg(picture(96, 64), orientation)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
    found = decode_rgb(data).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 1


def test_an_orientation_that_does_not_exist_is_taken_as_upright():
    assert decode_rgb(exif_jpeg(picture(96, 64), 77)).shape == (64, 96, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_of_every_colour_space_become_rgb(mode):
    data = encoded(picture(), "JPEG", mode, quality=95)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(decode_rgb(data).astype(int) - expected).mean() < 2.5


@pytest.mark.parametrize(
    ("file_format", "mode"), [("PNG", "RGB"), ("PNG", "P"), ("WEBP", "RGB"), ("GIF", "P"), ("BMP", "RGB")]
)
def test_other_formats_decode_too(file_format, mode):
    assert decode_rgb(encoded(picture(), file_format, mode)).shape == (120, 160, 3)


@pytest.mark.parametrize("file_format", ["EPS", "PCX", "PPM", "ICNS"])
def test_formats_that_no_photo_has_are_no_images(file_format):
    data = encoded(picture(64, 64), file_format)
    with pytest.raises(DecodeError):
        read_header(data)
    with pytest.raises(DecodeError):
        decode_rgb(data)


@pytest.mark.parametrize("file_format", ["TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_other_formats_are_turned_once(file_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(96, 64), file_format, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    found = decode_rgb(data)
    assert np.array_equal(found, expected)
    assert shown_size(*read_header(data)) == found.shape[1::-1]


def test_grey_of_16_bits_is_scaled_not_cut_off():
    grey = np.asarray(Image.fromarray(picture()).convert("L"))
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 257).save(buffer, "PNG")
    assert np.abs(decode_rgb(buffer.getvalue())[..., 0].astype(int) - grey).max() <= 1


def test_what_is_transparent_is_shown_on_white():
    pixels = np.zeros((40, 40, 4), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    assert (decode_rgb(buffer.getvalue()) == 255).all()


@pytest.mark.parametrize(
    ("side", "wanted", "factor"), [(1536, 448, 2), (1536, 800, 1), (4096, 448, 8), (300, 448, 1), (448, 448, 1)]
)
def test_a_reduced_decode_never_goes_below_what_is_wanted(side, wanted, factor):
    assert reduction(side, wanted) == factor


def test_a_reduced_decode_looks_like_a_full_one():
    data = jpeg(picture(1600, 1200), 92)
    reduced = decode_rgb(data, min_side_px=500)
    assert reduced.shape == (600, 800, 3)
    full = np.asarray(Image.fromarray(decode_rgb(data)).resize((800, 600), Image.Resampling.BOX)).astype(float)
    psnr = 10 * np.log10(255**2 / np.mean((reduced - full) ** 2))
    assert psnr > 38
    assert decode_grey(data, min_side_px=64).shape == (150, 200)


WHOLE = jpeg(picture())


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (WHOLE, "sound"),
        (encoded(picture(), "JPEG", "CMYK"), "sound"),
        (encoded(picture(), "JPEG", "L"), "sound"),
        (encoded(picture(), "PNG"), "sound"),
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "not_an_image"),
        (b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>', "not_an_image"),
        (b"\xff\xd8\xff", "not_an_image"),
        (WHOLE[: len(WHOLE) // 2], "truncated"),
        (WHOLE[:-2], "truncated"),
        (WHOLE[: len(WHOLE) // 2] + bytes(len(WHOLE) - len(WHOLE) // 2), "truncated"),
        (encoded(picture(), "PNG")[:-200], "truncated"),
        (jpeg(picture(16, 16)), "too_small"),
        (jpeg(picture(400, 63)), "too_small"),
        (jpeg(np.zeros((120, 160, 3), np.uint8)), "blank"),
        (jpeg(np.full((120, 160, 3), 255, np.uint8)), "blank"),
    ],
)
def test_the_verdict_on_each_kind_of_file(params, data, verdict):
    assert judge(data, params.inventory).verdict == verdict


def test_a_judgement_knows_size_and_digest(params):
    judgement = judge(exif_jpeg(picture(160, 120), 6), params.inventory)
    assert (judgement.width, judgement.height) == (120, 160)
    assert len(judgement.sha256) == 64


def test_a_bomb_is_refused_by_its_header(params):
    """30,000 x 30,000 pixels in a few bytes: judged without decoding."""
    header = bytearray(WHOLE)
    start = header.index(b"\xff\xc0") + 5
    header[start : start + 4] = (30_000).to_bytes(2, "big") * 2
    assert judge(bytes(header), params.inventory).verdict == "too_large"


def test_what_is_no_image_raises_one_error():
    for data in (b"", b"text", WHOLE[:30]):
        with pytest.raises(DecodeError):
            decode_rgb(data)
