"""Every image is decoded whole, upright and in the colors that a person would see."""

import errno
import io
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from benchmarks.inventory import photo
from stages.images.crop import cut
from stages.images.decode import DecodeError, decode_gray, decode_rgb, read_header, reduction, shown_size
from stages.images.measure import DECODED, NOT_AN_IMAGE, TRUNCATED, measure
from stages.images.prepare import decode_and_crop
from tests.support.pictures import encoded, exif_jpeg, jpeg, picture


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
def test_jpegs_of_every_color_space_become_rgb(mode):
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


def icc_profile(red: tuple, green: tuple, blue: tuple, gamma: float, name: str) -> bytes:
    """An ICC profile (version 2, matrix and curve) of an RGB space with these primaries, in XYZ of the D50 white."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values: tuple) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    text = name.encode()
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * (1 + 12 + 67),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": xyz(red), b"gXYZ": xyz(green), b"bXYZ": xyz(blue),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    table, content, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", offset + len(content), len(data))
        content += data + b"\0" * (-len(data) % 4)
    size = offset + len(content)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += (
        struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    )
    return header.ljust(128, b"\0") + table + content


# Adobe RGB (1998), adapted to D50.
WIDE = icc_profile((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457), 2.2, "Wide")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_colors_of_a_wide_gamut_become_srgb(file_format):
    pixels = np.full((64, 64, 3), (120, 160, 90), np.uint8)
    options = {"quality": 95} if file_format != "PNG" else {}
    plain, wide = encoded(pixels, file_format, **options), encoded(pixels, file_format, icc_profile=WIDE, **options)
    assert np.abs(decode_rgb(plain).astype(int) - pixels).max() <= 3
    # By the formula: to linear light, to XYZ, to linear sRGB, to sRGB.
    matrix = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
    of_srgb = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    linear = np.linalg.solve(of_srgb, matrix @ (pixels[0, 0] / 255) ** 2.2)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(decode_rgb(wide)[32, 32] - expected).max() <= 3
    assert np.abs(decode_rgb(wide)[32, 32].astype(int) - pixels[0, 0]).max() > 5


@pytest.mark.parametrize(
    "profile", [b"no profile", WIDE[:200], ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_a_profile_that_says_nothing_changes_nothing(profile):
    pixels = picture(96, 64)
    with_it, without = (encoded(pixels, "JPEG", quality=95, **options) for options in ({"icc_profile": profile}, {}))
    assert np.array_equal(decode_rgb(with_it), decode_rgb(without))


def smooth(seed: int) -> np.ndarray:
    """A picture of 2048 x 1536 px with detail as photos have it: less of it, the finer it is."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((1536, 2048, 3), np.float32)
    for cells in (4, 8, 16, 32, 64, 128, 256, 512):
        layer = rng.normal(0, 1, (3 * cells // 4, cells, 3)).astype(np.float32)
        pixels += cv2.resize(layer, (2048, 1536), interpolation=cv2.INTER_CUBIC) * 60 / cells**0.5
    return np.clip(pixels + 128 + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)


ODD_AND_EVEN = [(2048, 1536), (2048, 1365), (1201, 901), (3001, 1999), (5000, 3333)]


@pytest.mark.parametrize("make", [smooth, photo])
@pytest.mark.parametrize("size", ODD_AND_EVEN)
def test_a_packed_image_looks_like_that_of_a_full_decode(make, size, params):
    """At least 41 dB (PSNR) between the crops that both are sized to, of smooth pictures and of noisy ones."""
    data = jpeg(cv2.resize(make(1), size, interpolation=cv2.INTER_AREA), 91)
    full = decode_rgb(data)
    center = params.crop.model_copy(update={"mode": "center"})
    for size_px in (224, 256, 384, 448, 518):
        prepared = decode_and_crop(data, center, size_px)
        one, other = (
            cut(prepared.pixels, prepared.square, size_px).astype(float),
            cut(full, prepared.in_original(prepared.square), size_px).astype(float),
        )
        decibels = 10 * np.log10(255**2 / max(np.square(one - other).mean(), 1e-9))
        assert decibels >= 41, (size_px, prepared.factor)


def test_a_reduced_decode_keeps_the_pixels_that_are_asked_for():
    data = jpeg(picture(1600, 1200), 92)
    assert decode_rgb(data, factor=2).shape == (600, 800, 3)
    assert decode_rgb(jpeg(picture(1601, 1203), 92), factor=8).shape == (150, 200, 3)
    assert decode_rgb(encoded(picture(1600, 1200), "PNG"), factor=2).shape == (1200, 1600, 3)
    assert decode_gray(data, read_header(data), min_side_px=64).shape == (150, 200)


def test_gray_of_16_bits_is_scaled_not_cut_off():
    gray = np.asarray(Image.fromarray(picture()).convert("L"))
    buffer = io.BytesIO()
    Image.fromarray(gray.astype(np.uint16) * 257).save(buffer, "PNG")
    assert np.abs(decode_rgb(buffer.getvalue())[..., 0].astype(int) - gray).max() <= 1


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


def test_gray_is_shown_upright_too():
    data = exif_jpeg(picture(96, 64), 6)
    gray, rgb = decode_gray(data, read_header(data), min_side_px=64), decode_rgb(data)
    assert gray.shape == rgb.shape[:2]
    assert np.abs(np.asarray(Image.fromarray(rgb).convert("L")).astype(int) - gray).mean() < 1


def tiff(levels: np.ndarray) -> bytes:
    """A TIFF of one channel of any type (TIFF 6.0), as Pillow cannot write all of them."""
    sample_format = {"u": 1, "i": 2, "f": 3}[levels.dtype.kind]
    height, width = levels.shape
    content = levels.astype(levels.dtype.newbyteorder("<")).tobytes()
    entries = [
        (256, width), (257, height), (258, levels.dtype.itemsize * 8), (259, 1), (262, 1), (273, 8), (277, 1),
        (278, height), (279, len(content)), (339, sample_format),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries
    )
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory + b"\0\0\0\0"


GRAY = np.asarray(Image.fromarray(picture(64, 64)).convert("L"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["f4", "i2", "i4", "u2", "u4", "u1"])
@pytest.mark.parametrize("white", [1, 255, 65_535])
def test_tiffs_of_every_depth_have_defined_pixels(kind, white):
    largest = np.finfo(kind).max if kind[0] == "f" else np.iinfo(kind).max
    if white > largest or (kind[0] != "f" and white == 1):
        return
    levels = (GRAY.astype(np.float64) * (white / 255)).astype(kind)
    assert np.abs(decode_rgb(tiff(levels))[..., 0].astype(int) - GRAY).max() <= 1
    if kind[0] == "i":
        levels[:4] = -5
        assert (decode_rgb(tiff(levels))[:4] == 0).all()


def test_a_tiff_of_doubles_is_no_image_that_pillow_knows():
    with pytest.raises(DecodeError):
        read_header(tiff(GRAY.astype(np.float64)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("white", [1, 255, 65_535])
@pytest.mark.parametrize(("level", "shown"), [(np.nan, 0), (np.inf, 255), (-np.inf, 0), (-3.0, 0), (-1e30, 0)])
def test_what_is_no_level_of_a_float_tiff_is_black_or_white(white, level, shown, capfd):
    levels = GRAY.astype(np.float32) * (white / 255)
    levels[:4] = level
    data = tiff(levels)
    pixels = decode_rgb(data)[..., 0]
    assert (pixels[:4] == shown).all()
    assert np.abs(pixels[4:].astype(int) - GRAY[4:]).max() <= 1
    assert measure(data, max_megapixels=1).gray_std > 0
    levels[:] = level
    assert (decode_rgb(tiff(levels)) == shown).all()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"])
def test_want_of_memory_is_no_damage(monkeypatch, file_format):
    """Nor of open files. As a verdict, it would have a sound image asked for again, or evicted."""
    data = encoded(picture(64, 64), file_format)
    for error in (MemoryError(), OSError(errno.EMFILE, "Too many open files"), ImportError("no room for a library")):

        def fail(*_, error=error, **__):
            raise error

        for place in ("stages.images.decode.Image.open", "PIL.ImageFile.ImageFile.load"):
            with monkeypatch.context() as patch:
                patch.setattr(place, fail)
                if file_format == "JPEG" and place.endswith("load"):
                    continue
                if file_format == "WEBP" and place.endswith("load"):
                    continue  # has its own
                with pytest.raises(type(error)):
                    measure(data, max_megapixels=1)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_of_a_broken_header_nobody_hears_twice(compression, tmp_path):
    """In a process of its own, as tests are told of warnings in another way."""
    whole = encoded(picture(64, 64), "TIFF", compression=compression)
    for number in range(1, 20):
        (tmp_path / f"{number}.tiff").write_bytes(whole[: len(whole) * number // 20])
        (tmp_path / f"{number}_zeros.tiff").write_bytes(whole[: len(whole) * number // 20].ljust(len(whole), b"\0"))
    code = (
        "import pathlib, sys\nfrom stages.images.measure import DECODED, NOT_AN_IMAGE, TRUNCATED, measure\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir(): measure(path.read_bytes(), max_megapixels=1)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("file_format", ["WEBP", "AVIF", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_a_tail_of_zeros_is_damage_where_decoders_read_on_in_it(file_format, share):
    whole = encoded(picture(), file_format)
    assert measure(whole, max_megapixels=1).state == DECODED
    broken = whole[: round(share * len(whole))].ljust(len(whole), b"\0")
    assert measure(broken, max_megapixels=1).state in (TRUNCATED, NOT_AN_IMAGE)


@pytest.mark.parametrize("file_format", ["WEBP", "AVIF", "GIF"])
@pytest.mark.parametrize("side", [1, 16, 300, 2000])
@pytest.mark.parametrize("level", [0, 255])
def test_an_even_image_is_whole_though_zeros_are_at_its_end(file_format, side, level):
    pixels = np.full((side, side, 3), level, np.uint8)
    assert measure(encoded(pixels, file_format), max_megapixels=10).state == DECODED
