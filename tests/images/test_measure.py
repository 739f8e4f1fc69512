"""A file is measured once, and a verdict follows from its measures by the limits."""

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.config.schema import Inventory
from stages.images.decode import DecodeError, decode_rgb
from stages.images.measure import DECODED, measure, perceptual_hash
from stages.images.similar import MIRROR
from stages.images.verdict import BROKEN, UNSUITABLE, VERDICTS, verdict_on
from tests.support.no_photos import card, cut_off, drawing, page
from tests.support.pictures import encoded, exif_jpeg, jpeg, picture


def test_measures_of_what_is_no_image_are_null():
    measured = measure(b"<html>", max_megapixels=1)
    assert (measured.state, measured.gray_std, measured.phash) == ("not_an_image", None, None)


WHOLE = jpeg(picture())


def blurred(sigma_share: float) -> np.ndarray:
    """A picture out of focus: blurred by a share of its short side."""
    pixels = picture(640, 480)
    return cv2.GaussianBlur(pixels, (0, 0), sigma_share * 480)


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
        (jpeg(picture(700, 160)), "extreme_aspect"),
        (jpeg(picture(160, 700)), "extreme_aspect"),
        (jpeg(picture(620, 160)), "sound"),
        (jpeg(card()), "nearly_blank"),
        (jpeg(drawing()), "not_a_photo"),
        (jpeg(page()), "not_a_photo"),
        (jpeg(cut_off((128, 128, 128), 0.6)), "cut_and_saved_again"),
        (jpeg(blurred(1 / 20)), "too_blurred"),
        (jpeg(blurred(1 / 200)), "sound"),
    ],
)
def test_the_verdict_on_each_kind_of_file(params, data, verdict):
    limits = params.inventory
    assert verdict_on(measure(data, max_megapixels=limits.max_megapixels), limits) == verdict
    assert verdict in VERDICTS


def test_a_measurement_knows_size_and_digest():
    measured = measure(exif_jpeg(picture(160, 120), 6), max_megapixels=200)
    assert measured.state == DECODED
    assert (measured.width, measured.height) == (120, 160)
    assert measured.sha256 == hashlib.sha256(exif_jpeg(picture(160, 120), 6)).hexdigest()
    assert len(measured.phash) == 32


def test_what_is_measured_of_a_picture_of_two_even_halves():
    halves = np.zeros((128, 256), np.uint8)
    halves[:, 128:] = 200
    measured = measure(encoded(halves, "PNG", "L"), max_megapixels=200)
    assert (measured.gray_std, measured.even_share, measured.filled_share) == (100.0, 0.5, 0.5)
    # One column of edges of 200 levels to either side, in 256: sqrt(2 * 200**2 / 256) / 100.
    assert measured.sharpness == pytest.approx(0.177, abs=0.001)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(1, 40))
def test_measures_of_any_two_levels_are_in_their_ranges(one, other, share):
    gray = np.full((100, 128), one, np.uint8)
    gray[:share] = other
    measured = measure(encoded(gray, "PNG", "L"), max_megapixels=200)
    assert measured.gray_std == pytest.approx(float(gray.std()), abs=0.001)
    assert 0 <= measured.flatness <= 1
    assert 0 < measured.level_peaks <= 1
    assert measured.even_share == (1.0 if abs(one - other) <= 16 else round(1 - share / 100, 3))


def test_sharpness_is_that_of_the_picture_not_of_its_size_or_contrast():
    pixels = picture(1600, 1200)
    measures = [
        measure(encoded(changed, "PNG"), max_megapixels=200).sharpness
        for changed in (pixels, cv2.resize(pixels, (800, 600), interpolation=cv2.INTER_AREA), pixels // 2 + 60)
    ]
    assert max(measures) < 1.1 * min(measures)


def test_a_hash_hardly_changes_with_encoding_and_size_and_is_another_for_another_picture():
    pixels = picture(640, 480, seed=1)
    hashes = [
        measure(data, max_megapixels=200).phash
        for data in (
            jpeg(pixels, 95),
            jpeg(pixels, 40),
            jpeg(cv2.resize(pixels, (320, 240), interpolation=cv2.INTER_AREA)),
            exif_jpeg(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE), 6),
            jpeg(picture(640, 480, seed=2)),
        )
    ]
    distances = [(int.from_bytes(hashes[0], "big") ^ int.from_bytes(other, "big")).bit_count() for other in hashes]
    assert distances[0] == 0
    assert max(distances[:4]) <= 16
    assert distances[4] > 60


def test_the_mirrored_hash_is_a_matter_of_bits():
    gray = np.asarray(Image.fromarray(picture(640, 480)).convert("L"))
    hashes = [np.frombuffer(perceptual_hash(one), np.uint8) for one in (gray, np.ascontiguousarray(gray[:, ::-1]))]
    assert int(np.unpackbits(hashes[0] ^ hashes[1]).sum()) > 60
    assert int(np.unpackbits(hashes[0] ^ hashes[1] ^ MIRROR).sum()) <= 16


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        ("min_side_px", 4000, "too_small"),
        ("max_megapixels", 1, "too_large"),
        ("max_aspect", 1.2, "extreme_aspect"),
        ("blank_std", 120.0, "blank"),
        ("max_even_share", 0.05, "nearly_blank"),
        ("max_drawn", 0.05, "not_a_photo"),
        ("min_sharpness", 3.0, "too_blurred"),
    ],
)
def test_each_limit_gives_its_verdict_without_another_look(params, key, value, verdict):
    measured = measure(jpeg(picture(1600, 1200)), max_megapixels=200)
    assert verdict_on(measured, params.inventory) == "sound"
    limits = Inventory(**params.inventory.model_dump() | {key: value})
    assert verdict_on(measured, limits) == verdict


def test_verdicts_are_of_two_kinds():
    assert set(VERDICTS) == {"sound", *BROKEN, *UNSUITABLE}
    assert not set(BROKEN) & set(UNSUITABLE)


def test_a_bomb_is_refused_by_its_header(params):
    """30,000 x 30,000 pixels in a few bytes: judged without decoding."""
    header = bytearray(WHOLE)
    start = header.index(b"\xff\xc0") + 5
    header[start : start + 4] = (30_000).to_bytes(2, "big") * 2
    measured = measure(bytes(header), max_megapixels=params.inventory.max_megapixels)
    assert (measured.state, measured.width, measured.gray_std) == ("not_decoded", 30_000, None)
    assert verdict_on(measured, params.inventory) == "too_large"


def test_what_is_no_image_raises_one_error():
    for data in (b"", b"text", WHOLE[:30]):
        with pytest.raises(DecodeError):
            decode_rgb(data)
