"""What crops are worth: how much of the true subject they keep, and how much of them the subject fills."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import numpy as np
import polars as pl

from stages.images.crop import FALLBACKS, Square
from stages.tables.compare_crops import CROP_CURVES

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
        image_name; crop (smart or center); how; saliency_kept; and, null where no box is known: subject_kept and
        subject_share (of the crop), frame, position and subject (its size), in words.
    """
    rows = []
    for name, images in measured.items():
        box = boxes.get(name)
        where = describe(box, images.width, images.height) if box else {}
        for crop in CROPS:
            square: Square = getattr(images, crop)
            shared = overlap(box, square) if box else 0
            rows.append(
                {
                    "image_name": name,
                    "crop": crop,
                    "how": square.how,
                    "saliency_kept": None if np.isnan(square.saliency) else square.saliency,
                    "subject_kept": shared / (box[2] * box[3]) if box else None,
                    "subject_share": shared / square.side**2 if box else None,
                    **{what: where.get(what) for what in WORDS},
                }
            )
    floats = dict.fromkeys(("saliency_kept", "subject_kept", "subject_share"), pl.Float64)
    words = dict.fromkeys(WORDS, pl.String)
    return pl.DataFrame(rows, schema_overrides={**floats, **words}, infer_schema_length=None)


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
    """Say how often smart crop fell back, and how much of the saliency and of the true subjects both crops keep.

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
        figures[crop] = {"saliency_kept": rows["saliency_kept"].mean()}
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


def kept_curves(table: pl.DataFrame) -> pl.DataFrame:
    """Give, for each crop, the share of images of which it keeps so much or more: of the subject, else of the saliency.

    Returns:
        Columns of ``CROP_CURVES``.
    """
    column = "saliency_kept" if table["subject_kept"].is_null().all() else "subject_kept"
    curves: list[tuple[float, float, str]] = []
    for crop in CROPS:
        kept = table.filter(pl.col("crop") == crop)[column].drop_nulls().to_numpy()
        steps: Iterable[float] = (step / _STEPS for step in range(_STEPS + 1))
        curves += [(step, round(float((kept >= step - 1e-9).mean()), 5) if len(kept) else 0.0, crop) for step in steps]
    return pl.DataFrame(curves, schema=CROP_CURVES, orient="row")
