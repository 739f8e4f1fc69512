"""Observations of two versions of the data: what either puts into one group is one."""

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.learning.trained_on import mark_seen


def match_observations(tests: pl.DataFrame, trained_on: pl.DataFrame) -> pl.DataFrame:
    """Unite the groups of several tables, and say which images of the tests a model has seen.

    Rows are connected by their name, their bytes and their group, which is the name of an image too: of one that need
    not be used. A group may be called otherwise in another table.

    Args:
        tests: image_name, sha256, group of all tests.
        trained_on: what all models have seen, columns of ``TRAINED_ON``.

    Returns:
        sha256 of the tests, a row each; group, the first name of an image in its observation; and itself and seen of
        ``mark_seen``.
    """
    columns = ["image_name", "sha256", "group"]
    rows = pl.concat(
        [tests.select(*columns, tested=pl.lit(True)), trained_on.select(*columns, tested=pl.lit(False))]
    ).unique()
    if not tests.height:
        return tests.select("sha256", "group", itself=pl.lit(False), seen=pl.lit(False))
    ids = pl.concat([rows["image_name"], rows["group"], "sha256 " + rows["sha256"]]).rename("id").to_frame()
    distinct = ids.unique().with_row_index("number")  # several times as quick as their ranks
    numbers = ids.join(distinct, on="id", how="left", maintain_order="left")["number"]
    names, groups, digests = numbers.to_numpy().astype(np.int64).reshape(3, -1)
    ends = np.concatenate([names, names]), np.concatenate([groups, digests])
    graph = coo_matrix((np.ones(len(ends[0]), np.int8), ends), shape=(distinct.height, distinct.height))
    _, components = connected_components(graph, directed=False)
    rows = rows.with_columns(component=pl.Series(components[names]))
    rows = rows.join(rows.filter("tested").select("component").unique(), on="component", how="semi")
    rows = mark_seen(rows.with_columns(group=pl.col("image_name").min().over("component")), trained_on)
    by_bytes = rows.filter("tested").group_by("sha256")
    return by_bytes.agg(pl.col("group").first(), pl.col("itself").any(), pl.col("seen").any())
