"""Stage ``contact_sheet``: a picture of the images that were rejected, and of those that nearly were.

For each verdict it shows the images that lie nearest to the limit on its either side, so that a person can judge
where the limit should be; of broken files it shows what is there. What looks the same is shown once, with its number.
It shows what this machine's cache holds: an image that is gone or changed is said to be, and stops nothing, as files
with some verdicts are replaced by the next ``fetch``. In the place of a photo that may not be shown stands its license.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import polars as pl

from stages.cache.directory import cache_directory, reading
from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Inventory
from stages.config.sources import inventory_path
from stages.images.decode import DecodeError, decode_rgb, read_header, reduction, shown_size
from stages.images.measure import ONE_SHADE_STD
from stages.images.originals import read_image
from stages.images.salvage import decode_part, look_at_large
from stages.images.shrink import shrink
from stages.images.verdict import LIMITED, VERDICTS
from stages.records.rights import Rights, rights_of, withheld_in_words
from stages.report.contact_sheet import Block, Tile, draw_contact_sheet, flow, tiles_a_row
from stages.report.file_text import first_words
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.tables.cache_filter import REJECTED
from stages.tables.export import RECORDS
from stages.tables.images import IMAGES
from stages.tables.inventory import INVENTORY, MEASURES
from stages.tables.table import read_table

RECORDS_IN = Path("data/records.parquet")
IMAGES_IN = Path("data/images.parquet")
REJECTED_IN = Path("data/rejected.parquet")
PICTURE = Path("plots/rejected_images.png")

TILE_PX = 160
TEXT_LETTERS = 90  # of a file that is no image: what a tile has room for
NO_PICTURE = "license_not_allowed"  # says nothing of how an image looks

READ_A_SIDE = 200  # files that are looked at, at the most, where many look the same
NEAR_A_LIMIT = 5_000  # kept images, the nearest ones, among which those that look the same are found
ALIKE_LEVELS = 6  # of 255, by which two tiles may differ that look the same


class Look(NamedTuple):
    """One of the images that look the same by the inventory, and how many they are."""

    image_name: str
    sha256: str
    value: float | None  # of the verdict's measure
    images: int


def main() -> None:
    """Choose images for each verdict, read them, draw them."""
    params = stage_params("contact_sheet")
    check_libraries("contact_sheet")
    cache = cache_directory(params.profile)
    measured = read_table(inventory_path(params.profile), INVENTORY)
    rejected = (
        read_table(REJECTED_IN, REJECTED)
        .filter(pl.col("verdict") != NO_PICTURE)
        .unique("image_name", keep="first", maintain_order=True)
        .join(measured.select("image_name", "phash"), on="image_name", how="left", maintain_order="left")
    )
    kept = measured.join(read_table(IMAGES_IN, IMAGES), on="image_name", how="semi")
    records = read_table(RECORDS_IN, RECORDS, only=("image_name", "license", "observer"))
    rights = rights_of(records.join(measured, on="image_name", how="semi"), params.pictures.licenses)

    a_side = params.contact_sheet.images_a_side
    with reading(cache):
        blocks = [
            make_block(
                verdict, rejected.filter(pl.col("verdict") == verdict), kept, params.inventory, cache, a_side, rights
            )
            for verdict in in_order(rejected["verdict"].unique())
        ]
    shown = flow(blocks, a_side=a_side)
    tiles = [tile for row in shown for block in row for tile in (*block.rejected, *block.kept)]
    withheld = withheld_in_words(sum(tile.withheld for tile in tiles), len(tiles), rights)
    credit = rights.credits(tile.image_name for tile in tiles if tile.pixels is not None)
    draw_contact_sheet(shown, PICTURE, withheld=withheld, credit=f"Photos: {credit}" if credit else "")
    said = f" ({withheld})" if withheld else ""
    say(f"contact_sheet: {rejected.height:,} rejected images of {len(blocks)} verdicts; see {PICTURE}{said}")


def in_order(verdicts: Iterable[str]) -> list[str]:
    """Put verdicts into the order of the sheet: those without a limit first, which have few images to show."""
    known = {verdict: place for place, verdict in enumerate(VERDICTS)}
    return sorted(verdicts, key=lambda verdict: (verdict in LIMITED, known.get(verdict, len(known)), verdict))


def make_block(
    verdict: str,
    rejected: pl.DataFrame,
    kept: pl.DataFrame,
    limits: Inventory,
    cache: Path,
    a_side: int,
    rights: Rights,
) -> Block:
    """Choose and read the images of one verdict: those nearest to its limit, where it has one.

    Args:
        verdict: its name.
        rejected: the images with it, columns of ``REJECTED`` and phash.
        kept: the sound images, columns of ``INVENTORY``.
        limits: section ``inventory`` of params.yaml.
        cache: the image cache's directory.
        a_side: images to show to either side of a limit.
        rights: which of the images may be shown.
    """
    name, most = verdict.replace("_", " "), tiles_a_row(a_side)
    if verdict not in LIMITED:
        looks = find_looks(rejected.sort("image_name").with_columns(value=pl.lit(None, pl.Float64)), rights)

        def read_as_it_is(look: Look) -> Tile:
            return read_tile(cache, look.image_name, look.sha256, limits.max_megapixels)

        return Block(name, rejected.height, "", read_looks(looks, read_as_it_is, most, rights), [])

    measure, key = LIMITED[verdict]
    upper, limit = key.startswith("max_"), getattr(limits, key)

    def read_measured(look: Look) -> Tile:
        tile = read_tile(cache, look.image_name, look.sha256, limits.max_megapixels)
        return tile if look.value is None else replace(tile, caption=with_unit(key, look.value))

    beyond, within = (
        images.with_columns(value=measure.cast(pl.Float64)).sort(
            "value", "image_name", descending=[descending, False], nulls_last=True
        )
        for images, descending in ((rejected, not upper), (kept, upper))
    )
    return Block(
        name,
        rejected.height,
        f"{'over' if upper else 'under'} inventory.{key} {limit:g}",
        read_looks(find_looks(beyond, rights), read_measured, most, rights),
        read_looks(find_looks(within.drop_nulls("value").head(NEAR_A_LIMIT), rights), read_measured, most, rights),
    )


def find_looks(images: pl.DataFrame, rights: Rights) -> list[Look]:
    """Put images together that look the same by the inventory: the same bytes, or the same hash and measures.

    Even areas are put together by their bytes alone, as no measure says which level of gray they have.

    Args:
        images: image_name, sha256, phash, value and the measures, in their order.
        rights: which of them may be shown.

    Returns:
        In the order of the first of each; it is named, or the first that may be shown.
    """
    numbers = [pl.col(name).cast(pl.String) for name, kind in MEASURES.items() if kind.is_float()]
    look = pl.concat_str(pl.col("phash").bin.encode("hex"), *numbers, separator=" ")
    # What is of one shade has no structure for a perceptual hash, and black has the one of white.
    structured = (pl.col("gray_std") >= ONE_SHADE_STD).fill_null(False) & look.is_not_null()
    key = pl.when(structured).then(look).otherwise("sha256")
    withheld = ~pl.col("image_name").map_elements(rights.may_show, pl.Boolean)
    grouped = (
        images.with_columns(key.alias("look"), withheld=withheld)
        .group_by("look", maintain_order=True)
        .agg(pl.col("image_name", "sha256", "value").sort_by("withheld", maintain_order=True).first(), images=pl.len())
    )
    return [Look(*row) for row in grouped.select(Look._fields).iter_rows()]


def read_looks(looks: list[Look], read: Callable[[Look], Tile], most: int, rights: Rights) -> list[Tile]:
    """Read images as tiles, ``most`` of them that look different; those that look the same are one, with their number.

    Images are read in their order, until the first that has no place, or ``READ_A_SIDE`` files are read. Of those that
    look the same the first that may be shown is.
    """
    tiles: list[Tile] = []
    for look in looks[:READ_A_SIDE]:
        tile = replace(read(look), images=look.images, image_name=look.image_name)
        place = next((place for place, other in enumerate(tiles) if look_the_same(tile, other)), None)
        if place is not None:
            other = tiles[place]
            named = other if rights.may_show(other.image_name) else tile
            tiles[place] = replace(other, images=other.images + look.images, image_name=named.image_name)
        elif len(tiles) == most:
            break
        else:
            tiles.append(tile)
    return [
        tile if tile.pixels is None or rights.may_show(tile.image_name) else withhold(tile, rights) for tile in tiles
    ]


def withhold(tile: Tile, rights: Rights) -> Tile:
    """Put the license of a photo that may not be shown in its place; its caption stays."""
    text = f"not shown:\n{rights.license(tile.image_name)}"
    return replace(tile, pixels=None, text=text, cut=False, withheld=True)


def look_the_same(one: Tile, other: Tile) -> bool:
    """Say whether nobody could tell two tiles apart: the same text, or pixels of the same shape and colors."""
    if one.pixels is None or other.pixels is None:
        return one.pixels is other.pixels and one.text == other.text
    if one.cut != other.cut or np.abs(np.subtract(one.pixels.shape, other.pixels.shape)).max() > 1:
        return False
    pictures = (cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA) for pixels in (one.pixels, other.pixels))
    return int(cv2.absdiff(*pictures).max()) <= ALIKE_LEVELS


def read_tile(cache: Path, image_name: str, sha256: str, max_megapixels: float) -> Tile:
    """Read an image as a tile, captioned by its size: as much of it as can be seen cheaply, or in words what it is."""
    try:
        data = read_image(cache, image_name, sha256)
    except UserError:
        return Tile(None, "gone or changed\nsince the inventory", "")
    in_bytes = file_size(len(data))
    try:
        header = read_header(data)
    except DecodeError:
        return Tile(None, first_words(data, TEXT_LETTERS) if data else "no bytes", in_bytes)
    width, height = shown_size(*header)
    size = f"{width:,} × {height:,} px"
    if width * height > max_megapixels * 1_000_000:
        caption = f"{width * height / 1e6:,.4g} MP"
        pixels = look_at_large(data, max_megapixels)
        return (
            Tile(None, size.replace(" × ", " ×\n"), caption)
            if pixels is None
            else Tile(shrink(pixels, TILE_PX), "", caption)
        )
    try:
        return Tile(shrink(decode_rgb(data, factor=reduction(min(width, height), TILE_PX)), TILE_PX), "", size)
    except DecodeError:
        pass
    try:
        pixels, missing = decode_part(data, TILE_PX)
    except DecodeError:
        return Tile(None, f"{size}\nby its header; nothing of it can be decoded", in_bytes)
    share = float(missing.mean())
    marked = mark(shrink(pixels, TILE_PX), missing)
    return Tile(marked, "", f"{in_bytes}, {share:.0%} missing" if share else in_bytes, cut=bool(share))


def mark(pixels: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Lay stripes over the part of a small picture that is missing: bool [h, w], of any size."""
    height, width = pixels.shape[:2]
    where = cv2.resize(missing.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
    rows, columns = np.indices((height, width))
    stripes = np.where(((rows + columns) // 6 % 2)[..., None] == 0, np.uint8(255), np.uint8(206))
    return np.where(where[..., None], stripes, pixels)


def with_unit(key: str, value: float) -> str:
    """Put a measure into words by its limit's key in params.yaml, which has the unit in its name."""
    name = key.removeprefix("min_").removeprefix("max_")
    subject, _, unit = name.rpartition("_")
    words = {
        "px": f"{value:,.0f} px",
        "share": f"{100 * value:.4g} % {subject.replace('_', ' ')}",
        "std": f"{value:.4g} gray levels",
        "megapixels": f"{value:.4g} MP",
        "mb": f"{value:.4g} MB",
        "aspect": f"{value:.4g} : 1",
    }
    return words.get(unit, f"{name.replace('_', ' ')} {value:.4g}")


def file_size(number: int) -> str:
    """Give a file's size, in bytes, kB or MB."""
    if number < 1_000:
        return f"{number} bytes"
    return f"{number / 1e3:.3g} kB" if number < 999_500 else f"{number / 1e6:,.3g} MB"


if __name__ == "__main__":
    run(main)
