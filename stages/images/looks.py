"""Looks: images of one perceptual hash; and what people said of pairs of images, as pairs of looks."""

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.config.schema import NearDuplicates
from stages.images.similar import HASH_BITS, MIRROR
from stages.verdicts.pairs import SaidOfPairs

ALIKE = {"first": pl.UInt32, "second": pl.UInt32, "distance": pl.Int32, "mirrored": pl.Boolean}


def find_looks(images: pl.DataFrame, said: SaidOfPairs | None) -> pl.DataFrame:
    """Give row, species, phash and look (the first row) of images; all of one hash are one look.

    But an image of which people said that another is different from it is a look of its own: else nothing could come
    between images of one hash.
    """
    alike = ["phash"]
    if said and said.different.height:
        apart = pl.concat([said.different["image_name"], said.different["other_name"]]).unique()
        alone = pl.when(pl.col("image_name").is_in(apart.implode())).then("image_name").alias("alone")
        images, alike = images.with_columns(alone), ["phash", "alone"]
    return images.select("row", "species", "phash", look=pl.col("row").min().over(alike))


def looks_of_pairs(images: pl.DataFrame, looks: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Give pairs of images (image_name, other_name) as pairs of their looks (first, second); none of one look."""
    names = pl.concat([pairs["image_name"], pairs["other_name"]]).unique()
    named = images.select("image_name", look=looks["look"]).filter(pl.col("image_name").is_in(names.implode()))
    named = named.unique("image_name", keep="first", maintain_order=True)
    both = pairs.join(named, on="image_name").join(named, left_on="other_name", right_on="image_name", suffix="_other")
    ends = both.select(
        first=pl.min_horizontal("look", "look_other"), second=pl.max_horizontal("look", "look_other")
    ).unique()
    return ends.filter(pl.col("first") != pl.col("second")).sort("first", "second")


def measure_pairs(images: pl.DataFrame, pairs: pl.DataFrame, *, mirrored: bool) -> pl.DataFrame:
    """Give the distance of each pair of rows (first, second), in bits, and whether it is that of the mirror image."""
    one, other = (hashes_of(images["phash"][pairs[end]]) for end in ("first", "second"))
    plain, mirror = (np.unpackbits(one ^ other ^ turn, axis=1).sum(axis=1) for turn in (np.zeros_like(MIRROR), MIRROR))
    turned = (mirror < plain) & mirrored
    nearer = np.where(turned, mirror, plain).astype(np.int32)
    return pairs.with_columns(distance=pl.Series(nearer), mirrored=pl.Series(turned))


def count_said(images: pl.DataFrame, pairs: pl.DataFrame, params: NearDuplicates, said: SaidOfPairs) -> dict[str, int]:
    """Count what people's word on pairs changed, in pairs of looks.

    Args:
        images: as ``find_alike`` takes them.
        pairs: those kept.
        params: the limit of distance, and whether mirror images count.
        said: what people said.

    Returns:
        linked_anew: the same, and farther apart than the limit. taken_apart: different, and within the limit.
        still_together: different and of one species, and yet connected by other pairs.
    """
    looks = find_looks(images, said)
    same, different = (looks_of_pairs(images, looks, part) for part in (said.same, said.different))
    near_same, near_different = (
        measure_pairs(images, part, mirrored=params.mirrored)["distance"] <= params.max_distance
        for part in (same, different)
    )
    species = images["species"]
    inside = pairs.filter(species[pairs["first"]] == species[pairs["second"]])
    ends = (inside["first"].to_numpy(), inside["second"].to_numpy())
    graph = coo_matrix((np.ones(inside.height, np.int8), ends), shape=(images.height, images.height))
    component = connected_components(graph, directed=False)[1]
    together = component[different["first"].to_numpy()] == component[different["second"].to_numpy()]
    return {
        "linked_anew": same.height - int(near_same.sum()),
        "taken_apart": int(near_different.sum()),
        "still_together": int(together.sum()),
    }


def hashes_of(phash: pl.Series) -> np.ndarray:
    """Give hashes as uint8 [n, 32]."""
    return np.frombuffer(b"".join(phash), np.uint8).reshape(-1, HASH_BITS // 8)
