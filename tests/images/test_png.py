"""A fault in a chunk that no pixel needs breaks no PNG; in any other it does."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from stages.images.decode import DecodeError, decode_rgb, read_header
from stages.images.measure import DECODED, NOT_AN_IMAGE, TRUNCATED, measure
from tests.support.pictures import picture

NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
NOT_NEEDED = (
    b"tIME",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"pHYs",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"bKGD",
    b"iCCP",
    b"eXIf",
    b"prVt",
)


def chunk(kind: bytes, content: bytes, *, sound: bool = True) -> bytes:
    check = zlib.crc32(kind + content) ^ (not sound)
    return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")


def png(mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture()).convert(mode).save(buffer, "PNG", **options)
    return buffer.getvalue()


def with_chunk(data: bytes, before: bytes, new: bytes) -> bytes:
    place = data.index(before) - 4
    return data[:place] + new + data[place:]


def with_bad_check(data: bytes, kind: bytes) -> bytes:
    start = data.index(kind)
    end = start + 4 + int.from_bytes(data[start - 4 : start], "big")
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


@pytest.mark.parametrize("kind", NOT_NEEDED)
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("content", [b"", b"7", bytes(20), b"Comment\0\0" + bytes(range(256))])
def test_a_fault_where_no_pixel_is_breaks_nothing(kind, before, content):
    whole = png()
    broken = with_chunk(whole, before, chunk(kind, content, sound=False))
    assert measure(broken, max_megapixels=1).state == DECODED
    assert np.array_equal(decode_rgb(broken), decode_rgb(whole))


def test_a_text_too_long_for_pillow_breaks_nothing():
    info = PngInfo()
    info.add_text("Comment", "a" * 3_000_000, zip=True)
    data = png(pnginfo=info)
    with pytest.raises(ValueError, match="too large"):
        Image.open(io.BytesIO(data)).load()
    assert np.array_equal(decode_rgb(data), decode_rgb(png()))


def palette_with_transparency() -> bytes:
    return png("P", transparency=bytes([0, 128, *[255] * 200]))


@pytest.mark.parametrize("kind", NEEDED)
def test_a_fault_in_what_pixels_need_breaks_it(kind):
    whole = palette_with_transparency()
    assert kind in whole
    assert measure(whole, max_megapixels=1).state == DECODED
    expected = NOT_AN_IMAGE if kind == b"IHDR" else TRUNCATED
    assert measure(with_bad_check(whole, kind), max_megapixels=1).state == expected


def test_a_png_is_whole_to_its_end_marker_and_no_further():
    whole = png()
    assert np.array_equal(decode_rgb(whole + b"more"), decode_rgb(whole))
    assert np.array_equal(decode_rgb(with_bad_check(whole, b"IEND")), decode_rgb(whole))
    start = whole.index(b"IDAT")
    for place in range(start + 8, len(whole) - 4, 1999):
        for data in (whole[:place], whole[:place].ljust(len(whole), b"\0")):
            assert measure(data, max_megapixels=1).state == TRUNCATED
    with pytest.raises(DecodeError):
        decode_rgb(whole[:-12])


def test_damage_in_the_pixels_is_found_under_a_right_checksum():
    whole = png()
    start = whole.index(b"IDAT")
    length = int.from_bytes(whole[start - 4 : start], "big")
    content = bytearray(whole[start + 4 : start + 4 + length])
    content[length // 2] ^= 0xFF
    data = whole[: start - 4] + chunk(b"IDAT", bytes(content)) + whole[start + 8 + length :]
    assert measure(data, max_megapixels=1).state == TRUNCATED


def test_what_pixels_need_is_kept():
    """Palette, transparency, color profile, the way up, sixteen bits, an animation's first picture."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_header(png(exif=exif)) == (160, 120, 6)
    assert decode_rgb(png(exif=exif)).shape == (160, 120, 3)
    assert (decode_rgb(png("P", transparency=bytes(256))) == 255).all()
    frames = [Image.fromarray(picture(seed=seed)) for seed in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert np.array_equal(decode_rgb(buffer.getvalue()), np.asarray(frames[0]))


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no end of the name",
        b"\0\0" + zlib.compress(PROFILE),
        b"method\0\1" + zlib.compress(PROFILE),
        b"junk\0\0junk",
        b"cut\0\0" + zlib.compress(PROFILE)[:-40],
        b"bomb\0\0" + zlib.compress(PROFILE + bytes(2**20)),
    ],
    ids=lambda content: content.partition(b"\0")[0].decode() or "nothing",
)
def test_a_profile_that_is_none_breaks_nothing_under_a_right_checksum(content):
    whole = png()
    broken = with_chunk(whole, b"IDAT", chunk(b"iCCP", content))
    assert measure(broken, max_megapixels=1).state == DECODED
    assert (decode_rgb(broken) == decode_rgb(whole)).all()
