"""From the bytes of a photo to what the network sees: as ``pack`` does, of any format, upright; else a line."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.answering.cropped import PhotoError, is_heic
from stages.answering.photo import prepare_photo
from stages.config.schema import Crop
from stages.images.decode import upright
from stages.images.packing import pack_image, recipe
from stages.runtime.yaml_files import read_yaml
from stages.tables.preprocessing import Preprocessing
from tests.support import ROOT
from tests.support.pictures import encoded, exif_jpeg, jpeg, picture

PACK_PX, IMAGE_PX = 64, 48
WHERE = [1, 2, 3, 4, 5, 6, 7, 8]  # EXIF orientations


def preprocessing_of(mode: str = "smart") -> Preprocessing:
    crop = read_yaml(ROOT / "params.yaml")["crop"] | {"mode": mode}
    made = recipe({"crop": crop, "image": {"pack_px": PACK_PX}, "pack": {"jpeg_quality": 90}})
    return Preprocessing.model_validate({"model_sha256": "0" * 64, **made})


SMART, CENTER = preprocessing_of(), preprocessing_of("center")


def prepare(data: bytes, preprocessing: Preprocessing = SMART):
    return prepare_photo(data, preprocessing, IMAGE_PX)


def trouble(data: bytes) -> tuple[str, str]:
    with pytest.raises(PhotoError) as caught:
        prepare(data)
    said = str(caught.value)
    assert "\n" not in said
    assert "object at" not in said
    return caught.value.trouble, said


def lone(width: int = 320, height: int = 200, x: int = 230, y: int = 40) -> np.ndarray:
    """A picture with one thing that stands out, far from its middle."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[y : y + 50, x : x + 50] = picture(50, 50)
    return pixels


@pytest.mark.parametrize("mode", ["smart", "center"])
def test_it_is_the_middle_of_what_pack_stores(params, mode):
    data = jpeg(lone())
    own = params.model_copy(
        update={
            "crop": Crop.model_validate(preprocessing_of(mode).crop.model_dump()),
            "image": params.image.model_copy(update={"pack_px": PACK_PX, "train_px": IMAGE_PX}),
        }
    )
    packed = pack_image(data, "a.jpg", "0" * 64, own)
    photo = prepare(data, preprocessing_of(mode))
    assert np.array_equal(photo.pixels, simplejpeg.decode_jpeg(packed.jpeg)[8:56, 8:56])
    assert (photo.square.x, photo.square.y, photo.square.side) == (packed.x, packed.y, packed.side)
    assert photo.square.how == packed.crop == mode
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert (photo.width, photo.height) == (320, 200)


def test_what_the_network_sees_lies_in_the_middle_of_the_crop():
    photo = prepare(jpeg(lone()), CENTER)
    assert (photo.square.x, photo.square.y, photo.square.side) == (60, 0, 200)
    assert (photo.seen.x, photo.seen.y, photo.seen.side) == (85, 25, 150)


@pytest.mark.parametrize("orientation", WHERE)
def test_a_photo_that_lies_on_its_side_is_seen_upright(orientation):
    """The crop is in pixels of the photo as shown: there is the thing that stands out."""
    stored = lone()
    photo = prepare(exif_jpeg(stored, orientation))
    shown = upright(stored, orientation)
    assert (photo.height, photo.width) == shown.shape[:2]
    rows, columns = np.nonzero((shown != 128).any(2))
    assert photo.square.how == "smart"
    assert photo.square.x <= columns.min() <= columns.max() < photo.square.x + photo.square.side
    assert photo.square.y <= rows.min() <= rows.max() < photo.square.y + photo.square.side
    straight = prepare(jpeg(shown, quality=95))
    assert np.abs(photo.pixels.astype(int) - straight.pixels).mean() < 3


@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "L", {}), ("PNG", "P", {}), ("WEBP", "RGB", {"quality": 95}),
        ("WEBP", "RGB", {"lossless": True}), ("GIF", "P", {}), ("JPEG", "CMYK", {"quality": 95}),
        ("JPEG", "L", {"quality": 95}), ("JPEG", "RGB", {"progressive": True, "quality": 95}), ("BMP", "RGB", {}),
        ("TIFF", "RGB", {}), ("AVIF", "RGB", {"quality": 95}),
    ],
)  # fmt: skip
def test_of_every_format_it_is_the_same_photo(file_format, mode, options):
    pixels = lone()
    photo = prepare(encoded(pixels, file_format, mode, **options))
    plain = prepare(encoded(pixels, "PNG"))
    assert (photo.width, photo.height) == (320, 200)
    difference = photo.pixels.astype(int) - plain.pixels
    if mode == "L":
        difference = difference.mean(2)  # which has no color
    assert np.abs(difference).mean() < 12


def test_of_a_film_the_first_picture_is_taken():
    first, second = (Image.fromarray(np.full((60, 80, 3), level, np.uint8)) for level in (40, 220))
    for file_format in ("GIF", "WEBP"):
        buffer = io.BytesIO()
        first.save(buffer, file_format, save_all=True, append_images=[second])
        assert abs(int(prepare(buffer.getvalue()).pixels.mean()) - 40) < 6


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3000, 2), (17, 16)])
def test_however_small_a_photo_is_an_answer_can_be_had(size):
    for file_format in ("JPEG", "PNG"):
        photo = prepare(encoded(picture(*size), file_format))
        assert photo.pixels.shape == (IMAGE_PX, IMAGE_PX, 3)
        assert 0 <= photo.square.x <= size[0] - photo.square.side
        assert 0 <= photo.square.y <= size[1] - photo.square.side
        assert photo.square.side >= 1


def ftyp(*brands: bytes) -> bytes:
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", len(box) + 4) + box + bytes(200)


@pytest.mark.parametrize("brands", [(b"heic", b"mif1", b"heic"), (b"mif1", b"heic"), (b"heix",), (b"msf1", b"hevc")])
def test_heic_is_refused_with_the_remedy(brands):
    kind, said = trouble(ftyp(*brands))
    assert kind == "heic"
    assert said.startswith("HEIC is not read: save the photo as JPEG (on an iPhone: Settings, Camera, Formats")


def test_avif_of_the_common_brand_is_no_heic():
    assert not is_heic(ftyp(b"mif1", b"avif", b"miaf"))
    assert not is_heic(ftyp(b"avif", b"mif1"))
    assert not is_heic(ftyp(b"isom", b"mp42"))
    assert not is_heic(b"")


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG that says how large it is; a few bytes of pixels follow, and no more."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_a_photo_of_too_many_pixels_is_refused_by_its_header():
    assert trouble(png_header(20_000, 15_000)) == (
        "too_many_pixels",
        "20,000 x 15,000 px are more than 200 megapixels: shrink it",
    )
    small = jpeg(picture(64, 48))
    place = small.index(b"\xff\xc0") + 5  # height and width in the frame header
    large = small[:place] + struct.pack(">HH", 20_000, 15_000) + small[place + 4 :]
    assert trouble(large)[0] == "too_many_pixels"
    assert trouble(png_header(14_000, 14_000))[0] == "not_an_image"  # few enough, and not whole


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", "empty", "the file is empty"),
        (b"hello", "not_an_image", "no photo that can be read (of no format that is known)"),
        (b"<!DOCTYPE html><p>404</p>", "not_an_image", "no photo that can be read (of no format that is known)"),
        (b"\0" * 5000, "not_an_image", "no photo that can be read (of no format that is known)"),
        (jpeg(picture())[:-600], "not_an_image", "no photo that can be read (Premature end of JPEG file)"),
        (encoded(picture(), "PNG")[:9000], "not_an_image", "no photo that can be read ("),
        (encoded(picture(), "WEBP")[:900], "not_an_image", "no photo that can be read ("),
        (encoded(picture(), "GIF", "P")[:900], "not_an_image", "no photo that can be read ("),
    ],
)
def test_each_trouble_is_a_line(data, kind, said):
    found = trouble(data)
    assert found[0] == kind
    assert found[1].startswith(said)


SEEDS = [jpeg(picture(40, 30)), *(encoded(picture(40, 30), name) for name in ("PNG", "WEBP", "GIF", "TIFF", "BMP"))]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=4))
def test_bytes_that_are_broken_anywhere_are_a_photo_or_a_trouble(data, changes):
    broken = bytearray(data)
    for place, new in changes:
        start = int(place * (len(broken) - 1))
        broken[start : start + len(new)] = new
    try:
        photo = prepare(bytes(broken))
    except PhotoError:
        return
    assert photo.pixels.shape == (IMAGE_PX, IMAGE_PX, 3)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_trouble(data):
    trouble(data)
