"""Stage ``compare_crops``: smart against center crop, as figures, curves and a picture.

Both are measured on the very crop that ``pack`` would make, whatever ``crop.mode`` says. Where the true box of the
subject is known (data/sources/<profile>/boxes.parquet; of the sample it nearly always is) the crops are held against
it. Of all images it is said what share of the saliency map a crop holds beyond its share of the area. These are two
measures, see stages/evaluation/crops.py: each has its own figures and its own curves, and one that is not known has
none, and an empty table.
"""

from collections import Counter
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
from stages.evaluation.crops import (
    Measured,
    compared_figures,
    compared_in_words,
    fallen_in_words,
    gain_curves,
    kept_curves,
    summarize,
    tabulate,
)
from stages.images.crop import FALLBACKS, center_crop, saliency_held
from stages.images.decode import decode_rgb, read_header, reduction, shown_size
from stages.images.originals import map_originals, read_image
from stages.images.prepare import decode_and_crop
from stages.images.saliency import saliency_map
from stages.records.rights import rights_of, withheld_in_words
from stages.report.crop_comparison import Comparison, draw_comparison
from stages.runtime.errors import run
from stages.runtime.progress import progress, say
from stages.splitting.draws import draw
from stages.tables.cache_filter import AVAILABLE
from stages.tables.compare_crops import BOXES, GAIN_CURVES, KEPT_CURVES
from stages.tables.json_files import write_figures
from stages.tables.table import read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
METRICS = Path("metrics/crops.json")
REPORT = Path("data/reports/crops.json")
KEPT = Path("plots/crop_kept.csv")
GAIN = Path("plots/crop_gain.csv")
PICTURE = Path("plots/crop_comparison.png")

LEAST_KEPT, LEAST_GAIN, FELL_BACK = "least kept", "least gain", "fell back"  # why an image is shown

_READ = ("image_name", "sha256", "species", "license", "observer")
SHOWN_PX = 400  # short side of the images in the picture: a small crop of them still fills its place


def main() -> None:
    """Measure both crops on a sample of the images; show some of them, the worst and those that fell back."""
    params = stage_params("compare_crops")
    check_libraries("compare_crops")
    cache = cache_directory(params.profile)
    boxes = {name: tuple(box) for name, *box in read_table(boxes_path(params.profile), BOXES).iter_rows()}
    # By their names alone, so that another split, or another species for an image, compares the same images.
    available = read_table(AVAILABLE_IN, AVAILABLE, only=_READ)
    rows = available.select("image_name", "sha256", "species").unique("image_name", keep="first")
    rows = draw_rows(rows, params.compare_crops.seed).head(params.compare_crops.figure_images)
    rights = rights_of(available.join(rows, on="image_name", how="semi"), params.pictures.licenses)

    smart = params.crop.model_copy(update={"mode": "smart"})
    wanted = rows.select("image_name", "sha256").rows()
    with reading(cache):
        pairs = map_originals(partial(measure_image, smart=smart, size_px=params.image.pack_px), wanted, cache)
        measured = dict(progress(pairs, what="compare crops", total=rows.height))
        table = tabulate(measured, boxes)
        may_be_shown = pl.col("image_name").is_in([name for name in rows["image_name"] if rights.may_show(name)])
        open_rows, open_table = rows.filter(may_be_shown), table.filter(may_be_shown)
        shown = choose_shown(open_rows, open_table, params.compare_crops)
        comparisons = []
        for name, sha256, species, why in shown.iter_rows():
            pixels = decode_to_show(read_image(cache, name, sha256))
            said = "" if why == FELL_BACK else why  # the picture says so of every image that did
            credit, box = f"photo: {rights.credit(name)}", boxes.get(name)
            comparisons.append(
                Comparison(species, said, pixels, saliency_map(pixels, smart), measured[name], box, credit)
            )

    figures = summarize(table)
    note = f"{note_on(shown, open_table, params.compare_crops)}; {fallen_in_words(figures)}"
    remainder = f"no further image to show: {rows.height:,} compared in all"
    withheld = withheld_in_words(rows.height - open_rows.height, rows.height, rights)
    draw_comparison(comparisons, PICTURE, note=note, remainder=remainder, withheld=withheld)
    write_table(kept_curves(table), KEPT_CURVES, KEPT)
    write_table(gain_curves(table), GAIN_CURVES, GAIN)
    write_figures(REPORT, figures)
    write_figures(METRICS, compared_figures(figures))
    say(f"compare_crops: {compared_in_words(figures)}; see {PICTURE}{f' ({withheld})' if withheld else ''}")


def draw_rows(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Put the rows into a drawn order that does not depend on the order they came in."""
    draws = [draw(name, seed) for name in rows["image_name"]]
    return rows.with_columns(draw=pl.Series(draws, dtype=pl.UInt64)).sort("draw").drop("draw")


def measure_image(data: bytes, image_name: str, _sha256: str, smart: Crop, size_px: int) -> tuple[str, Measured]:
    """Find the smart and the center crop of one image, in pixels of the image as shown; give its name with them."""
    prepared = decode_and_crop(data, smart, size_px)
    shown = shown_size(*read_header(data))
    middle = center_crop(*shown)
    middle = replace(middle, saliency=saliency_held(saliency_map(prepared.pixels, smart), middle, *shown))
    return image_name, Measured(prepared.in_original(prepared.square), middle, *shown)


def decode_to_show(data: bytes) -> np.ndarray:
    """Decode an image at a short side of ``SHOWN_PX``, or its own where that is smaller: uint8 [h, w, 3], RGB."""
    pixels = decode_rgb(data, factor=reduction(min(read_header(data)[:2]), SHOWN_PX))
    scale = SHOWN_PX / min(pixels.shape[:2])
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else pixels


def choose_shown(rows: pl.DataFrame, table: pl.DataFrame, params: CompareCrops) -> pl.DataFrame:
    """Choose the images to show: one each of some species, those that smart crop does worst in, some that fell back.

    The worst are those of which it keeps least of the true subject; where that is not known, those in which it gains
    least over its area, though it did not fall back. Either counts only below its limit: what is kept nearly whole is
    no bad crop, even if no other is kept less.

    Args:
        rows: images in their drawn order: image_name, sha256, species.
        table: as ``tabulate`` gives it.
        params: how many of each, and the limits.

    Returns:
        image_name, sha256, species and why it is shown; an image stands once. Their number is even, as two make a row,
        unless there is no other image.
    """
    smart = table.filter(pl.col("crop") == "smart").with_columns(fell_back=pl.col("how").is_in(FALLBACKS))
    judged = rows.select("image_name", "sha256", "species").join(smart, on="image_name", maintain_order="left")
    kept, gain = pl.col("subject_kept"), pl.col("saliency_gain")
    least_kept = judged.filter(kept < params.worst_kept_below).sort(kept, maintain_order=True)
    no_better = kept.is_null() & ~pl.col("fell_back") & (gain < params.worst_gain_below)
    least_gain = judged.filter(no_better).sort(gain, maintain_order=True)
    worst = pl.concat(
        [least_kept.with_columns(why=pl.lit(LEAST_KEPT)), least_gain.with_columns(why=pl.lit(LEAST_GAIN))]
    )
    worst = worst.head(params.worst_images)
    others = judged.join(worst, on="image_name", how="anti", maintain_order="left")
    fell_back = others.filter("fell_back").head(params.fallback_images).with_columns(why=pl.lit(FELL_BACK))
    others = others.join(fell_back, on="image_name", how="anti", maintain_order="left").with_columns(why=pl.lit(""))
    # One image a species, common and rare alike; what fills the last row may be of any.
    species = others.unique("species", keep="first", maintain_order=True).head(params.picture_images)
    rest = others.join(species, on="image_name", how="anti", maintain_order="left")
    missing = (species.height + worst.height + fell_back.height) % 2
    further = pl.concat([rest.join(species, on="species", how="anti", maintain_order="left"), rest]).head(missing)
    return pl.concat([species, further, worst, fell_back]).select("image_name", "sha256", "species", "why")


def note_on(shown: pl.DataFrame, table: pl.DataFrame, params: CompareCrops) -> str:
    """Say what else than a choice of species is shown, and of what there is less than was asked for."""
    counts = Counter(shown["why"])
    keeps, gains = table["subject_kept"].is_not_null().any(), table["subject_kept"].is_null().any()
    limits = [f"keeps under {params.worst_kept_below:.0%} of the plant"] if keeps else []
    limits += [f"gains under {params.worst_gain_below:g} unless it fell back"] if gains else []
    worst = [f"{counts[why]} of the {why}" for why in (LEAST_KEPT, LEAST_GAIN) if counts[why]]
    fallen = set(table.filter(pl.col("how").is_in(FALLBACKS))["image_name"]) & set(shown["image_name"])
    drawn = shown.filter(pl.col("why") == "")
    parts = [f"{drawn.height} image{'s' if drawn.height > 1 else ''} of {drawn['species'].n_unique()} species"]
    for found, wanted, words, others in (
        (counts[LEAST_KEPT] + counts[LEAST_GAIN], params.worst_images, " and ".join(worst), " or ".join(limits)),
        (counts[FELL_BACK], params.fallback_images, f"{counts[FELL_BACK]} that fell back", "fell back"),
    ):
        if found:
            parts.append(words + (f" (no other {others})" if found < wanted else ""))
        elif wanted:
            parts.append(f"no other {others}" if fallen and others == "fell back" else f"none {others}")
    return f"shown: {'; '.join(parts)}"


if __name__ == "__main__":
    run(main)
