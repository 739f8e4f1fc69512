"""Every whole JPEG is decoded, whatever its layout, and none that is damaged or ends early."""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from stages.images.crop import cut
from stages.images.decode import DecodeError, decode_gray, decode_rgb, read_header
from stages.images.jpeg import in_plain_words, level_step
from stages.images.measure import DECODED, TRUNCATED, measure
from stages.images.prepare import decode_and_crop
from stages.runtime.errors import UserError
from tests.support.jpegs import adobe, encode_jpeg
from tests.support.pictures import encoded, jpeg, picture

WIDTH, HEIGHT = 101, 75
FIXTURES = Path(__file__).with_name("jpegs")
# Of luminance, and of both color planes. A unit has ten blocks at most (ISO/IEC 10918-1, B.2.3).
LAYOUTS = [
    (luma, chroma)
    for luma, chroma in product(product(range(1, 5), repeat=2), repeat=2)
    if luma[0] * luma[1] + 2 * chroma[0] * chroma[1] <= 10
]


@cache
def smooth() -> np.ndarray:
    """A picture that no sampling of its colors changes much, uint8 [75, 101, 3] RGB."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = (np.sin(x / 23 + y / 40), np.cos(y / 19), np.sin((x + y) / 37))
    return np.dstack([128 + reach * wave for reach, wave in zip((100, 90, 80), waves, strict=True)]).astype(np.uint8)


def in_layout(luma: tuple[int, int], chroma: tuple[int, int], **options) -> bytes:
    return encode_jpeg(cv2.cvtColor(smooth(), cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]], [luma, chroma, chroma], **options)


def far_from(pixels: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(pixels.astype(float) - expected).mean())


def known_to_libjpeg(luma: tuple[int, int], chroma: tuple[int, int]) -> bool:
    """It decodes no fractions: each plane's factors divide the largest ones."""
    return all(max(one, other) % min(one, other) == 0 for one, other in zip(luma, chroma, strict=True))


def test_every_layout_of_color_planes_is_decoded_in_the_right_colors():
    """47 layouts, of which TurboJPEG has a name for a dozen."""

    def decoded(layout) -> float | None:
        try:
            return far_from(decode_rgb(in_layout(*layout)), smooth())
        except DecodeError:
            return None

    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(LAYOUTS, pool.map(decoded, LAYOUTS), strict=True))
    assert {layout for layout in LAYOUTS if found[layout] is None} == {
        layout for layout in LAYOUTS if not known_to_libjpeg(*layout)
    }
    whole = [distance for distance in found.values() if distance is not None]
    assert len(whole) == 47
    assert max(whole) < 3


RARE = [((3, 1), (1, 1)), ((1, 3), (1, 1)), ((4, 2), (1, 1)), ((1, 1), (2, 2)), ((2, 3), (2, 1))]


@pytest.mark.parametrize("layout", [*RARE, ((2, 2), (1, 1))])
def test_a_layout_is_refused_cut_zero_filled_or_damaged(layout):
    whole = in_layout(*layout)
    start = whole.index(b"\xff\xda") + 14
    length = len(whole) - start
    for share in (0.0, 0.01, 0.3, 0.7, 0.99):
        place = start + int(share * length)
        assert measure(whole[:place], max_megapixels=1).state == TRUNCATED
        assert measure(whole[:place].ljust(len(whole), b"\0"), max_megapixels=1).state == TRUNCATED
    assert measure(whole[:-2], max_megapixels=1).state == TRUNCATED
    ended = whole[: start + length // 2] + b"\xff\xd9"
    assert measure(ended, max_megapixels=1).state == TRUNCATED


def test_damage_inside_a_rare_layout_is_found():
    whole = in_layout((3, 1), (1, 1))
    start = whole.index(b"\xff\xda") + 14
    missing = whole[: start + 300] + whole[start + 400 :]
    twice = whole[: start + 300] + whole[start + 200 :]
    wrong = bytearray(whole)
    wrong[start + 300 : start + 320] = bytes(range(20, 40))
    for data in (missing, twice, bytes(wrong)):
        with pytest.raises(DecodeError):
            decode_rgb(data)


@pytest.mark.parametrize("layout", RARE[:3])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_rare_layout_is_decoded_reduced(layout, factor):
    pixels = decode_rgb(in_layout(*layout), factor=factor)
    assert pixels.shape == (HEIGHT // factor, WIDTH // factor, 3)
    kept = smooth()[: HEIGHT // factor * factor, : WIDTH // factor * factor]
    expected = kept.reshape(HEIGHT // factor, factor, WIDTH // factor, factor, 3).mean(axis=(1, 3))
    assert far_from(pixels, expected) < 3


def test_a_rare_layout_is_measured_and_packed_as_any_other(params):
    rare, usual = in_layout((3, 1), (1, 1)), in_layout((1, 1), (1, 1))
    one, other = (measure(data, max_megapixels=1) for data in (rare, usual))
    assert (one.state, one.width, one.height) == (DECODED, WIDTH, HEIGHT)
    assert one.gray_std == pytest.approx(other.gray_std, abs=0.5)
    center = params.crop.model_copy(update={"mode": "center"})
    crops = [decode_and_crop(data, center, 64) for data in (rare, usual)]
    pieces = [cut(prepared.pixels, prepared.square, 64) for prepared in crops]
    assert far_from(pieces[0], pieces[1]) < 3
    gray = decode_gray(rare, read_header(rare), min_side_px=64)
    assert far_from(gray, cv2.cvtColor(smooth(), cv2.COLOR_RGB2GRAY)) < 3


def test_gray_rgb_cmyk_and_ycck_of_any_layout():
    gray, rgb = cv2.cvtColor(smooth(), cv2.COLOR_RGB2GRAY), smooth()
    black = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)  # as Adobe writes them, inks are inverted
    ycc = cv2.cvtColor(255 - rgb, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    luma, chroma = (2, 1), (1, 1)
    for data, expected in (
        (encode_jpeg(gray[..., None], [(1, 1)]), np.dstack([gray] * 3)),
        (encode_jpeg(gray[..., None], [(3, 2)]), np.dstack([gray] * 3)),
        (encode_jpeg(rgb, [(1, 1)] * 3, head=adobe(0)), rgb),
        (encode_jpeg(rgb, [(3, 1), (3, 1), (3, 1)], head=adobe(0)), rgb),
        (encode_jpeg(rgb, [(1, 1), (2, 1), (1, 1)], head=adobe(0)), rgb),
        (encode_jpeg(np.dstack([rgb, black]), [(1, 1)] * 4, head=adobe(0)), rgb),
        (encode_jpeg(np.dstack([rgb, black]), [(2, 1), (1, 1), (1, 1), (1, 1)], head=adobe(0)), rgb),
        (encode_jpeg(np.dstack([ycc, black]), [luma, chroma, chroma, luma], head=adobe(2)), rgb),
        (encode_jpeg(np.dstack([ycc, black]), [(3, 1), (1, 1), (1, 1), (3, 1)], head=adobe(2)), rgb),
    ):  # fmt: skip
        assert far_from(decode_rgb(data), expected) < 4
        with pytest.raises(DecodeError):
            decode_rgb(data[: len(data) * 3 // 4])


@pytest.mark.parametrize("restart", [1, 2, 7])
@pytest.mark.parametrize("luma", [(2, 2), (1, 3)])
def test_restart_markers_are_part_of_a_whole_file(luma, restart):
    whole = in_layout(luma, (1, 1), restart=restart)
    assert far_from(decode_rgb(whole), smooth()) < 3
    place = whole.index(b"\xff\xd0")
    with pytest.raises(DecodeError):
        decode_rgb(whole[:place] + whole[place + 2 :])


WHOLE = jpeg(picture())


def changed(at: bytes, offset: int, content: bytes) -> bytes:
    place = WHOLE.index(at) + offset
    return WHOLE[:place] + content + WHOLE[place + len(content) :]


def inserted(at: bytes, content: bytes) -> bytes:
    place = WHOLE.index(at)
    return WHOLE[:place] + content + WHOLE[place:]


# What other programs write, and every viewer shows in full.
ODD_AND_WHOLE = {
    "bytes behind the end": WHOLE + b"SEFT" + bytes(200),
    "a second image behind the end": WHOLE + jpeg(picture(64, 64)),
    "a JFIF version that does not exist": changed(b"JFIF\0", 5, b"\x07"),
    "Adobe's transform that does not exist": inserted(b"\xff\xdb", adobe(7)),
    "no band of coefficients": changed(b"\xff\xda", 11, b"\0\0\0"),
    "stray bytes before a marker": inserted(b"\xff\xc4", bytes(9)),
    "fill bytes before a marker": inserted(b"\xff\xc4", b"\xff\xff\xff"),
    "an unknown segment": inserted(b"\xff\xc4", b"\xff\xef\0\x06text"),
    "a comment": inserted(b"\xff\xc4", b"\xff\xfe\0\x06text"),
    "no JFIF header": WHOLE[:2] + WHOLE[20:],
}


@pytest.mark.parametrize("data", ODD_AND_WHOLE.values(), ids=ODD_AND_WHOLE.keys())
def test_what_is_odd_and_whole_is_decoded(data):
    assert far_from(decode_rgb(data), decode_rgb(WHOLE)) == 0
    with pytest.raises(DecodeError):
        decode_rgb(data[: WHOLE.index(b"\xff\xda") + 500])


# What no decoder can tell from damage.
DOUBTFUL = {
    "no end": WHOLE[:-2],
    "bytes between pixels and end": WHOLE[:-2] + bytes(50) + b"\xff\xd9",
    "an end in the middle": WHOLE[: len(WHOLE) // 2] + b"\xff\xd9",
    "a hole": WHOLE[: len(WHOLE) // 2] + WHOLE[len(WHOLE) // 2 + 400 :],
}


@pytest.mark.parametrize("data", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_what_cannot_be_told_from_damage_is_refused(data):
    with pytest.raises(DecodeError):
        decode_rgb(data)


@pytest.mark.parametrize("name", ["progressive", "arithmetic", "progressive_restart"])
def test_other_codings_in_a_rare_layout(name):
    """Written by libjpeg-turbo's cjpeg: -sample 3x1,1x1,1x1, of the picture ``smooth``."""
    whole = (FIXTURES / f"{name}_3x1.jpg").read_bytes()
    assert far_from(decode_rgb(whole), smooth()) < 3
    assert decode_rgb(whole, factor=4).shape == (HEIGHT // 4, WIDTH // 4, 3)
    for share in (0.4, 0.8, 0.99):
        place = int(share * len(whole))
        for data in (whole[:place], whole[:place].ljust(len(whole), b"\0")):
            with pytest.raises(DecodeError):
                decode_rgb(data)
    if name != "arithmetic":  # which may leave out zeros at the end, and so has no wrong one
        with pytest.raises(DecodeError):
            decode_rgb(whole[: len(whole) * 3 // 4] + b"\xff\xd9")


def test_progressive_files_are_strict_too():
    whole = encoded(picture(), "JPEG", quality=90, progressive=True)
    assert decode_rgb(whole).shape == (120, 160, 3)
    for place in (len(whole) // 3, len(whole) * 2 // 3, len(whole) - 2):
        with pytest.raises(DecodeError):
            decode_rgb(whole[:place])


def test_plain_words_leave_a_plain_file_as_it_is():
    assert in_plain_words(WHOLE) == WHOLE
    assert in_plain_words(WHOLE + b"more") == WHOLE
    for end in range(0, len(WHOLE), 37):
        assert in_plain_words(WHOLE[:end]) is None
    assert simplejpeg.is_jpeg(WHOLE)
    assert Image.open(io.BytesIO(WHOLE)).format == "JPEG"


RARE_FILE = (FIXTURES / "progressive_3x1.jpg").read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PYTHONVERBOSE", "1"), ("PYTHONPROFILEIMPORTTIME", "1"), ("LD_PRELOAD", "/nowhere.so"), ("PYTHONINSPECT", "1")],
)
def test_what_the_environment_makes_python_say_is_no_damage(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert measure(RARE_FILE, max_megapixels=1).state == DECODED
    assert measure(RARE_FILE[:-300] + b"\xff\xd9", max_megapixels=1).state == TRUNCATED


def test_a_check_that_is_killed_or_does_not_start_says_nothing_of_a_file(monkeypatch, tmp_path):
    """Not of the file's kind either: it would be asked for again, or refused."""
    for script, said in (("kill -9 $$", "by signal 9"), ("echo no room >&2; exit 1", "with 1 .no room.")):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("sys.executable", str(program))
        with pytest.raises(UserError, match=said):
            measure(RARE_FILE, max_megapixels=1)
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError):  # which `run` says in a line
        measure(RARE_FILE, max_megapixels=1)


@pytest.mark.parametrize(("quality", "step"), [(10, 10), (20, 5), (30, 3.375), (50, 2), (75, 1), (95, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_step_of_levels_is_that_of_the_first_coefficient(quality, step, mode):
    for options in ({}, {"progressive": True}):
        assert level_step(encoded(picture(64, 64), "JPEG", mode, quality=quality, **options)) == step


def test_a_header_that_does_not_say_has_a_step_of_one():
    for end in range(2, len(WHOLE), 17):
        assert level_step(WHOLE[:end]) >= 1
    assert level_step(b"\xff\xd8\xff\xdb\0\x03\x10\xff\xd9") == 1


def test_a_rare_layout_is_reduced_the_same_in_a_new_thread():
    """The switch is one of a thread, and decoding is the first that a worker's thread does."""

    def portable_after() -> bool:
        cv2.ipp.setUseIPP(True)
        decode_rgb(RARE_FILE, factor=2)
        return not cv2.ipp.useIPP()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(portable_after).result()
