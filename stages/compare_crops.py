"""Stage ``compare_crops``: smart against center crop, as figures, curves and a picture.

Both are measured on the very crop that ``pack`` would make, whatever ``crop.mode`` says. Where the true box of the
subject is known (data/sources/<profile>/boxes.parquet; of the sample it nearly always is) the crops are held against
it.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from stages.cache.directory import cache_directory, reading
from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import CompareCrops, Crop
from stages.config.sources import boxes_path
from stages.evaluation.crops import CROPS, Measured, kept_curves, summarize, tabulate
from stages.images.crop import FALLBACKS, center_crop, saliency_held, saliency_map
from stages.images.decode import decode_rgb, read_header, reduction, shown_size
from stages.images.originals import map_originals, read_image
from stages.images.prepare import decode_and_crop
from stages.report.crop_comparison import Comparison, draw_comparison
from stages.runtime.errors import run
from stages.runtime.progress import progress, say
from stages.splitting.draws import draw
from stages.tables.cache_filter import AVAILABLE
from stages.tables.compare_crops import BOXES, CROP_CURVES
from stages.tables.json_files import write_figures
from stages.tables.table import read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
METRICS = Path("metrics/crops.json")
REPORT = Path("data/reports/crops.json")
CURVES = Path("plots/crop_kept.csv")
PICTURE = Path("plots/crop_comparison.png")

SHOWN_PX = 400  # short side of the images in the picture: a small crop of them still fills its place


def main() -> None:
    """Measure both crops on a sample of the images; show some of them, the worst and those that fell back."""
    params = stage_params("compare_crops")
    check_libraries("compare_crops")
    cache = cache_directory(params.profile)
    boxes = {name: tuple(box) for name, *box in read_table(boxes_path(params.profile), BOXES).iter_rows()}
    # By their names alone, so that another split, or another species for an image, compares the same images.
    rows = read_table(AVAILABLE_IN, AVAILABLE, only=("image_name", "sha256", "species")).unique(
        "image_name", keep="first"
    )
    rows = draw_rows(rows, params.compare_crops.seed).head(params.compare_crops.figure_images)

    smart = params.crop.model_copy(update={"mode": "smart"})
    wanted = rows.select("image_name", "sha256").rows()
    with reading(cache):
        pairs = map_originals(partial(measure_image, smart=smart, size_px=params.image.pack_px), wanted, cache)
        measured = dict(progress(pairs, what="compare crops", total=rows.height))
        table = tabulate(measured, boxes)
        comparisons = []
        for name, sha256, species, why in choose_shown(rows, table, params.compare_crops).iter_rows():
            pixels = decode_to_show(read_image(cache, name, sha256))
            comparisons.append(
                Comparison(species, why, pixels, saliency_map(pixels, smart), measured[name], boxes.get(name))
            )

    draw_comparison(comparisons, PICTURE)
    write_table(kept_curves(table), CROP_CURVES, CURVES)
    figures = summarize(table)
    write_figures(REPORT, figures)
    kept = {crop: figures[crop].get("subject_kept", figures[crop]["saliency_kept"]) for crop in CROPS}
    # What people compare from run to run: of the subject where its true box is known, else of the saliency.
    write_figures(
        METRICS, {f"{crop}_kept": kept[crop] for crop in CROPS} | {"fallback_share": figures["fallback_share"]}
    )
    of_what, images = "saliency", len(measured)
    if figures["images_with_true_box"]:
        of_what, images = "plant", figures["images_with_true_box"]
    say(
        f"compare_crops: of the {of_what}, smart crop keeps {kept['smart']:.3f} and center crop {kept['center']:.3f} "
        f"({images:,} images); see {PICTURE}"
    )


def draw_rows(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Put the rows into a drawn order that does not depend on the order they came in."""
    draws = [draw(name, seed) for name in rows["image_name"]]
    return rows.with_columns(draw=pl.Series(draws, dtype=pl.UInt64)).sort("draw").drop("draw")


def measure_image(data: bytes, image_name: str, _sha256: str, smart: Crop, size_px: int) -> tuple[str, Measured]:
    """Find the smart and the center crop of one image, in pixels of the image as shown; give its name with them."""
    prepared = decode_and_crop(data, smart, size_px)
    height, width = prepared.pixels.shape[:2]
    middle = center_crop(width, height)
    middle = replace(middle, saliency=saliency_held(saliency_map(prepared.pixels, smart), middle, width, height))
    shown = shown_size(*read_header(data))
    return image_name, Measured(prepared.in_original(prepared.square), prepared.in_original(middle), *shown)


def decode_to_show(data: bytes) -> np.ndarray:
    """Decode an image at a short side of ``SHOWN_PX``, or its own where that is smaller: uint8 [h, w, 3], RGB."""
    pixels = decode_rgb(data, factor=reduction(min(read_header(data)[:2]), SHOWN_PX))
    scale = SHOWN_PX / min(pixels.shape[:2])
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else pixels


def choose_shown(rows: pl.DataFrame, table: pl.DataFrame, params: CompareCrops) -> pl.DataFrame:
    """Choose the images to show: of each some species, those of which smart crop keeps least, some that fell back.

    Args:
        rows: images in their drawn order: image_name, sha256, species.
        table: as ``tabulate`` gives it.
        params: how many of each.

    Returns:
        image_name, sha256, species and why it is shown; an image stands once, for the last of its reasons.
    """
    # What is kept of a true subject and what of the map are two measures: where the one is known, it alone says.
    measure = "saliency_kept" if table["subject_kept"].is_null().all() else "subject_kept"
    smart = table.filter(pl.col("crop") == "smart").with_columns(
        kept=pl.col(measure), fell_back=pl.col("how").is_in(FALLBACKS)
    )
    judged = rows.select("image_name", "sha256", "species").join(smart, on="image_name", maintain_order="left")
    # One image a species, common and rare alike.
    parts = {
        "": judged.unique("species", keep="first", maintain_order=True).head(params.picture_images),
        "least kept": judged.drop_nulls("kept").sort("kept", maintain_order=True).head(params.worst_images),
        "fell back": judged.filter("fell_back").head(params.fallback_images),
    }
    shown = pl.concat(part.with_columns(why=pl.lit(why)) for why, part in parts.items())
    return shown.unique("image_name", keep="last", maintain_order=True).select("image_name", "sha256", "species", "why")


if __name__ == "__main__":
    run(main)
