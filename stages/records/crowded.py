"""Ids under which many species stand: more likely a word for "nothing" that nobody has thought of than a photo."""

import polars as pl

MANY_SPECIES = 3


def crowded_ids(records: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Find the photos and observations that show ``MANY_SPECIES`` or more, those of the most species first.

    Args:
        records: with image_name and species.
        links: columns of ``LINKS``.

    Returns:
        kind, value, species (a number), images.
    """
    named = records.select("image_name", "species").unique()
    ids = links.filter(pl.col("kind") != "address").select("image_name", "kind", "value").drop_nulls("value")
    # Most ids stand once: by a hash, of which equal ones may be of two.
    ids = ids.filter(ids["value"].hash().is_duplicated()).unique()
    several = ids.filter(pl.len().over("kind", "value") >= MANY_SPECIES)
    counted = several.join(named, on="image_name").group_by("kind", "value")
    counts = counted.agg(pl.col("species").n_unique(), images=pl.col("image_name").n_unique())
    crowded = counts.filter(pl.col("species") >= MANY_SPECIES)
    return crowded.sort("species", "kind", "value", descending=[True, False, False])
