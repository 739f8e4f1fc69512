"""Observations of two versions of the data: what either puts into one group is one."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.learning.trained_on import mark_seen


def match_observations(tables: Sequence[pl.DataFrame], trained_on: pl.DataFrame) -> pl.DataFrame:
    """Unite the groups of several tables, and say which images a model has seen.

    Rows are connected by their name, their bytes and their group, which is the name of an image too: of one that need
    not be used. A group may be called otherwise in another table.

    Args:
        tables: image_name, sha256, group.
        trained_on: what models have seen, columns of ``TRAINED_ON``.

    Returns:
        sha256, a row each; group, the first name of an image in its observation; and itself and seen of ``mark_seen``.
    """
    rows = pl.concat([table.select("image_name", "sha256", "group") for table in tables]).unique()
    if not rows.height:
        return rows.select("sha256", "group", itself=pl.lit(False), seen=pl.lit(False))
    ids = pl.concat([rows["image_name"], rows["group"], "sha256 " + rows["sha256"]])
    numbers = ids.rank("dense").to_numpy().astype(np.int64).reshape(3, -1) - 1
    nodes = int(numbers.max()) + 1
    ends = np.concatenate([numbers[1], numbers[2]])
    graph = coo_matrix((np.ones(len(ends), np.int8), (np.tile(numbers[0], 2), ends)), shape=(nodes, nodes))
    _, components = connected_components(graph, directed=False)
    rows = rows.with_columns(component=pl.Series(components[numbers[0]]))
    rows = mark_seen(rows.with_columns(group=pl.col("image_name").min().over("component")), trained_on)
    return rows.group_by("sha256").agg(pl.col("group").first(), pl.col("itself").any(), pl.col("seen").any())
