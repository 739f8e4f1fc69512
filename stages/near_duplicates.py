"""Stage ``near_duplicates``: images that look alike, re-encoded, resized or mirrored -> data/near_duplicates/.

pairs.parquet holds the pairs of at most ``near_duplicates.max_distance`` bits; ``split`` keeps them together.
disputed.csv names the images whose look-alike bears another species' name: at least one of the two names is wrong.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.errors import UserError, run
from stages.images.similar import HASH_BITS, MAX_DISTANCE, find_pairs
from stages.outputs import replacing_directory, write_json
from stages.params import stage_params
from stages.progress import say
from stages.tables import (
    AVAILABLE,
    DISPUTED,
    DISTANCES,
    INVENTORY,
    PAIRS,
    read_table,
    write_table,
)

AVAILABLE_IN = Path("data/available.parquet")
SOURCES = Path("data/sources")
OUT = Path("data/near_duplicates")
METRICS = Path("metrics/near_duplicates.json")
DISTANCES_OUT = Path("plots/near_duplicate_distances.csv")


def main() -> None:
    """Find pairs, say which of them are disputed, count them by distance."""
    params = stage_params("near_duplicates")
    available = read_table(AVAILABLE_IN, AVAILABLE)
    inventory = read_table(SOURCES / params.profile / "inventory.parquet", INVENTORY, only=["image_name", "phash"])
    images = available.join(inventory, on="image_name", how="left", maintain_order="left").with_row_index("row")
    if unknown := images.filter(pl.col("phash").is_null())["image_name"].to_list():
        raise UserError(f"the inventory has no hash of {unknown[0]}: run `dvc repro cache_filter` first")

    alike = find_alike(images, mirrored=params.near_duplicates.mirrored)
    near = alike.filter(pl.col("distance") <= params.near_duplicates.max_distance)
    disputed = find_disputed(images, near)

    with replacing_directory(OUT) as folder:
        write_table(name_pairs(images, near), PAIRS, folder / "pairs.parquet")
        write_table(disputed, DISPUTED, folder / "disputed.csv")
    write_table(count_distances(images, alike), DISTANCES, DISTANCES_OUT)
    figures = summarise(images, near, disputed)
    write_json(METRICS, figures)
    say(
        f"near_duplicates: {figures['pairs']:,} pairs among {images.height:,} images, {figures['mirrored_pairs']:,} of "
        f"them mirrored; {disputed.height:,} images have a look-alike of another species"
    )


def find_alike(images: pl.DataFrame, *, mirrored: bool) -> pl.DataFrame:
    """Find the looks that are alike within ``MAX_DISTANCE`` bits.

    Args:
        images: with the columns row (UInt32) and phash.
        mirrored: find mirror images too.

    Returns:
        first and second (rows, the first row of each look), distance (bits), mirrored. All images of one hash are one
        look and stand in a pair of distance 0 with the look's first row, so that a thousand copies are no million
        pairs.
    """
    looks = images.select("row", "phash", look=pl.col("row").min().over("phash"))
    first = looks.filter(pl.col("row") == pl.col("look"))
    hashes = np.frombuffer(b"".join(first["phash"]), np.uint8).reshape(-1, HASH_BITS // 8)
    pairs = find_pairs(hashes, max_distance=MAX_DISTANCE, mirrored=mirrored)
    rows = first["row"]
    different = pl.DataFrame(
        {
            "first": rows[pairs.first],
            "second": rows[pairs.second],
            "distance": pairs.distance,
            "mirrored": pairs.mirrored,
        }
    )
    same = looks.filter(pl.col("row") != pl.col("look")).select(
        first="look", second="row", distance=pl.lit(0, pl.Int32), mirrored=pl.lit(False)
    )
    return pl.concat([same, different]).sort("first", "second")


def find_disputed(images: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Find the images that look like one of another species; each with the nearest such image.

    Returns:
        Columns of ``DISPUTED``, sorted by image_name.
    """
    looks = images.select("row", "species", "phash", look=pl.col("row").min().over("phash"))
    # Two rows stand for all of a look: whatever species it is held against, one of them differs if any does.
    ends = looks.group_by("look").agg(
        pl.col("row").sort_by("species", "row").first().alias("lowest"),
        pl.col("row").sort_by("species", "row").last().alias("highest"),
        several=pl.col("species").n_unique() > 1,
    )
    neighbours = pl.concat(
        [
            ends.filter("several").select("look", other_look="look", distance=pl.lit(0, pl.Int32)),
            pairs.select(look="first", other_look="second", distance="distance"),
            pairs.select(look="second", other_look="first", distance="distance"),
        ]
    )
    candidates = neighbours.join(ends, left_on="other_look", right_on="look").unpivot(
        on=["lowest", "highest"], index=["look", "distance"], value_name="other", variable_name="end"
    )
    named = images.select(other="row", other_name="image_name", other_species="species")
    return (
        looks.join(candidates, on="look")
        .join(named, on="other")
        .filter(pl.col("species") != pl.col("other_species"))
        .sort("row", "distance", "other_name", "other_species")
        .unique("row", keep="first", maintain_order=True)
        .join(images.select("row", "image_name"), on="row")
        .sort("image_name", "species")
    )


def name_pairs(images: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Give pairs of rows by the images' names; a picture under two species is no pair of its own."""
    names = images["image_name"]
    named = pairs.with_columns(image_name=names[pairs["first"]], other_name=names[pairs["second"]])
    return named.filter(pl.col("image_name") != pl.col("other_name")).sort("image_name", "other_name")


def count_distances(images: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Count the pairs by distance, those that are linked in another way apart: there a good threshold shows.

    Returns:
        Columns of ``DISTANCES``: a row for each distance from 0 to ``MAX_DISTANCE`` and each kind.
    """
    links = images.select("observation_id", "photo_id", "sha256")
    one, other = links[pairs["first"]], links[pairs["second"]]
    linked = pl.DataFrame({name: (one[name] == other[name]).fill_null(False) for name in links.columns})
    counted = (
        pairs.with_columns(kind=pl.when(linked.select(pl.any_horizontal(pl.all())).to_series())
        .then(pl.lit("one observation, photo or file"))
        .otherwise(pl.lit("found by their looks alone")))
        .group_by("distance", "kind")
        .agg(pairs=pl.len())
    )  # fmt: skip
    every = pl.DataFrame({"distance": range(MAX_DISTANCE + 1)}, schema={"distance": pl.Int32}).join(
        pl.DataFrame({"kind": ["found by their looks alone", "one observation, photo or file"]}), how="cross"
    )
    return every.join(counted, on=["distance", "kind"], how="left").with_columns(pl.col("pairs").fill_null(0))


def summarise(images: pl.DataFrame, pairs: pl.DataFrame, disputed: pl.DataFrame) -> dict[str, Any]:
    """Count pairs, the images in them and those that are disputed."""
    return {
        "images": images.height,
        "pairs": pairs.height,
        "mirrored_pairs": int(pairs["mirrored"].sum()),
        "images_in_pairs": pl.concat([pairs["first"], pairs["second"]]).n_unique(),
        "disputed_images": disputed.height,
    }


if __name__ == "__main__":
    run(main)
