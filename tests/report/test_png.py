"""A picture for git has 300 kB at most, whatever it shows, and its texts stay as they are."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from stages.evaluation.crops import Measured
from stages.images.crop import Square
from stages.report import contact_sheet, crop_comparison, mistakes_page, pairs_page, png
from stages.report.contact_sheet import Block, Tile, flow
from stages.report.crop_comparison import Comparison
from stages.report.mistakes_page import Mistake
from stages.report.page import Page
from stages.report.pairs_page import Pair, Photos
from stages.report.png import MOST_BYTES, save_png
from tests.support import ROOT
from tests.support.pictures import picture

NAME = "Pelargonium × hortorum subsp. longissimum"
KINDS = ("noise", "photo", "even")


def photo(kind: str, width: int, height: int, seed: int) -> np.ndarray:
    if kind == "noise":
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return picture(width, height, seed) if kind == "photo" else np.full((height, width, 3), seed % 256, np.uint8)


def crops(kind: str, images: int) -> Figure:
    def one(seed: int) -> Comparison:
        pixels = photo(kind, 400, 300, seed)
        measured = Measured(Square(10, 0, 200, "smart", 0.5), Square(50, 0, 300, "center", 0.4), 400, 300)
        return Comparison(NAME, "least kept", pixels, pixels[..., 0], measured, (30, 30, 100, 100), NAME)

    return crop_comparison.lay_out([one(seed) for seed in range(images)], note=NAME, remainder="none")


def sheet(kind: str, images: int) -> Figure:
    tiles = [Tile(photo(kind, 160, 120, seed), "", "12 px") for seed in range(16)]
    blocks = [Block(NAME, 99, "over a limit", tiles[:8], tiles[8:])] * max(1, images // 3)
    return contact_sheet.lay_out(flow(blocks, a_side=8), credit=NAME)


def mistakes(kind: str, images: int) -> Figure:
    side = mistakes_page.PHOTO_PX
    shown = [Mistake(photo(kind, side, side, seed), NAME, 0.9, NAME, 0.1, NAME) for seed in range(images)]
    return mistakes_page.lay_out(shown, notes=[NAME])


def pairs(kind: str, images: int) -> Figure:
    side = pairs_page.PHOTO_PX
    photos = Photos(NAME, [photo(kind, side, side, seed) for seed in range(6)], [["sure", NAME]] * 6)
    return pairs_page.lay_out([Pair(NAME, photos, photos, photos)] * max(1, images // 4), photos=6, notes=[NAME])


DRAW = {"crops": crops, "sheet": sheet, "mistakes": mistakes, "pairs": pairs}


def opened(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@settings(max_examples=5)
@given(st.sampled_from(sorted(DRAW)), st.sampled_from(KINDS), st.integers(0, 12))
def test_no_picture_is_larger_whatever_it_shows(tmp_path_factory, name, kind, images):
    path = tmp_path_factory.mktemp("png") / "a.png"
    save_png(DRAW[name](kind, images), path)
    assert 1000 < path.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("name", DRAW)
def test_noise_fits_and_leaves_the_figure_as_it_was(tmp_path, name):
    """Of what compresses least more than there is room for."""
    figure = DRAW[name]("noise", 13)
    before = [axes.get_position().bounds for axes in figure.axes]
    save_png(figure, tmp_path / "one.png")
    assert MOST_BYTES / 2 < (tmp_path / "one.png").stat().st_size <= MOST_BYTES
    if name == "mistakes":
        save_png(figure, tmp_path / "two.png")
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert [axes.get_position().bounds for axes in figure.axes] == before


def test_where_photos_become_smaller_texts_stay(tmp_path):
    noise, even = tmp_path / "noise.png", tmp_path / "even.png"
    save_png(mistakes("noise", 12), noise)
    save_png(mistakes("even", 12), even)
    head = slice(0, 50)
    assert opened(noise).shape == opened(even).shape
    assert np.abs(opened(noise)[head].astype(int) - opened(even)[head]).max() <= 24  # colors of a palette
    assert (opened(noise)[head] < 128).any()


def test_a_small_picture_keeps_its_colors_and_white_is_white(tmp_path):
    page = Page(200, 100)
    pixels = picture(100, 80)
    page.picture(pixels, 0, 0, 100, 80)
    save_png(page.figure, tmp_path / "a.png")
    assert np.array_equal(opened(tmp_path / "a.png")[:80, :100], np.where(pixels > 251, 255, pixels & 0b11111100))
    save_png(mistakes("photo", 12), tmp_path / "b.png")
    assert len(np.unique(opened(tmp_path / "b.png").reshape(-1, 3), axis=0)) <= 256
    assert (opened(tmp_path / "b.png")[-1, -1] == 255).all()


def test_what_is_too_large_without_photos_is_not_written_and_the_former_one_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(mistakes("even", 1), path)
    former = path.read_bytes()
    monkeypatch.setattr(png, "MOST_BYTES", 2_000)
    for figure in (mistakes("noise", 6), mistakes("noise", 0)):
        with pytest.raises(ValueError, match=r"without its photos: draw it smaller"):
            save_png(figure, path)
    assert path.read_bytes() == former
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_the_pictures_in_git_are_no_larger():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "plots").glob("*.png")}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
    for path in (ROOT / "plots").glob("*.png"):
        Image.open(io.BytesIO(path.read_bytes())).verify()
