"""Stage ``compare_crops``: smart against centre crop, as figures and as a picture.

Both are measured on the very crop that ``pack`` would make, whatever ``crop.mode`` says. Where the true box of the
subject is known (data/sources/<profile>/boxes.parquet; the sample has them all) the crops are held against it.
"""

import hashlib
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.download.cache import cache_directory, reading
from stages.errors import run
from stages.images.crop import FALLBACKS, Square, center_crop, saliency_held, saliency_map
from stages.images.decode import decode_rgb, read_header, shown_size
from stages.images.originals import map_originals, read_image
from stages.images.prepare import decode_and_crop
from stages.outputs import write_json
from stages.params import Crop, stage_params
from stages.progress import progress, say
from stages.report.comparison import Box, Comparison, draw_comparison
from stages.tables import BOXES, SPLIT, SPLITS, read_table

SPLITS_IN = Path("data/splits")
SOURCES = Path("data/sources")
METRICS = Path("metrics/crops.json")
PICTURE = Path("plots/crop_comparison.png")


class Measured(NamedTuple):
    """The two crops of one image, in pixels of the image as shown."""

    smart: Square
    center: Square


def main() -> None:
    """Measure both crops on a sample of the images, show some of them."""
    params = stage_params("compare_crops")
    cache = cache_directory(params.profile)
    boxes = {name: box for name, *box in read_table(SOURCES / params.profile / "boxes.parquet", BOXES).iter_rows()}
    rows = pl.concat(read_table(SPLITS_IN / f"{name}.parquet", SPLIT) for name in SPLITS)
    rows = draw_rows(rows, params.compare_crops.seed).head(params.compare_crops.figure_images)

    smart = params.crop.model_copy(update={"mode": "smart"})
    wanted = rows.select("image_name", "sha256").rows()
    # One image a species, common and rare alike.
    shown = rows.unique("species", keep="first", maintain_order=True).head(params.compare_crops.picture_images)
    with reading(cache):
        pairs = map_originals(partial(measure_image, smart=smart, size_px=params.image.pack_px), wanted, cache)
        measured = dict(progress(pairs, what="compare crops", total=rows.height))
        comparisons = [
            Comparison(species, decode_rgb(read_image(cache, name, sha256)), *measured[name], boxes.get(name))
            for name, sha256, species in shown.select("image_name", "sha256", "species").iter_rows()
        ]

    draw_comparison(comparisons, PICTURE)
    figures = summarise(measured, boxes)
    write_json(METRICS, figures)
    kept = {crop: figures[crop].get("subject_kept", figures[crop]["saliency_kept"]) for crop in ("smart", "center")}
    of_what = "plant" if figures["images_with_true_box"] else "saliency"
    say(
        f"compare_crops: of the {of_what}, smart crop keeps {kept['smart']:.3f} and centre crop {kept['center']:.3f} "
        f"({len(measured):,} images); see {PICTURE}"
    )


def draw_rows(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Put the rows into a drawn order that does not depend on the order they came in."""
    draws = [hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).hexdigest() for name in rows["image_name"]]
    return rows.with_columns(draw=pl.Series(draws, dtype=pl.String)).sort("draw").drop("draw")


def measure_image(data: bytes, image_name: str, _sha256: str, smart: Crop, size_px: int) -> tuple[str, Measured]:
    """Find the smart and the centre crop of one image, in pixels of the image as shown; give its name with them."""
    pixels, found = decode_and_crop(data, smart, size_px)
    saliency = saliency_map(pixels, smart.thumbnail_px)
    height, width = pixels.shape[:2]
    middle = center_crop(width, height)
    full_width, _ = shown_size(*read_header(data))
    held = (replace(square, saliency=saliency_held(saliency, square, width, height)) for square in (found, middle))
    return image_name, Measured(*(square.scaled(full_width / width) for square in held))


def overlap(box: Box, square: Square) -> int:
    """Give the area, in pixels, that a box (x, y, width, height) and a square share."""
    x, y, width, height = box
    shared_w = min(x + width, square.x + square.side) - max(x, square.x)
    shared_h = min(y + height, square.y + square.side) - max(y, square.y)
    return max(0, shared_w) * max(0, shared_h)


def summarise(measured: dict[str, Measured], boxes: dict[str, Box]) -> dict[str, Any]:
    """Say how often smart crop fell back, and how much of the saliency and of the true subjects both crops keep."""
    fallbacks = Counter(pair.smart.how for pair in measured.values() if pair.smart.how in FALLBACKS)
    known = {name: boxes[name] for name in measured if name in boxes}
    figures: dict[str, Any] = {
        "images": len(measured),
        "fallback_share": fallbacks.total() / len(measured),
        "fallbacks": {reason: fallbacks[reason] for reason in FALLBACKS},
        "images_with_true_box": len(known),
    }
    for crop in ("smart", "center"):
        squares = {name: getattr(pair, crop) for name, pair in measured.items()}
        figures[crop] = {"saliency_kept": float(np.nanmean([square.saliency for square in squares.values()]))}
        if known:
            shared = np.array([overlap(box, squares[name]) for name, box in known.items()], float)
            kept = shared / np.array([width * height for _, _, width, height in known.values()])
            figures[crop] |= {
                "subject_kept": float(kept.mean()),
                "subject_missed_share": float((kept < 0.5).mean()),  # less than half of it kept
                "subject_share_of_crop": float(np.mean(shared / [squares[name].side ** 2 for name in known])),
            }
    return figures


if __name__ == "__main__":
    run(main)
