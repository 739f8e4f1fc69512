"""The contact sheet shows every verdict, whatever became of the images."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.contact_sheet import READ_A_SIDE, file_size, find_looks, in_order, make_block, read_tile, with_unit
from stages.images.measure import measure
from stages.images.verdict import LIMITED, VERDICTS
from stages.records.rights import Rights, rights_of
from stages.report.contact_sheet import Tile
from stages.tables.cache_filter import REJECTED
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table, write_table
from tests.support import ROOT, SAMPLE
from tests.support.pictures import encoded, picture
from tests.support.running import run_here

ANY = Rights()  # any photo may be shown


def store(cache: Path, **contents: bytes) -> pl.DataFrame:
    """Put files into a cache; give their rows of the inventory."""
    for name, content in contents.items():
        (cache / f"{name}.jpg").write_bytes(content)
    rows = [
        {"image_name": f"{name}.jpg"} | asdict(measure(data, max_megapixels=200)) for name, data in contents.items()
    ]
    return pl.DataFrame(rows, schema=INVENTORY)


def even(level: int, width: int = 300) -> bytes:
    return encoded(np.full((200, width, 3), level, np.uint8), "PNG")


def tile(cache: Path, content: bytes, max_megapixels: float = 200) -> Tile:
    """The tile of a file with such content."""
    (row,) = store(cache, a=content).select("image_name", "sha256").rows()
    return read_tile(cache, *row, max_megapixels)


def test_an_image_too_large_to_decode_is_not_decoded_for_the_sheet(tmp_path):
    content = encoded(np.zeros((300, 400, 3), np.uint8), "PNG")
    words = tile(tmp_path, content, 0.1)
    assert (words.pixels, words.text, words.caption) == (None, "400 ×\n300 px", "0.12 MP")
    assert tile(tmp_path, content, 0.2).pixels is not None
    reduced = tile(tmp_path, encoded(picture(seed=1), "JPEG"), 0.01)
    assert reduced.pixels is not None
    assert reduced.caption.endswith(" MP")


def test_broken_files_show_what_is_there(tmp_path):
    whole = encoded(picture(seed=1), "JPEG")
    cut = tile(tmp_path, whole[: len(whole) // 2])
    assert cut.pixels is not None
    assert cut.cut
    assert re.fullmatch(r"[\d.]+ (kB|bytes), [3-7]\d% missing", cut.caption)
    last = cut.pixels[-1]
    assert set(np.unique(last)) <= {206, 255}  # stripes
    only_header = whole[: whole.index(b"\xff\xda") + 14]
    assert tile(tmp_path, only_header).text == "160 × 120 px\nby its header; nothing of it can be decoded"
    page = tile(tmp_path, b"<html><title>Not found</title></html>")
    assert (page.pixels, page.text, page.caption) == (None, "Not found", "37 bytes")
    assert tile(tmp_path, b"").text == "no bytes"


def test_what_looks_the_same_is_one_with_its_number(tmp_path, params):
    """The same bytes, and other bytes that nobody could tell apart; never what differs."""
    black = even(0)
    files = {f"black{number}": black for number in range(3)}
    files |= {f"saved{number}": encoded(np.full((200, 300, 3), number, np.uint8), "PNG") for number in range(2)}
    files |= {"white": even(255), "gray": even(100), "wide": even(0, 700)}
    rejected = store(tmp_path, **files)
    block = make_block("blank", rejected, rejected.clear(), params.inventory, tmp_path, 5, ANY)
    assert block.number == 8
    assert sorted(tile.images for tile in block.rejected) == [1, 1, 1, 5]
    many = next(tile for tile in block.rejected if tile.images == 5)
    assert many.pixels is not None
    assert many.pixels.max() <= 1


def test_the_license_of_a_photo_that_may_not_be_shown_stands_in_its_place(tmp_path, params):
    """Its measure stays, what looks the same and may be shown stands for both, and text is no photo."""
    content = encoded(picture(seed=1), "PNG")
    rejected = store(tmp_path, a=content, b=content + b"0", c=encoded(picture(seed=2), "PNG"), d=b"<p>Not found</p>")
    records = pl.DataFrame(
        {"image_name": ["a.jpg", "b.jpg", "c.jpg"], "license": ["cc-by-nc", "cc-by", None], "observer": ["ann"] * 3}
    )
    rights = rights_of(records, ["cc0", "cc-by"])
    block = make_block("too_blurred", rejected, rejected.clear(), params.inventory, tmp_path, 5, rights)
    shown = {(tile.images, tile.text, tile.pixels is not None, tile.withheld) for tile in block.rejected}
    assert shown == {(2, "", True, False), (1, "not shown:\nno license", False, True), (1, "Not found", False, False)}
    (hidden,) = (tile for tile in block.rejected if tile.withheld)
    assert hidden.caption == with_unit("min_sharpness", rejected["sharpness"][2])
    alike = next(tile for tile in block.rejected if tile.images == 2)
    assert alike.image_name == "b.jpg"
    everything = make_block("too_blurred", rejected, rejected.clear(), params.inventory, tmp_path, 5, ANY)
    assert not any(tile.withheld for tile in everything.rejected)


def test_photos_of_equal_hash_and_measures_are_read_once(tmp_path, params):
    content = encoded(picture(seed=1), "PNG")
    copies = {f"copy{number}": content + bytes(number) for number in range(400)}  # bytes behind the image's end
    rejected = store(tmp_path, **copies, other=encoded(picture(seed=2), "PNG"))
    assert rejected["sha256"].n_unique() == 401
    assert sorted(look.images for look in find_looks(rejected.with_columns(value=pl.lit(1.0)), ANY)) == [1, 400]
    block = make_block("too_blurred", rejected, rejected.clear(), params.inventory, tmp_path, 5, ANY)
    assert sorted(tile.images for tile in block.rejected) == [1, 400]


def test_of_a_great_many_files_only_some_are_read(tmp_path, params):
    """All are gone, and so look the same; what was not looked at is not counted as looking so."""
    names = [f"{number:06}" for number in range(100_000)]
    rejected = pl.DataFrame({"image_name": names, "sha256": names}).with_columns(
        pl.lit(None, kind).alias(name) for name, kind in INVENTORY.items() if name not in ("image_name", "sha256")
    )
    block = make_block("empty", rejected, rejected.clear(), params.inventory, tmp_path, 5, ANY)
    assert block.number == 100_000
    (tile,) = block.rejected
    assert (tile.images, tile.text) == (READ_A_SIDE, "gone or changed\nsince the inventory")


@pytest.mark.parametrize("key", [key for _, key in LIMITED.values()])
def test_every_measure_has_a_unit_or_its_name(key):
    caption = with_unit(key, 0.98765)
    assert re.search(r"[a-z:]", caption), caption
    assert len(caption) < 30


@pytest.mark.parametrize(
    ("key", "value", "caption"),
    [
        ("min_side_px", 1234.0, "1,234 px"),
        ("max_even_share", 0.986, "98.6 % even"),
        ("max_aspect", 5.0137, "5.014 : 1"),
        ("blank_std", 0.0, "0 gray levels"),
        ("min_sharpness", 0.047, "sharpness 0.047"),
        ("max_megapixels", 212.4, "212.4 MP"),
        ("max_image_mb", 40.5, "40.5 MB"),
        ("max_dark_corner_share", 0.5, "50 % dark corner"),
        ("min_hue_spread", 0.25, "hue spread 0.25"),
    ],
)
def test_units_stand_in_the_names_of_limits(key, value, caption):
    assert with_unit(key, value) == caption


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 bytes"), (999, "999 bytes"), (13_088, "13.1 kB"), (2_410_000, "2.41 MB")]
)
def test_sizes_in_words(number, words):
    assert file_size(number) == words


def test_a_verdict_that_nobody_knew_is_shown_too(tmp_path, params, monkeypatch):
    """With a limit, and without one: the sheet takes what the verdicts say."""
    rejected = store(tmp_path, a=encoded(picture(seed=1), "JPEG"), b=encoded(picture(seed=2), "JPEG"))
    kept = store(tmp_path, c=encoded(picture(seed=3), "JPEG"))
    unlimited = make_block("no_photo", rejected, kept, params.inventory, tmp_path, 5, ANY)
    assert (unlimited.verdict, unlimited.limit, len(unlimited.rejected), unlimited.kept) == ("no photo", "", 2, [])
    monkeypatch.setitem(LIMITED, "no_photo", (pl.col("sharpness") * 2, "min_sharpness"))
    limited = make_block("no_photo", rejected, kept, params.inventory, tmp_path, 5, ANY)
    assert limited.limit == f"under inventory.min_sharpness {params.inventory.min_sharpness:g}"
    assert (len(limited.rejected), len(limited.kept)) == (2, 1)
    assert in_order(["too_small", "unheard_of", "blank", "empty", "no_photo"]) == [
        "empty", "unheard_of", "too_small", "blank", "no_photo",
    ]  # fmt: skip
    assert in_order(reversed(VERDICTS)) == sorted(VERDICTS, key=lambda verdict: verdict in LIMITED)


def test_those_nearest_to_a_limit_are_shown_and_what_has_no_measure_is_no_neighbor(tmp_path, params):
    pixels = [
        np.clip(picture(seed=1).astype(float) * share, 0, 255).astype(np.uint8) for share in np.linspace(0.2, 1, 12)
    ]
    images = store(tmp_path, **{f"i{n:02}": encoded(one, "PNG") for n, one in enumerate(pixels)}).sort("gray_std")
    unmeasured = images.head(1).with_columns(pl.lit("null.jpg").alias("image_name"), gray_std=pl.lit(None, pl.Float32))
    kept = pl.concat([images.tail(10), unmeasured])
    block = make_block("blank", images.head(2), kept, params.inventory, tmp_path, 3, ANY)
    captions = [with_unit("blank_std", value) for value in images["gray_std"]]
    assert [tile.caption for tile in block.rejected] == captions[1::-1]
    assert [tile.caption for tile in block.kept] == captions[2:8]  # as many as a row of the sheet holds


@pytest.fixture
def sample(workspace):
    """A workspace with the sample and what the first stages make of it."""
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(SAMPLE)
    for stage in ("export", "cache_filter"):
        assert run_here(stage, workspace).returncode == 0
    return workspace


def test_the_sample_has_every_verdict(sample):
    verdicts = json.loads((sample / "data/reports/cache_filter.json").read_text())["by_verdict"]
    assert set(verdicts) == {
        "sound", "not_in_cache", "empty", "not_an_image", "truncated", "too_small", "blank", "extreme_aspect",
        "nearly_blank", "not_a_photo", "too_blurred", "placeholder",
    }  # fmt: skip


def test_the_contact_sheet_is_the_committed_one_and_needs_no_image(sample):
    result = run_here("contact_sheet", sample)
    assert result.returncode == 0, result.stderr
    picture = sample / "plots/rejected_images.png"
    assert picture.read_bytes() == (ROOT / "plots/rejected_images.png").read_bytes()
    assert "may not be shown, as pictures.licenses allows cc0, pd, cc-by" in result.stdout
    # Rejected files are replaced by the next download: a sheet without them is still drawn.
    (sample / "empty").mkdir()
    (sample / "data/sources/sample").unlink()
    (sample / "data/sources/sample").mkdir()
    inventory = SAMPLE / "inventory.parquet"
    (sample / "data/sources/sample/inventory.parquet").write_bytes(inventory.read_bytes())
    result = run_here("contact_sheet", sample, IMAGE_CACHE_DIR=str(sample / "empty"))
    assert result.returncode == 0, result.stderr
    assert picture.read_bytes() != (ROOT / "plots/rejected_images.png").read_bytes()


def test_a_cache_full_of_sound_images_gives_an_empty_sheet(sample):
    rejected = read_table(sample / "data/rejected.parquet", REJECTED).clear()
    write_table(rejected, REJECTED, sample / "data/rejected.parquet")
    assert "0 rejected images" in run_here("contact_sheet", sample).stdout
