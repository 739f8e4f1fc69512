"""How many labels of the whole set are wrong, from the images that people were shown by chance alone."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from stages.evaluation.intervals import Estimate, share
from stages.runtime.wording import in_words


def label_error_rate(random: pl.DataFrame, *, min_groups: int) -> tuple[Estimate, dict[str, Any]]:
    """Estimate the share of images whose label is wrong, or that show nothing to learn from.

    Suspects are wrong far more often than others, so what was asked for that says nothing of the whole set. Wrong is
    what people relabeled or dropped. Left out, and counted, is what nobody could say, what people disagree on, and what
    is not used any more. The interval is that of ``share``: photos of one plant are wrong together.

    Args:
        random: ``Review.random``: image_name, plant, species, verdict, wrong and used.
        min_groups: with fewer observations there is no interval.

    Returns:
        The estimate, of no image where there is none; and it with the counts, for the report.
    """
    judged = random.filter(pl.col("used") & pl.col("wrong").is_not_null())
    estimate = share(
        judged["wrong"].cast(pl.Boolean).to_numpy(),
        judged["plant"].to_numpy().astype(np.int64),
        judged["species"].rank("dense").to_numpy().astype(np.int64),
        min_groups=min_groups,
    )
    counts = {
        "asked": random.height,
        "relabel": judged.filter(verdict="relabel").height,
        "drop": judged.filter(verdict="drop").height,
        "skipped": random.filter(verdict="skip").height,
        "reviewers_disagree": random.filter(pl.col("verdict").is_null()).height,
        "not_used": random.filter(~pl.col("used") & pl.col("wrong").is_not_null()).height,
    }
    rate = asdict(estimate) | {"value": estimate.value if estimate.images else None}
    return estimate, rate | counts


def errors_in_lines(estimate: Estimate, counts: dict[str, Any]) -> Iterator[str]:
    """Say the error rate, with what it is of, where images were asked at random."""
    if not counts["asked"]:
        return
    aside = in_words({name: counts[name] for name in ("skipped", "reviewers_disagree", "not_used")})
    beside = f"; left out{aside}" if aside else ""
    if not estimate.images:
        yield f"label errors: nothing is known of the {counts['asked']:,} images asked at random{beside}"
        return
    between = (
        f"too few observations, {estimate.groups:,}, for an interval"
        if estimate.low is None or estimate.high is None
        else f"95 % interval {estimate.low:.1%} to {estimate.high:.1%}"
    )
    yield (
        f"label errors of the whole set: {estimate.value:.1%} ({between}), by {estimate.images:,} images of "
        f"{estimate.groups:,} observations asked at random{beside}"
    )
