"""What a review shows, before it becomes a page or a comment."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from stages.evaluation.paired import Comparison
from stages.evaluation.review import Change, DataChange
from stages.runtime.plain_text import plain


@dataclass(frozen=True)
class Card:
    """An image that only one of two models has right.

    Attributes:
        image_name: its name.
        species: what it is.
        base_said: what the first model says; None where its numbers are none.
        base_probability: how sure it is.
        head_said: what the second model says.
        head_probability: how sure it is.
        photo: a URI that holds it; None where it is not shown.
        credit: who made it, under which license.
    """

    image_name: str
    species: str
    base_said: str | None
    base_probability: float | None
    head_said: str | None
    head_probability: float | None
    photo: str | None
    credit: str


@dataclass(frozen=True)
class Gallery:
    """Images gained and lost, and what is said of those that are not shown."""

    gained: Sequence[Card] = ()
    lost: Sequence[Card] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Picture:
    """A plot that is a picture, in both: its bytes; None where a side has none."""

    name: str
    base: bytes | None
    head: bytes | None


@dataclass(frozen=True)
class Plot:
    """A plot that is drawn: a specification of Vega-Lite with its data; {} where there are none."""

    name: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class FigureRow:
    """A figure of the test with its 95 % interval, in both: value, low and high; None where a side has none."""

    name: str
    base: tuple[float, float | None, float | None] | None
    head: tuple[float, float | None, float | None] | None
    images: str


@dataclass(frozen=True)
class Review:
    """Two trees side by side.

    Attributes:
        base: what the first is called.
        head: what the second is called.
        about: what they are: commits, files that were changed since.
        alarms: what must not be overlooked.
        missing: what cannot be had, and what brings it.
        comparison: of the models' answers; None where those of a side cannot be had.
        gallery: of images gained and lost.
        figures: of the test, with intervals.
        metrics: those of metrics/.
        params: those that differ.
        code: files of code that differ.
        data: what became of images; None where tables of a side cannot be had.
        curves: points of the training, see ``stages.evaluation.review.curves_of``.
        plots: as DVC draws them.
        pictures: plots that are pictures.
        crops: the name of the one that shows crops.
    """

    base: str
    head: str
    about: Sequence[str] = ()
    alarms: Sequence[str] = ()
    missing: Sequence[str] = ()
    comparison: Comparison | None = None
    gallery: Gallery = field(default_factory=Gallery)
    figures: Sequence[FigureRow] = ()
    metrics: Sequence[Change] = ()
    params: Sequence[Change] = ()
    code: Sequence[str] = ()
    data: DataChange | None = None
    curves: Sequence[dict[str, Any]] = ()
    plots: Sequence[Plot] = ()
    pictures: Sequence[Picture] = ()
    crops: str = "plots/crop_comparison.png"


# What both the page and the comment say.
NAMES = {"top1": "top-1", "top5": "top-5", "mean_per_class_accuracy": "mean per-class accuracy"}
SEEDS = (
    "What another seed of the training would change is not in it: the interval is of the test's images, and two "
    "trainings of the very same parameters differ, too"
)


def number(value: float | None, *, sign: bool = False) -> str:
    """Give a figure with three decimals, whole numbers as they are, "" for none."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:+,}" if sign else f"{value:,}"
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Give a figure with its interval: ``0.917 (0.801 to 0.972)``; a dash for that of no images."""
    if value is None:
        return ""
    if math.isnan(value):
        return "–"
    return number(float(value)) + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def points(share: float | None) -> str:
    """Give a difference of shares in points: ``+1.5``; nothing for that of no images."""
    return "" if share is None or math.isnan(share) else f"{100 * share:+.1f}"


def percent(share: float | None) -> str:
    """Give a probability in percent."""
    return "?" if share is None else f"{100 * share:.0f}\u00a0%"


def shown(value: Any, longest: int = 200) -> str:
    """Give a value of a file as text of one line, no longer than so many characters, fit for a screen."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    line = plain(" ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def left_out(counts: dict[str, int], base: str, head: str) -> str:
    """Say on which images models are compared, and which are not; the trees by their names."""
    said = {
        "removed": f"that only the test of {base} has",
        "added": f"that only the test of the {head} has",
        "seen": "that a model has seen in training or validation, or others of their observations",
        "relabeled": "whose species is another one now",
        "of_unknown_species": "of species that a model does not know",
    }
    without = "; ".join(f"{counts[name]:,} {words}" for name, words in said.items() if counts[name])
    return (
        f"Compared on {counts['compared']:,} images of {counts['observations']:,} observations that are in both tests "
        f"({counts['base_images']:,} and {counts['head_images']:,} images). Left out: {without or 'none'}."
    )


def own_seen(counts: dict[str, int], base: str, head: str) -> list[str]:
    """Say of each model that has seen images of its own test how many: its figures on it are no figures of a test."""
    return [
        f"{counts[f'{side}_own_seen']:,} of {counts[f'{side}_images']:,} test images of {name} are of what its own "
        "model was trained or selected on: its figures on all of its own test are none of a test."
        for side, name in (("base", base), ("head", f"the {head}"))
        if counts[f"{side}_own_seen"]
    ]


def other_tests(review: Review) -> bool:
    """Say whether the tests are not of the same images, as far as it is known: by answers, else by the splits."""
    if review.comparison is not None:
        return bool(review.comparison.counts["added"] or review.comparison.counts["removed"])
    if review.data is None:
        return False
    moved = review.data.moved.filter((pl.col("base_split") == "test") | (pl.col("head_split") == "test"))
    return bool(review.data.added.get("test") or review.data.removed.get("test") or moved.height)
