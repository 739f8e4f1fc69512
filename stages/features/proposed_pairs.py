"""Pairs that are proposed to people as one picture: what is known of pairs already, and the table of new ones."""

import numpy as np
import polars as pl

from stages.config.schema import Suspects
from stages.features.look_alikes import LookAlikes, linked, look_alikes
from stages.features.neighbors import Neighbors
from stages.features.seen import Seen


def judged_pairs(verdicts: pl.DataFrame, images: pl.DataFrame) -> set[tuple[int, int]]:
    """Give the pairs of rows that people have judged, the lower first: those of the bytes that there are now.

    Args:
        verdicts: columns of ``PAIR_VERDICTS``.
        images: image_name and sha256, sorted by image_name.
    """
    now = images.select("image_name", "sha256").with_row_index("row")
    judged = verdicts.join(now, on=["image_name", "sha256"])
    both = judged.join(
        now.rename({"image_name": "other_name", "sha256": "other_sha256", "row": "other_row"}),
        on=["other_name", "other_sha256"],
    )
    return {(min(pair), max(pair)) for pair in both.select("row", "other_row").iter_rows()}


def find_look_alikes(
    seen: Seen, neighbors: Neighbors, pairs: pl.DataFrame, verdicts: pl.DataFrame, params: Suspects
) -> LookAlikes:
    """Find pairs that look alike by features and not by hash, also not over images that no split holds.

    Args:
        seen: the images.
        neighbors: of all of them.
        pairs: image_name and other_name of those found by hash.
        verdicts: columns of ``PAIR_VERDICTS``.
        params: how alike, and how many.
    """
    names = pl.concat([pairs["image_name"], pairs["other_name"].alias("image_name")]).unique()
    others = names.filter(~names.is_in(seen.images["image_name"].implode())).sort()
    every = pl.concat([seen.images["image_name"], others])
    number = pl.DataFrame({"image_name": every, "row": range(len(every))})
    named = (pairs.select(image_name=end) for end in ("image_name", "other_name"))
    ends = (rows.join(number, on="image_name", how="left", maintain_order="left")["row"].to_numpy() for rows in named)
    groups = np.concatenate([seen.groups, int(seen.groups.max()) + 1 + np.arange(len(others))])
    judged = judged_pairs(verdicts, seen.images)
    links = linked(groups, *ends)[: len(seen.groups)]
    return look_alikes(neighbors, links, judged, min_similarity=params.min_similarity, most=params.look_alikes)


def table_of_look_alikes(images: pl.DataFrame, alike: LookAlikes) -> pl.DataFrame:
    """Give pairs as columns of ``LOOK_ALIKES``."""
    columns = images.select("image_name", "sha256", "species")
    second = columns[alike.second].rename(
        {"image_name": "other_name", "sha256": "other_sha256", "species": "other_species"}
    )
    return pl.concat([columns[alike.first], second], how="horizontal").with_columns(
        similarity=pl.Series(alike.similarity)
    )
