"""Of a broken file the part that is there is shown, and the rest is known to be missing."""

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from stages.images.decode import DecodeError, read_header
from stages.images.salvage import decode_part, look_at_large

rng = np.random.default_rng(5)
PHOTO = Image.fromarray(np.repeat(np.repeat(rng.integers(0, 256, (30, 40, 3), np.uint8), 10, 0), 10, 1))  # 400 x 300
KINDS = {
    "JPEG": ("RGB", {"format": "JPEG", "quality": 95, "subsampling": 0}),
    "gray JPEG": ("L", {"format": "JPEG", "quality": 95}),
    "PNG": ("RGB", {"format": "PNG"}),
    "PNG of a palette": ("P", {"format": "PNG"}),
    "PNG with transparency": ("RGBA", {"format": "PNG"}),
    "GIF": ("P", {"format": "GIF", "interlace": 0}),
    "BMP": ("RGB", {"format": "BMP"}),
    "TIFF": ("RGB", {"format": "TIFF"}),
}


def content(kind: str, **more) -> bytes:
    mode, options = KINDS[kind]
    stream = io.BytesIO()
    PHOTO.convert(mode).save(stream, **options | more)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.35, 0.8])
def test_the_part_that_is_there_is_shown_and_the_rest_is_missing(kind, share):
    whole = content(kind)
    pixels, missing = decode_part(whole[: int(share * len(whole))], 300)
    assert pixels.shape == (300, 400, 3)
    assert missing.shape == (300, 400)
    assert missing.mean() == pytest.approx(1 - share, abs=0.16)
    first, last = (missing[-60:], missing[:20]) if kind == "BMP" else (missing[:60], missing[-20:])
    assert not first.any()  # a BMP begins at the lower edge
    assert last.all()
    expected = np.asarray(PHOTO.convert(KINDS[kind][0]).convert("RGB")).astype(int)
    assert np.abs(pixels.astype(int) - expected)[~missing].mean() < 6


def test_a_progressive_jpeg_is_shown_in_coarse():
    whole = content("JPEG", progressive=True)
    pixels, missing = decode_part(whole[: len(whole) // 2], 300)
    expected = np.asarray(PHOTO).astype(int)
    assert missing.mean() < 0.1
    assert np.abs(pixels.astype(int) - expected).mean() < 40  # of two drawn colors it is 85


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_shown_as_the_whole_image_would_be(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    whole = content("JPEG", exif=exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(whole)))).astype(int)
    pixels, missing = decode_part(whole[: len(whole) * 6 // 10], 300)
    assert pixels.shape == expected.shape
    assert 0.2 < missing.mean() < 0.6
    assert np.abs(pixels.astype(int) - expected)[~missing].mean() < 2


def test_what_is_damaged_inside_lacks_nothing():
    damaged = bytearray(content("JPEG"))
    damaged[len(damaged) // 2 : len(damaged) // 2 + 50] = bytes(range(50))
    assert not decode_part(bytes(damaged), 300)[1].any()


@settings(max_examples=40)
@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1), st.binary(max_size=40))
def test_whatever_is_broken_is_shown_or_refused_and_nothing_else(kind, share, instead):
    whole = content(kind)
    broken = whole[: int(share * len(whole))] + instead
    try:
        width, height, _ = read_header(broken)
        assume(width * height < 1_000_000)  # as inventory.max_megapixels does
        pixels, missing = decode_part(broken, 64)
    except DecodeError:
        return
    assert pixels.shape == (*missing.shape, 3)
    assert pixels.dtype == np.uint8
    assert not missing.all()


@pytest.mark.parametrize(
    ("kind", "more", "limit", "cheap"),
    [
        ("JPEG", {}, 0.1, True),  # of 0.12 megapixels
        ("JPEG", {}, 0.001, False),  # at an eighth of its sides it is too large still
        ("JPEG", {"progressive": True}, 0.1, False),  # needs all of it in memory
        ("PNG", {}, 0.1, False),
    ],
)
def test_what_is_too_large_is_looked_at_where_that_is_cheap(kind, more, limit, cheap):
    pixels = look_at_large(content(kind, **more), limit)
    assert (pixels is not None) == cheap
    if pixels is not None:
        assert pixels.shape == (37, 50, 3)


@pytest.mark.parametrize("data", [b"", b"<html>", content("JPEG")[:3000]])
def test_of_what_cannot_be_looked_at_there_is_nothing(data):
    assert look_at_large(data, 0.1) is None
