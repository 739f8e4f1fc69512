"""Stage ``contact_sheet``: a picture of the images that were rejected, and of those that nearly were.

For each verdict it shows the images that lie nearest to the limit on its either side, so that a person can judge
where the limit should be. It shows what this machine's cache holds: an image that is gone or changed is said to be,
and stops nothing, as files with some verdicts are replaced by the next ``fetch``.
"""

import textwrap
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from stages.cache.directory import cache_directory, reading
from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Inventory
from stages.config.sources import inventory_path
from stages.images.decode import DecodeError, decode_rgb, read_header, reduction
from stages.images.originals import read_image
from stages.images.verdict import LIMITED, VERDICTS
from stages.report.contact_sheet import Row, Tile, draw_contact_sheet
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.tables.cache_filter import REJECTED
from stages.tables.images import IMAGES
from stages.tables.inventory import INVENTORY
from stages.tables.table import read_table

IMAGES_IN = Path("data/images.parquet")
REJECTED_IN = Path("data/rejected.parquet")
PICTURE = Path("plots/rejected_images.png")

TILE_PX = 160
NO_PICTURE = "license_not_allowed"  # says nothing of how an image looks


def main() -> None:
    """Choose images for each verdict, read them, draw them."""
    params = stage_params("contact_sheet")
    check_libraries("contact_sheet")
    cache = cache_directory(params.profile)
    rejected = (
        read_table(REJECTED_IN, REJECTED)
        .filter(pl.col("verdict") != NO_PICTURE)
        .unique("image_name", keep="first", maintain_order=True)
    )
    available = read_table(IMAGES_IN, IMAGES)
    measured = read_table(inventory_path(params.profile), INVENTORY, only=INVENTORY.keys() - {"phash"})
    kept = measured.join(available, on="image_name", how="semi")

    a_side = params.contact_sheet.images_a_side
    with reading(cache):
        rows = [
            make_row(verdict, rejected.filter(pl.col("verdict") == verdict), kept, params.inventory, cache, a_side)
            for verdict in (*VERDICTS, "placeholder")
            if verdict in rejected["verdict"]
        ]
    draw_contact_sheet(rows, PICTURE, a_side=a_side)
    say(f"contact_sheet: {rejected.height:,} rejected images of {len(rows)} verdicts; see {PICTURE}")


def make_row(
    verdict: str, rejected: pl.DataFrame, kept: pl.DataFrame, limits: Inventory, cache: Path, a_side: int
) -> Row:
    """Choose and read the images of one verdict: those nearest to its limit, where it has one."""
    title = f"{verdict.replace('_', ' ')}: {rejected.height:,}"
    if verdict not in LIMITED:
        # The same bytes are shown once, however often they came.
        different = rejected.unique("sha256", keep="first", maintain_order=True)
        tiles = [
            read_tile(cache, *row, limits.max_megapixels, caption=f"{row[2]:,} bytes")
            for row in _files(different, a_side)
        ]
        return Row(title, tiles, [])
    measured, key = LIMITED[verdict]
    upper = key.startswith("max_")
    sides = []
    for images, descending in ((rejected, not upper), (kept, upper)):
        nearest = images.with_columns(value=measured).sort("value", "image_name", descending=[descending, False])
        values = nearest["value"].to_list()
        sides.append(
            [
                read_tile(cache, *row, limits.max_megapixels, caption=f"{value:.3g}")
                for row, value in zip(_files(nearest, a_side), values, strict=False)
            ]
        )
    limit = getattr(limits, key)
    return Row(f"{title} ({'over' if upper else 'under'} inventory.{key} {limit:g})", *sides)


def read_tile(cache: Path, image_name: str, sha256: str, size: int, max_megapixels: float, *, caption: str) -> Tile:
    """Read an image as a tile; one that cannot be shown, or is too large to be decoded for that, says so."""
    try:
        data = read_image(cache, image_name, sha256)
    except UserError:
        return Tile(None, "gone or changed\nsince the inventory", caption)
    try:
        width, height = read_header(data)[:2]
        if width * height > max_megapixels * 1_000_000:
            return Tile(None, f"{width:,} x\n{height:,} px", caption)
        picture = Image.fromarray(decode_rgb(data, factor=reduction(min(width, height), TILE_PX)))
    except DecodeError:
        begins = data[:60].decode("ascii", "replace").replace("\ufffd", "·") if size else "no bytes"
        printable = "".join(letter if letter.isprintable() else "·" for letter in begins)
        return Tile(None, textwrap.fill(printable, 16), caption)
    picture.thumbnail((TILE_PX, TILE_PX))
    return Tile(np.asarray(picture), "", caption)


def _files(images: pl.DataFrame, number: int) -> list[tuple[str, str, int]]:
    return images.head(number).select("image_name", "sha256", "bytes").rows()


if __name__ == "__main__":
    run(main)
