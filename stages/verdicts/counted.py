"""What was said of photos and what came of it, in figures and in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from stages.runtime.wording import in_words
from stages.tables.verdicts import REASONS, SAID
from stages.verdicts.outcome import DISAGREE, DROPPED, MERGED

LISTED = 50  # verdicts on which people disagree, in the report
MANY_AT_ONCE = 20  # images of one plant, from which on it is said that they came along


def count(verdicts: pl.DataFrame, held: pl.DataFrame, records: pl.DataFrame, known: frozenset[str]) -> dict[str, Any]:
    """Count what was said and what came of it.

    Args:
        verdicts: all of them.
        held: the same, with what holds of them: columns of ``STANDING``.
        records: those of which something was said, with decided and outcome.
        known: species of the records.
    """
    holding = held.filter(pl.col("stale").is_null())
    relabels = holding.filter(pl.col("verdict") == "relabel")
    drops = holding.filter(pl.col("verdict") == "drop").sort("image_name", "reason", "reviewer")
    changed = records.filter((pl.col("decided") != pl.col("species")) | (pl.col("outcome") == MERGED))
    dropped = records.filter(pl.col("outcome") == DROPPED).unique("image_name")
    disagree = records.filter(pl.col("outcome") == DISAGREE)["image_name"].unique()
    reasons = dropped.select("sha256").join(drops.unique("sha256", keep="first"), on="sha256")
    relabeled = changed["image_name"].unique()
    new = sorted({*relabels["claim"].drop_nulls()} - known)
    of_plants = changed.group_by("plant").agg(pl.col("image_name").n_unique(), name=pl.col("image_name").min())
    most = of_plants.sort("image_name", "name", descending=[True, False]).head(1)
    return {
        "verdicts": {name: verdicts.filter(verdict=name).height for name in SAID},
        "reviewers": verdicts["reviewer"].n_unique(),
        "stale": dict(held["stale"].drop_nulls().value_counts().sort("stale").iter_rows()),
        "not_in_cache": holding.filter(~pl.col("in_cache"))["image_name"].n_unique(),
        "mended_in_source": relabels.filter("mended")["image_name"].n_unique(),
        "relabeled": {
            "images": relabeled.len(),
            "along_with_another": relabeled.filter(~relabeled.is_in(relabels["image_name"].implode())).len(),
            "most_at_once": most["image_name"].sum(),
            "merged_records": records.filter(outcome=MERGED).height,
            "to_species_of_no_record": new,
        },
        "dropped": {
            "images": dropped.height,
            "along_with_another": dropped.filter(~pl.col("image_name").is_in(drops["image_name"].implode())).height,
            "reasons": {name: number for name in REASONS if (number := reasons.filter(reason=name).height)},
        },
        "reviewers_disagree": {"images": disagree.len(), "said": _said_of(disagree, holding)},
    }


def _said_of(disagree: pl.Series, holding: pl.DataFrame) -> list[dict[str, str | None]]:
    """Give what was said of images that are left out as people disagree, the first ``LISTED`` verdicts."""
    said = holding.filter(pl.col("image_name").is_in(disagree.implode()) & (pl.col("verdict") != "skip"))
    listed = said.sort("plant", "image_name", "reviewer").head(LISTED)
    return listed.select("image_name", "reviewer", "verdict", "claim", "reason").to_dicts()


def in_lines(figures: dict[str, Any], folder: Path) -> Iterator[str]:
    """Say what came of verdicts, and what did not.

    Args:
        figures: as ``count`` gives them.
        folder: with the reviewers' files.
    """
    relabeled, dropped, disagree = (figures[name] for name in ("relabeled", "dropped", "reviewers_disagree"))
    yield (
        f"{sum(figures['verdicts'].values()):,} verdicts of {figures['reviewers']:,} reviewers"
        f"{in_words(figures['verdicts'])}: {relabeled['images']:,} images are relabeled, "
        f"{relabeled['along_with_another']:,} of them along with another of their bytes or plant; "
        f"{dropped['images']:,} are dropped{in_words(dropped['reasons'])}"
    )
    if number := sum(figures["stale"].values()):
        yield f"{number:,} verdicts are stale and have no effect{in_words(figures['stale'])}"
    if number := figures["not_in_cache"]:
        yield (
            f"{number:,} judged images are not in the cache, so not used: what was said of them counts for the other "
            "photos of their plants alone"
        )
    if number := disagree["images"]:
        yield (
            f"{number:,} images are left out, as verdicts on them or their plant contradict each other, such as on "
            f"{disagree['said'][0]['image_name']}: the report lists these, and they are settled in {folder}"
        )
    if new := relabeled["to_species_of_no_record"]:
        yield (
            f"warning: {len(new):,} species of relabels are of no record, such as {new[0]!r}: are they typed as "
            "they should be?"
        )
    if relabeled["most_at_once"] >= MANY_AT_ONCE:
        yield (
            f"warning: {relabeled['most_at_once']:,} images are relabeled as of one plant: is what connects them "
            "really an id?"
        )
