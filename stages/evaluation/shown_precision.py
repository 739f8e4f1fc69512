"""What people's verdicts have shown of suspects so far: how many were wrong, beside those of the random sample."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from stages.evaluation.intervals import Estimate, share


@dataclass(frozen=True)
class Shown:
    """Images that were shown to people for one reason, and judged.

    Attributes:
        wrong: share of those that were relabeled or dropped; NaN of none.
        skipped: judgments of reviewers who could not say; they are not in ``wrong``.
    """

    wrong: Estimate
    skipped: int


def shown_precision(verdicts: pl.DataFrame, asked_as: str, images: pl.DataFrame, *, min_groups: int) -> Shown:
    """Give the share of images shown for a reason that people found to be wrong.

    All verdicts count, also those on images that are by now mended or gone: they say what the ranking was worth. Of a
    suspect's observation one photo stands for all, which are asked as neighbors of it; in the random sample there may
    be several, which are wrong together, and so are several reviewers' words on one. An image that is gone is an
    observation of its own.

    Args:
        verdicts: columns of ``VERDICTS``.
        asked_as: the reason: suspect, or random.
        images: image_name and group of those that there are.
        min_groups: with fewer observations there is no interval.
    """
    asked = verdicts.filter(pl.col("asked_as") == asked_as)
    judged = asked.filter(pl.col("verdict") != "skip")
    wrong = judged["verdict"].is_in(["relabel", "drop"]).to_numpy()
    group = judged.join(images.select("image_name", "group"), on="image_name", how="left", maintain_order="left")
    groups = group.select(pl.coalesce("group", "image_name").rank("dense")).to_series().to_numpy().astype(np.int64)
    species = judged["given"].rank("dense").to_numpy().astype(np.int64)
    return Shown(share(wrong, groups, species, min_groups=min_groups), asked.height - judged.height)
