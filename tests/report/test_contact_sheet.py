"""The sheet uses its width, shows what it has room for, and shows what a file begins with as it is."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.report.contact_sheet import Block, Tile, draw_contact_sheet, flow, lay_out, tiles_a_row
from tests.support.figures import HIGH_AND_LOW, assert_can_be_read, assert_nothing_touches, texts, written

BLACK = np.zeros((30, 40, 3), np.uint8)


def block(rejected: int, kept: int, name: str = "blank", limit: str = "under inventory.blank_std 4") -> Block:
    rejects = [Tile(BLACK, "", f"{number} gray levels") for number in range(rejected)]
    others = [Tile(BLACK + 200, "", f"{number} gray levels") for number in range(kept)]
    return Block(name, rejected, limit, rejects, others)


def width(row: list[Block]) -> int:
    return sum(shown.width for shown in row) + 26 * (len(row) - 1)


@given(st.lists(st.tuples(st.integers(1, 16), st.integers(0, 16)), max_size=14), st.integers(3, 8))
def test_rows_are_full_where_there_is_anything_to_fill_them(numbers, a_side):
    blocks = [block(*both, name=f"{place}") for place, both in enumerate(numbers)]
    rows = flow(blocks, a_side=a_side)
    widest = width([block(a_side, a_side)]) + 14 + 26  # both sides of a limit, and as much as a second one needs
    assert [shown.verdict for row in rows for shown in row] == [one.verdict for one in blocks]
    for row in rows:
        assert width(row) <= widest
        for shown in row:
            whole = blocks[int(shown.verdict)]
            assert len(shown.rejected) >= min(a_side, len(whole.rejected))
            assert len(shown.kept) >= min((a_side + 1) // 2, len(whole.kept))
            # The nearest to the limit, and as many as fit.
            assert shown.rejected == whole.rejected[: len(shown.rejected)]
            assert shown.kept == whole.kept[: len(shown.kept)]
            left_over = len(whole.rejected) + len(whole.kept) > len(shown.rejected) + len(shown.kept)
            assert not left_over or width(row) + 98 + 14 > widest


def test_a_row_holds_both_sides_of_a_limit_in_full():
    (row,) = flow([block(20, 20)], a_side=5)
    assert (len(row[0].rejected), len(row[0].kept)) == (5, 5)
    assert tiles_a_row(5) == 10


def test_few_images_of_several_verdicts_stand_side_by_side_and_the_sheet_is_no_wider():
    rows = flow([block(1, 0, "empty", ""), block(2, 0, "not an image", ""), block(1, 0, "truncated", "")], a_side=5)
    assert len(rows) == 1
    few = lay_out(rows).get_size_inches()[0]
    assert few < lay_out(flow([block(9, 9)], a_side=5)).get_size_inches()[0] / 1.5


def sheets(name: str, limit: str, text: str, caption: str, images: int):
    shapes = [(30, 40, 3), (40, 30, 3), (1, 160, 3), (160, 1, 3), (160, 160, 3)]
    tiles = [Tile(np.zeros(shape, np.uint8), "", caption, images) for shape in shapes]
    tiles += [Tile(None, text, caption, images)]
    blocks = [Block(name, number, limit, tiles[:number], tiles[:kept]) for number in (1, 6) for kept in (0, 1, 5)]
    return lay_out(flow(blocks, a_side=5))


def test_no_caption_touches_another():
    name = "photographs of a label beside the plant and not of the plant"
    for images, text in ((1, "W" * 400), (100_000_000, "W W " * 99)):
        figure = sheets(name, f"under inventory.min_{name}_px 1234567", text, "1,234,567 × 1,234,567 px", images)
        assert_nothing_touches(figure, written(figure))
        assert_can_be_read(figure)


@settings(max_examples=15)
@given(st.text(max_size=80), st.text(max_size=200), st.text(max_size=60))
@example(HIGH_AND_LOW, HIGH_AND_LOW * 100, HIGH_AND_LOW)
def test_no_caption_touches_another_whatever_files_hold(name, text, caption):
    tiles = [Tile(BLACK, "", caption), Tile(None, text, caption, images=3)]
    figure = lay_out(flow([Block(name, 9, text, tiles, tiles), Block(name, 2, "", tiles[:1], [])], a_side=5))
    assert_nothing_touches(figure, written(figure))


def test_bytes_that_are_no_image_are_no_formula_either(tmp_path):
    """What a file begins with is shown, and ``$`` begins a formula where it may."""
    tile = Tile(None, "#!/bin/sh\n$A{$B $^$_", "12 bytes")
    draw_contact_sheet([[Block("not an image", 1, "", [tile], [])]], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_what_is_not_shown_is_counted_and_signs_are_explained_where_they_stand():
    plain = lay_out(flow([block(2, 0)], a_side=3))
    assert texts(plain)[0] == "Rejected images (orange)"
    assert "blank: 2" in texts(plain)
    assert not any("×" in text or "striped" in text for text in texts(plain))

    tiles = [Tile(BLACK, "", "", images=5), Tile(BLACK, "", "", cut=True)]
    signs = lay_out(flow([Block("blank", 12_345, "", tiles, [])], a_side=3))
    assert {"blank: 6 of 12,345", "× 5"} <= set(texts(signs))
    assert texts(signs)[1] == "×: so many images that look the same; striped: the part that a broken file lacks"


def test_the_same_blocks_are_the_same_bytes(tmp_path):
    blocks = [block(3, 4), Block("truncated", 9, "", [Tile(BLACK, "", "9 bytes", images=9, cut=True)], [])]
    for name in ("one.png", "two.png"):
        draw_contact_sheet(flow(blocks, a_side=5), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_who_made_the_photos_stands_below_them_and_what_may_not_be_shown_above():
    rows = flow([block(6, 5), block(6, 5)], a_side=5)
    credit = "Photos: " + ", ".join(f"{HIGH_AND_LOW} of the photographers {number}" for number in range(60))
    figure = lay_out(rows, withheld="7 of 22 images may not be shown", credit=credit)
    assert_nothing_touches(figure, written(figure))
    assert "7 of 22 images may not be shown" in texts(figure)
    said = " ".join(texts(figure))
    assert all(f"photographers {number}" in said for number in range(60))


def test_nothing_rejected_is_said():
    assert "nothing was rejected" in texts(lay_out([]))
