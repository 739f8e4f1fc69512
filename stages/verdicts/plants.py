"""Which records a word about one of them is about too: those of the same bytes, and of the same plant at one moment."""

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def number_plants(rows: pl.DataFrame, links: pl.DataFrame) -> pl.Series:
    """Number the records so that those have one number which are of one plant, directly or through others (SciPy).

    As in ``split``, an observation, photo or address connects the records of each species alone, for what stands under
    two species is an error that nobody has looked at. The same bytes, and an image that stands under two species,
    connect whatever they are called: what somebody says of them, he says of both.

    Args:
        rows: of all records, with image_name, species, and sha256; null where the bytes shall connect nothing, as those
            that a host sends in the place of many photos.
        links: image_name, kind and value of ``LINKS``.

    Returns:
        int32, a number a row.
    """
    named = rows.select("image_name", "species").with_row_index("row")
    # Most values stand once, and need not be told apart as text: by a hash, of which equal ones may be of two values.
    several = links["value"].hash().is_duplicated() & links["value"].is_not_null()
    shared = links.select("image_name", "kind", "value").filter(several)
    edges = [shared.join(named, on="image_name").select("row", "kind", "value", "species")]
    for name in ("sha256", "image_name"):
        repeated = rows[name].is_duplicated() & rows[name].is_not_null()
        both = rows.select(value=name).with_row_index("row").filter(repeated)
        edges.append(both.select("row", pl.lit(name).alias("kind"), "value", pl.lit(None, pl.String).alias("species")))
    joined = pl.concat(edges)
    node = joined.select(pl.struct("kind", "value", "species").rank("dense")).to_series().to_numpy().astype(np.int64)
    size = rows.height + int(node.max(initial=0))
    ends = (joined["row"].to_numpy().astype(np.int64), node - 1 + rows.height)
    graph = coo_matrix((np.ones(len(node), np.int8), ends), shape=(size, size))
    return pl.Series("plant", connected_components(graph, directed=False)[1][: rows.height])
