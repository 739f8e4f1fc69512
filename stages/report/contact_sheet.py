"""The contact sheet: small pictures for each verdict, with the limit in between where there is one.

A verdict is a block of the page. Blocks flow in rows as words do, and what is left of a row goes to further images of
the blocks in it, so that a verdict of one image takes no row of its own.
"""

import textwrap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stages.report.page import Page
from stages.report.png import save_png

# Orange and blue, of Okabe and Ito (2008): told apart by those who do not see red or green.
_REJECTED_COLOR, _KEPT_COLOR, _GRAY, _DARK = "#D55E00", "#0072B2", "#868e96", "#495057"

# In pixels.
_MARGIN = 12
_TILE, _TILE_HEIGHT, _GAP = 92, 80, 6
_LIMIT, _BETWEEN = 14, 26  # between both sides of a limit, and between blocks
_TITLE, _CAPTION, _BELOW = 32, 14, 14
_ROW = _TITLE + _TILE_HEIGHT + _CAPTION + _BELOW
_LINE = 18
_NARROWEST = 5 * (_TILE + _GAP)  # for the title
_LETTERS_A_LINE, _LINES, _TEXT_LINE = 18, 5, 13  # of a text in a tile
_SMALLEST = 8  # points that a caption may become
_CREDIT, _LETTER = 16, 5.2  # of the names below: a line's height, and a letter's width, about
_BADGE = 15  # height of the number of images that look the same


@dataclass(frozen=True)
class Tile:
    """One image of the sheet, or several that look the same.

    Attributes:
        pixels: uint8 [height, width, 3], RGB; ``None`` where there is nothing to be seen.
        text: what stands in the place of pixels: how the file begins, or that it is gone.
        caption: the measure with its unit, or the size.
        images: how many look like this.
        cut: a part of the picture is marked as missing.
        image_name: of the image, or of one of those that look the same.
        withheld: there are pixels to be seen, and they may not be shown.
    """

    pixels: np.ndarray | None
    text: str
    caption: str
    images: int = 1
    cut: bool = False
    image_name: str = ""
    withheld: bool = False


@dataclass(frozen=True)
class Block:
    """One verdict.

    Attributes:
        verdict: its name.
        number: of images that have it.
        limit: the limit, in words; empty where there is none.
        rejected: tiles of images with this verdict, the one nearest to the limit first.
        kept: tiles of sound images, the one nearest to the limit first.
    """

    verdict: str
    number: int
    limit: str
    rejected: list[Tile]
    kept: list[Tile]

    @property
    def width(self) -> int:
        """In pixels, with all of its tiles."""
        tiles = len(self.rejected) + len(self.kept)
        return tiles * (_TILE + _GAP) - _GAP + (_LIMIT if self.rejected and self.kept else 0)

    def first(self, rejected: int, kept: int) -> "Block":
        """Give the block with so many tiles of either side, at the most."""
        return replace(self, rejected=self.rejected[:rejected], kept=self.kept[:kept])


def draw_contact_sheet(rows: list[list[Block]], path: Path, *, withheld: str = "", credit: str = "") -> None:
    """Write the picture to ``path`` (PNG).

    Args:
        rows: of blocks, as ``flow`` gives them.
        path: of the picture.
        withheld: how many images may not be shown, and why; a line of the head.
        credit: who made the photos, below them.
    """
    save_png(lay_out(rows, withheld=withheld, credit=credit), path)


def tiles_a_row(a_side: int) -> int:
    """Give the number of tiles that a row may hold: so many of either side of a limit can be shown, and no more."""
    return 2 * a_side


def flow(blocks: list[Block], *, a_side: int) -> list[list[Block]]:
    """Put blocks into rows, in their order, each cut to the tiles that it shows.

    A block has a place for ``a_side`` rejected images and for half as many kept ones, as far as there are any; then the
    blocks of a row take turns in what is left of its width.
    """
    widest = tiles_a_row(a_side) * (_TILE + _GAP) - _GAP + 2 * _LIMIT + _BETWEEN
    rows: list[list[Block]] = []
    shown: list[list[Block]] = []
    for block in blocks:
        least = block.first(a_side, (a_side + 1) // 2)
        if rows and _width(shown[-1]) + _BETWEEN + least.width <= widest:
            rows[-1].append(block)
            shown[-1].append(least)
        else:
            rows.append([block])
            shown.append([least])
    return [_stretched(row, least, widest) for row, least in zip(rows, shown, strict=True)]


def _stretched(row: list[Block], shown: list[Block], widest: int) -> list[Block]:
    """Show more tiles of the blocks of a row, one after the other, until it is full or all are shown."""
    shown, grew = list(shown), True
    while grew:
        grew = False
        for place, block in enumerate(row):
            rejected, kept = len(shown[place].rejected), len(shown[place].kept)
            for more in (block.first(rejected, kept + 1), block.first(rejected + 1, kept)):
                wider = [*shown[:place], more, *shown[place + 1 :]]
                if more.width > shown[place].width and _width(wider) <= widest:
                    shown, grew = wider, True
                    break
    return shown


def _width(row: list[Block]) -> int:
    return sum(block.width for block in row) + _BETWEEN * (len(row) - 1)


def lay_out(rows: list[list[Block]], *, withheld: str = "", credit: str = "") -> Figure:
    """Draw what ``draw_contact_sheet`` writes."""
    head = [*_head([block for row in rows for block in row]), *([withheld] if withheld else [])]
    width = 2 * _MARGIN + max([_NARROWEST, *map(_width, rows)])
    top = _MARGIN + _LINE * len(head) + _MARGIN
    foot = textwrap.wrap(credit, int((width - 2 * _MARGIN) / _LETTER))
    below = top + _ROW * len(rows) + (0 if rows else 2 * _LINE)
    page = Page(width, below + _CREDIT * len(foot) + (_MARGIN if foot else 0))
    for number, line in enumerate(head):
        size = 10 if number else 13
        page.write(line, _MARGIN, _MARGIN + 14 + number * _LINE, width - 2 * _MARGIN, size=size, smallest=_SMALLEST)
    if not rows:
        page.write("nothing was rejected", _MARGIN, top + _LINE, width, size=10, color=_GRAY)
    for number, row in enumerate(rows):
        left = _MARGIN
        for block in row:
            _draw_block(page, block, left, top + number * _ROW)
            left += block.width + _BETWEEN
    for number, line in enumerate(foot):
        base = below + _CREDIT * number + 11
        page.write(line, _MARGIN, base, width - 2 * _MARGIN, size=8.5, smallest=_SMALLEST, color=_GRAY)
    return page.figure


def _head(blocks: list[Block]) -> list[str]:
    """Give the title and what explains the signs on the sheet, those that are there."""
    tiles = [tile for block in blocks for tile in (*block.rejected, *block.kept)]
    kept = ", and kept ones (blue) that lie nearest to the same limit" if any(block.kept for block in blocks) else ""
    signs = ["×: so many images that look the same"] if any(tile.images > 1 for tile in tiles) else []
    signs += ["striped: the part that a broken file lacks"] if any(tile.cut for tile in tiles) else []
    return [f"Rejected images (orange){kept}", *(["; ".join(signs)] if signs else [])]


def _draw_block(page: Page, block: Block, left: float, top: float) -> None:
    shown = sum(tile.images for tile in block.rejected)
    number = f"{block.number:,}" if shown >= block.number else f"{shown:,} of {block.number:,}"
    title = f"{block.verdict}: {number}"
    page.write(title, left, top + 11, block.width, size=10, smallest=_SMALLEST, weight="bold")
    page.write(block.limit, left, top + 26, block.width, size=8.5, smallest=_SMALLEST, color=_DARK)
    # The nearest to the limit stand in the middle, to either side of it.
    place = left
    for tiles, color in ((block.rejected[::-1], _REJECTED_COLOR), (block.kept, _KEPT_COLOR)):
        for tile in tiles:
            _draw_tile(page, tile, color, place, top + _TITLE)
            place += _TILE + _GAP
        if tiles and tiles is not block.kept and block.kept:
            page.box(place - _GAP / 2 + _LIMIT / 2 - 0.5, top + _TITLE, 1, _TILE_HEIGHT, edge=None, face=_GRAY)
            place += _LIMIT


def _draw_tile(page: Page, tile: Tile, color: str, left: float, top: float) -> None:
    width, height = float(_TILE), float(_TILE_HEIGHT)
    if tile.pixels is not None:
        scale = min(_TILE / tile.pixels.shape[1], _TILE_HEIGHT / tile.pixels.shape[0])
        # A strip of a thousand to one is still to be seen.
        height, width = (max(6.0, side * scale) for side in tile.pixels.shape[:2])
    x, y = left + (_TILE - width) / 2, top + (_TILE_HEIGHT - height) / 2
    if tile.pixels is not None:
        page.picture(tile.pixels, x, y, width, height)
    page.box(x, y, width, height, edge=color, face="#f1f3f5" if tile.pixels is None else None)
    lines = [line for part in tile.text.split("\n") for line in textwrap.wrap(part, _LETTERS_A_LINE)]
    lines = lines[: _LINES - 1 if tile.images > 1 else _LINES]
    middle = left + _TILE / 2
    room = top + _BADGE if tile.images > 1 else top
    base = (room + top + _TILE_HEIGHT - _TEXT_LINE * len(lines)) / 2 + 8
    for number, line in enumerate(lines):
        below = base + _TEXT_LINE * number
        page.write(line, middle, below, _TILE - 6, size=8, smallest=_SMALLEST, align="center", color=_DARK)
    if tile.images > 1:
        badge = min(_TILE, 12 + 6 * len(f"× {tile.images:,}"))
        right = left + _TILE  # of the tile: the picture may be narrower than its number
        page.box(right - badge, top, badge, _BADGE, edge=color, face="white")
        page.write(
            f"× {tile.images:,}", right - badge / 2, top + 11, badge - 6, size=9, smallest=_SMALLEST, align="center",
            color=color, weight="bold",
        )  # fmt: skip
    page.write(
        tile.caption, middle, top + _TILE_HEIGHT + 11, _TILE, size=8, smallest=_SMALLEST, align="center", color=color
    )
