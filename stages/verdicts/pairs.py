"""What people said of pairs of photos, held against the images of now and brought together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.runtime.wording import in_words
from stages.tables.verdicts import PAIR_SAID

LISTED = 50  # pairs on which people disagree, in the report


@dataclass(frozen=True)
class SaidOfPairs:
    """Pairs on which people agree, and how many there are of all others.

    Attributes:
        same: image_name and other_name of photos that are one picture, or of one plant at one moment.
        different: image_name and other_name of photos that merely look alike.
        figures: counts, for the report.
    """

    same: pl.DataFrame
    different: pl.DataFrame
    figures: dict[str, Any]


def agree_on_pairs(verdicts: pl.DataFrame, images: pl.DataFrame) -> SaidOfPairs:
    """Bring together what was said of pairs; where people disagree, nobody's word is taken.

    Args:
        verdicts: columns of ``PAIR_VERDICTS`` and reviewer.
        images: image_name and sha256 of the images that are used.
    """
    now = images.select("image_name", now="sha256").unique()
    other = now.select(other_name="image_name", other_now="now")
    held = verdicts.join(now, on="image_name", how="left", maintain_order="left")
    held = held.join(other, on="other_name", how="left", maintain_order="left").with_columns(
        stale=pl.when(pl.col("now").is_null() | pl.col("other_now").is_null())
        .then(pl.lit("image_gone"))
        .when((pl.col("now") != pl.col("sha256")) | (pl.col("other_now") != pl.col("other_sha256")))
        .then(pl.lit("other_bytes"))
    )
    names = ["image_name", "other_name"]
    pairs = held.filter(pl.col("stale").is_null()).group_by(names)
    pairs = pairs.agg(pl.col("verdict").min(), agreed=pl.col("verdict").n_unique() == 1).sort(names)
    same, different = (pairs.filter("agreed", verdict=name).select(names) for name in PAIR_SAID)
    torn = pairs.filter(~pl.col("agreed")).select(names)
    return SaidOfPairs(
        same,
        different,
        {
            "verdicts": {name: verdicts.filter(verdict=name).height for name in PAIR_SAID},
            "reviewers": verdicts["reviewer"].n_unique(),
            "stale": dict(held["stale"].drop_nulls().value_counts().sort("stale").iter_rows()),
            "reviewers_disagree": {"pairs": torn.height, "of": torn.head(LISTED).rows()},
        },
    )


def in_lines(figures: dict[str, Any], folder: Path) -> list[str]:
    """Say what came of the verdicts on pairs.

    Args:
        figures: of ``SaidOfPairs``, with linked_anew, taken_apart and still_together (numbers of pairs).
        folder: with the reviewers' files.
    """
    lines = [
        f"{sum(figures['verdicts'].values()):,} verdicts on pairs of {figures['reviewers']:,} reviewers"
        f"{in_words(figures['verdicts'])}: {figures['linked_anew']:,} pairs are linked that did not look alike, "
        f"{figures['taken_apart']:,} are not, though they look alike"
    ]
    if number := sum(figures["stale"].values()):
        lines.append(f"{number:,} verdicts on pairs are stale and have no effect{in_words(figures['stale'])}")
    if number := figures["reviewers_disagree"]["pairs"]:
        one, other = figures["reviewers_disagree"]["of"][0]
        lines.append(
            f"{number:,} pairs are left as they look, as reviewers disagree, such as {one} and {other}: settle them in "
            f"{folder}"
        )
    if number := figures["still_together"]:
        lines.append(
            f"{number:,} pairs that are said to be different still belong together by way of other pairs: say of those "
            "too what they are"
        )
    return lines
