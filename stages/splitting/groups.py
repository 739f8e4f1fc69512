"""Which images belong together: pictures of one plant at one moment, and copies of one picture."""

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

# What makes two images show the same plant at the same moment, the surest last. The first three come from documents
# (data/links.parquet), the last from the inventory.
KINDS = ("observation_id", "address", "photo_id", "sha256")


def link_images(rows: pl.DataFrame, links: pl.DataFrame, assignments: pl.DataFrame) -> pl.DataFrame:
    """Give what links images with each other, or with what is remembered: image_name, kind (of ``KINDS``), value.

    Args:
        rows: with image_name and sha256.
        links: of all records, also of images that are not in ``rows``: image_name, kind and value of ``LINKS``.
        assignments: earlier ones, columns of ``ASSIGNMENTS``.
    """
    digests = rows.select("image_name", kind=pl.lit("sha256"), value="sha256")
    given = pl.concat([links.select("image_name", "kind", "value"), digests])
    # Most values stand once, and need not be told apart as text: by a hash, of which equal ones may be of two values.
    hashes = pl.concat([given["value"].hash(), assignments["value"].hash()])
    several = hashes.is_duplicated().head(given.height) & given["value"].is_not_null()
    return given.filter(several).unique()


def group_rows(rows: pl.DataFrame, linked: pl.DataFrame, pairs: pl.DataFrame) -> pl.Series:
    """Number the groups: rows of one species that links or pairs connect, directly or through others, have one number.

    Args:
        rows: with image_name and species.
        linked: as ``link_images`` gives it.
        pairs: image_name and other_name of images that look alike; names that ``rows`` lack are passed over.
    """
    component, _ = connect_images(rows, linked, pairs)
    # Over images that nobody has, rows of two species may hang together.
    return rows.select(group=pl.struct(component, "species").rank("dense")).to_series()


def connect_images(rows: pl.DataFrame, linked: pl.DataFrame, pairs: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Find the connected components of the graph between images and the values of their links (Tarjan 1972), by SciPy.

    Images that are not in ``rows`` connect too: a photo that nobody has downloaded may belong to two observations. What
    names two species connects the rows of each alone, and no others: it is an error in the data.

    Args:
        rows: with image_name and species.
        linked: image_name, kind, value.
        pairs: image_name and other_name of images that look alike; names that ``rows`` lack are passed over.

    Returns:
        The number of each row's component; and image_name and component of the images that ``rows`` lack.
    """
    # A value that stands once links nothing.
    linked = linked.filter(pl.len().over("kind", "value") > 1)
    named = rows.select("image_name", "species").with_row_index("row")
    present = linked.join(named, on="image_name")
    species = present.group_by("kind", "value").agg(several=pl.col("species").n_unique() > 1)
    absent = linked.join(named, on="image_name", how="anti").join(species, on=["kind", "value"], how="left")
    absent = absent.filter(~pl.col("several").fill_null(False)).with_columns(
        node=pl.col("image_name").rank("dense").cast(pl.Int64) + rows.height - 1, species=pl.lit(None, pl.String)
    )
    present = present.join(species, on=["kind", "value"]).with_columns(
        node=pl.col("row").cast(pl.Int64), species=pl.when("several").then("species")
    )
    edges = pl.concat([part.select("kind", "value", "species", "node") for part in (present, absent)])
    beyond = rows.height + absent.height
    value = edges.select(pl.struct("kind", "value", "species").rank("dense")).to_series().to_numpy().astype(np.int64)
    alike = _pairs_of_rows(rows, pairs)
    source = np.concatenate([edges["node"].to_numpy(), alike["row"].to_numpy().astype(np.int64)])
    target = np.concatenate([value - 1 + beyond, alike["other_row"].to_numpy().astype(np.int64)])
    nodes = beyond + int(value.max(initial=0))
    graph = coo_matrix((np.ones(len(source), np.int8), (source, target)), shape=(nodes, nodes))
    _, components = connected_components(graph, directed=False)
    elsewhere = absent.select("image_name", "node").unique()
    elsewhere = elsewhere.select("image_name", component=pl.Series(components[elsewhere["node"].to_numpy()]))
    return pl.Series("component", components[: rows.height]), elsewhere


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


def drop_contradictions(
    rows: pl.DataFrame, linked: pl.DataFrame, disputed: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out what names two species: a digest, photo, address or observation, or pictures that look alike.

    Args:
        rows: with image_name, species and sha256.
        linked: as ``link_images`` gives it.
        disputed: with image_name.

    Returns:
        The other rows; and those left out, with the column reason: the surest link that condemns the row.
    """
    # An image under two species is left out itself, and what it belongs to by either name is of that name.
    of_one = rows.filter(pl.col("species").n_unique().over("image_name") == 1).select("image_name", "species")
    values = linked.filter(pl.len().over("kind", "value") > 1).join(of_one, on="image_name")
    torn = values.filter(pl.col("species").n_unique().over("kind", "value") > 1)
    condemned = {
        f"{kind}_of_two_species": pl.col("image_name").is_in(
            torn.filter(pl.col("kind") == kind)["image_name"].unique().implode()
        )
        for kind in reversed(KINDS)
    }
    condemned["sha256_of_two_species"] |= pl.col("species").n_unique().over("sha256") > 1
    reason = pl.coalesce(
        *(pl.when(found).then(pl.lit(name)) for name, found in condemned.items()),
        pl.when(pl.col("image_name").is_in(disputed["image_name"].implode())).then(pl.lit("looks_of_two_species")),
    )
    judged = rows.with_columns(reason=reason)
    return judged.filter(pl.col("reason").is_null()).drop("reason"), judged.filter(pl.col("reason").is_not_null())
