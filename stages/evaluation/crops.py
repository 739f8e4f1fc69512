"""What crops are worth: how much of the true subject they keep, and how much of them the subject fills.

Where nobody has drawn the subject, which is every real collection, there is only the saliency map, by which smart crop
chose. The share of the map that a square holds grows with the square, so a larger one looks better: what counts is its
*gain over area*, the share of the map that it holds less the share of the image that it takes. It is 0 by chance: of a
map that is even, any square gains 0, and so does the whole of any map, and nothing of it. A ratio of the two would be
won by the smallest square on the brightest spot. It says what a crop makes of its map, and not whether the map finds
plants: figures of true boxes and of gain are never put together.
"""

from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl

from stages.images.crop import FALLBACKS, Square
from stages.runtime.wording import in_words
from stages.tables.compare_crops import GAIN_CURVES, KEPT_CURVES
from stages.tables.table import Schema

Box = tuple[int, int, int, int]  # x, y, width, height, in pixels of the image as shown

CROPS = ("smart", "center")
WORDS = ("frame", "position", "subject")  # that describe an image, its subject's place and size
MISSED_BELOW = 0.5  # of the subject kept: the crop shows something else
_CENTERED_WITHIN = 0.1  # of the short side, from the image's middle to the subject's, in both directions
_STEPS = 50  # of the curves


class Measured(NamedTuple):
    """The crops of one image, in pixels of the image as shown, and its size in them."""

    smart: Square
    center: Square
    width: int
    height: int


def tabulate(measured: dict[str, Measured], boxes: dict[str, Box]) -> pl.DataFrame:
    """Give a row an image and crop.

    Args:
        measured: by image name.
        boxes: of the subjects, by image name, where they are known.

    Returns:
        image_name; crop (smart or center); how; area_share, of the image; saliency_kept and saliency_gain (over area),
        null where there is no map; and, null where no box is known: subject_kept and subject_share (of the crop),
        frame, position and subject (its size), in words.
    """
    rows = []
    for name, images in measured.items():
        box = boxes.get(name)
        where = describe(box, images.width, images.height) if box else {}
        for crop in CROPS:
            square: Square = getattr(images, crop)
            shared = overlap(box, square) if box else 0
            held = None if np.isnan(square.saliency) else square.saliency
            rows.append(
                {
                    "image_name": name,
                    "crop": crop,
                    "how": square.how,
                    "area_share": area_share(square, images),
                    "saliency_kept": held,
                    "saliency_gain": None if held is None else gain_over_area(square, images),
                    "subject_kept": shared / (box[2] * box[3]) if box else None,
                    "subject_share": shared / square.side**2 if box else None,
                    **{what: where.get(what) for what in WORDS},
                }
            )
    floats = dict.fromkeys(("saliency_kept", "saliency_gain", "subject_kept", "subject_share"), pl.Float64)
    words = dict.fromkeys(WORDS, pl.String)
    return pl.DataFrame(rows, schema_overrides={**floats, **words}, infer_schema_length=None)


def area_share(square: Square, images: Measured) -> float:
    """Give the share of the image's pixels that a square takes, 0 to 1."""
    return square.side**2 / (images.width * images.height)


def gain_over_area(square: Square, images: Measured) -> float:
    """Give the share of the map that a square holds less its share of the image, -1 to 1; NaN where there is no map."""
    return square.saliency - area_share(square, images)


def describe(box: Box, width: int, height: int) -> dict[str, str]:
    """Say in words of what frame an image is, and where and how large its subject."""
    x, y, box_width, box_height = box
    short = min(width, height)
    off = max(abs(x + box_width / 2 - width / 2), abs(y + box_height / 2 - height / 2)) / short
    size = max(box_width, box_height) / short
    return {
        "frame": "wide" if width / height > 1.7 else "tall" if height > width else "4:3",
        "position": "centered" if off < _CENTERED_WITHIN else "off center",
        "subject": "small" if size < 0.25 else "medium" if size < 0.5 else "large",
    }


def overlap(box: Box, square: Square) -> int:
    """Give the area, in pixels, that a box and a square share."""
    x, y, width, height = box
    shared_w = min(x + width, square.x + square.side) - max(x, square.x)
    shared_h = min(y + height, square.y + square.side) - max(y, square.y)
    return max(0, shared_w) * max(0, shared_h)


def summarize(table: pl.DataFrame) -> dict[str, Any]:
    """Say how often smart crop fell back, what both crops gain over area, and what they keep of the true subjects.

    What is not known of any image has no figure.

    Args:
        table: as ``tabulate`` gives it.
    """
    smart = table.filter(pl.col("crop") == "smart")
    known = table.filter(pl.col("subject_kept").is_not_null())
    fallbacks = {reason: int((smart["how"] == reason).sum()) for reason in FALLBACKS}
    figures: dict[str, Any] = {
        "images": smart.height,
        "fallback_share": sum(fallbacks.values()) / smart.height,
        "fallbacks": fallbacks,
        "images_with_true_box": known.height // len(CROPS),
    }
    for crop in CROPS:
        rows = table.filter(pl.col("crop") == crop)
        figures[crop] = {"area_share": _mean(rows["area_share"])}
        if not rows["saliency_gain"].is_null().all():
            figures[crop] |= {name: _mean(rows[name]) for name in ("saliency_kept", "saliency_gain")}
        if not known.is_empty():
            figures[crop] |= kept_figures(rows)
    if not known.is_empty():
        figures["by"] = {
            what: {
                group: {"images": rows.height // len(CROPS)}
                | {crop: rows.filter(pl.col("crop") == crop)["subject_kept"].mean() for crop in CROPS}
                for (group,), rows in sorted(known.group_by(what))
            }
            for what in WORDS
        }
    return figures


def kept_figures(rows: pl.DataFrame) -> dict[str, float]:
    """Average over the rows of one crop: subject kept, share of images that miss it, its share of the crop."""
    return {
        "subject_kept": _mean(rows["subject_kept"]),
        "subject_missed_share": _mean(rows["subject_kept"] < MISSED_BELOW),
        "subject_share_of_crop": _mean(rows["subject_share"]),
    }


def _mean(values: pl.Series) -> float:
    """Give the mean of numbers or truths; nulls, of images whose box is not known, do not count."""
    return cast(float, values.mean())


def compared_figures(figures: dict[str, Any]) -> dict[str, float]:
    """Choose from what ``summarize`` gives the few figures that people compare from run to run.

    Different measures have different names, and one that is not known is left out: a commit without true boxes beside
    one that has them shows no figure of the plant, and never one of the map in its place.
    """
    measures = {"kept": "subject_kept", "saliency_gain": "saliency_gain"}
    return {"fallback_share": figures["fallback_share"]} | {
        f"{crop}_{name}": figures[crop][measure]
        for name, measure in measures.items()
        for crop in CROPS
        if measure in figures[crop]
    }


def compared_in_words(figures: dict[str, Any]) -> str:
    """Say in a line how the crops compare, by what ``summarize`` gives: by true boxes where there are any."""
    return f"{_kept_in_words(figures)}; {fallen_in_words(figures)}"


def fallen_in_words(figures: dict[str, Any]) -> str:
    """Say in how many images smart crop fell back, and why, by what ``summarize`` gives."""
    reasons = {reason: number for reason, number in figures["fallbacks"].items() if number}
    return f"smart crop fell back in {sum(reasons.values()):,} of {figures['images']:,} images{in_words(reasons)}"


def _kept_in_words(figures: dict[str, Any]) -> str:
    images, known = figures["images"], figures["images_with_true_box"]
    smart, center = figures["smart"], figures["center"]
    if known:
        of = f"{known:,}" if known == images else f"{known:,} of {images:,}"
        return (
            f"of the plant, smart crop keeps {smart['subject_kept']:.3f} and center crop {center['subject_kept']:.3f} "
            f"({of} images, whose true box is known)"
        )
    if "saliency_gain" not in smart:
        return f"nothing to compare by: no true box is known, and no saliency map shows anything ({images:,} images)"
    return (
        f"no true box is known; over its share of the image, smart crop gains {smart['saliency_gain']:.3f} of the "
        f"saliency map and center crop {center['saliency_gain']:.3f} (0 by chance; {images:,} images)"
    )


def kept_curves(table: pl.DataFrame) -> pl.DataFrame:
    """Give, for each crop, the share of images of which it keeps so much of the true subject or more.

    Args:
        table: as ``tabulate`` gives it; images whose true box is not known do not count.

    Returns:
        Columns of ``KEPT_CURVES``; no rows where no true box is known.
    """
    return _curves(table, "subject_kept", range(_STEPS + 1), KEPT_CURVES)


def gain_curves(table: pl.DataFrame) -> pl.DataFrame:
    """Give, for each crop, the share of images in which it gains so much or more over its area.

    Returns:
        Columns of ``GAIN_CURVES``, from -1 to 1; no rows where no image has a saliency map.
    """
    return _curves(table, "saliency_gain", range(-_STEPS, _STEPS + 1), GAIN_CURVES)


def _curves(table: pl.DataFrame, column: str, steps: range, schema: Schema) -> pl.DataFrame:
    """Give the share of images, of those of which ``column`` is known, in which it is at the least so much."""
    curves: list[tuple[float, float, str]] = []
    for crop in CROPS:
        values = table.filter(pl.col("crop") == crop)[column].drop_nulls().to_numpy()
        limits = [step / _STEPS for step in steps] if len(values) else []
        curves += [(limit, round(float((values >= limit - 1e-9).mean()), 5), crop) for limit in limits]
    return pl.DataFrame(curves, schema=schema, orient="row")
