"""Which images belong together: pictures of one plant at one moment, and copies of one picture."""

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# What makes two rows show the same plant at the same moment.
LINKS = ("observation_id", "photo_id", "sha256")


def group_rows(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.Series:
    """Number the groups: rows of one species that links or pairs connect, directly or through others, have one number.

    Connected components of the graph between rows and the values of their links (Tarjan 1972), by SciPy.

    Args:
        rows: with image_name, species and the columns of ``LINKS``.
        pairs: image_name and other_name of images that look alike; names that ``rows`` lack are passed over.
    """
    sources, targets, nodes = [], [], rows.height
    for link in LINKS:
        # Of one species: what connects two species is an error in the data, and is left out.
        values = rows.select("species", value=link).with_row_index("row").drop_nulls("value")
        # A value that stands once links nothing.
        values = values.filter(pl.len().over("species", "value") > 1)
        numbers = values.select(pl.struct("species", "value").rank("dense")).to_series().to_numpy().astype(np.int64)
        sources.append(values["row"].to_numpy().astype(np.int64))
        targets.append(numbers - 1 + nodes)
        nodes += int(numbers.max(initial=0))
    alike = _pairs_of_rows(rows, pairs)
    sources.append(alike["row"].to_numpy().astype(np.int64))
    targets.append(alike["other_row"].to_numpy().astype(np.int64))
    source, target = np.concatenate(sources), np.concatenate(targets)
    graph = coo_matrix((np.ones(len(source), np.int8), (source, target)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return pl.Series("group", component[: rows.height])


def _pairs_of_rows(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Give pairs of images of one species as pairs of rows: row, other_row."""
    named = rows.select("image_name", "species").with_row_index("row")
    other = named.select(other_name="image_name", species="species", other_row="row")
    return (
        pairs.select("image_name", "other_name").join(named, on="image_name").join(other, on=["other_name", "species"])
    )


def name_groups(rows: pl.DataFrame) -> pl.DataFrame:
    """Call each group, so far a number, by the name of its first image: a name that stays when other images come."""
    return rows.with_columns(group=pl.col("image_name").min().over("group"))


def drop_contradictions(available: pl.DataFrame, disputed: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out what names two species: a digest, photo id or observation, or pictures that look alike.

    Returns:
        The other rows; and those left out, with the column reason: the first link that condemns the row.
    """
    condemned = {
        f"{link}_of_two_species": pl.col(link).is_not_null() & (pl.col("species").n_unique().over(link) > 1)
        for link in reversed(LINKS)
    }
    reason = pl.coalesce(
        *(pl.when(found).then(pl.lit(name)) for name, found in condemned.items()),
        pl.when(pl.col("image_name").is_in(disputed["image_name"].implode())).then(pl.lit("looks_of_two_species")),
    )
    judged = available.with_columns(reason=reason)
    return judged.filter(pl.col("reason").is_null()).drop("reason"), judged.filter(pl.col("reason").is_not_null())
