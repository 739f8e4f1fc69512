"""Stage ``near_duplicates``: images that look alike, re-encoded, resized or mirrored -> data/near_duplicates/.

pairs.parquet holds pairs of at most ``near_duplicates.max_distance`` bits, enough of them to say which images of a
species belong together; ``split`` keeps these together. What people said of pairs goes before: what is the same is a
pair, whatever its distance, and what is different is none.
disputed.csv names the images whose look-alike bears another species' name: at least one of the two names is wrong.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.reading import stage_params
from stages.config.schema import NearDuplicates
from stages.config.sources import inventory_path, pair_verdicts_path
from stages.images.looks import ALIKE, count_said, find_looks, hashes_of, looks_of_pairs, measure_pairs
from stages.images.similar import MAX_DISTANCE, Pairs, Sieve, find_pairs
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.tables.cache_filter import AVAILABLE
from stages.tables.inventory import INVENTORY
from stages.tables.json_files import write_figures
from stages.tables.near_duplicates import DISPUTED, DISTANCES, PAIRS
from stages.tables.table import read_table, write_table
from stages.verdicts.pairs import SaidOfPairs, agree_on_pairs, in_lines
from stages.verdicts.reading import read_pair_verdicts

AVAILABLE_IN = Path("data/available.parquet")
OUT = Path("data/near_duplicates")
METRICS = Path("metrics/near_duplicates.json")
REPORT = Path("data/reports/near_duplicates.json")
DISTANCES_OUT = Path("plots/near_duplicate_distances.csv")

# By which the pairs are counted apart: what a record and a file say of an image first, whatever it looks like.
SHARED = ("observation_id", "photo_id", "sha256")
_ALONE, _LINKED = "found by their looks alone", "one observation, photo or file"


def main() -> None:
    """Find pairs, say which of them are disputed, count them by distance."""
    params = stage_params("near_duplicates")
    available = read_table(AVAILABLE_IN, AVAILABLE)
    inventory = read_table(inventory_path(params.profile), INVENTORY, only=["image_name", "phash"])
    images = available.join(inventory, on="image_name", how="left", maintain_order="left").with_row_index("row")
    if unknown := images.filter(pl.col("phash").is_null())["image_name"].to_list():
        raise UserError(f"the inventory has no hash of {unknown[0]}: run `dvc repro cache_filter` first")

    folder = pair_verdicts_path(params.profile)
    verdicts = read_pair_verdicts(folder)
    said = agree_on_pairs(verdicts, available) if verdicts.height else None
    pairs, counts, totals = find_alike(images, params.near_duplicates, said)
    disputed = find_disputed(images, pairs, said)
    if said:
        totals["review"] = review = said.figures | count_said(images, pairs, params.near_duplicates, said)
        for line in in_lines(review, folder):
            say(f"near_duplicates: {line}")

    with replacing_directory(OUT) as folder:
        write_table(name_pairs(images, pairs), PAIRS, folder / "pairs.parquet")
        write_table(disputed, DISPUTED, folder / "disputed.csv")
    write_table(counts, DISTANCES, DISTANCES_OUT)
    write_figures(REPORT, {"images": images.height, **totals, "disputed_images": disputed.height})
    # What people compare from run to run.
    write_figures(METRICS, {"look_alike_pairs": totals["pairs"], "disputed_images": disputed.height})
    say(
        f"near_duplicates: {totals['pairs']:,} pairs among {images.height:,} images, {totals['mirrored_pairs']:,} of "
        f"them mirrored; {disputed.height:,} images have a look-alike of another species"
    )


def find_alike(
    images: pl.DataFrame, params: NearDuplicates, said: SaidOfPairs | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    """Find the images that look alike.

    All images of one hash are one look, and each stands in a pair of distance 0 with the look's first row, so that a
    thousand copies are no million pairs. Of looks that are alike, ``Sieve`` keeps what says which belong together and
    which are disputed, so that a thousand pictures that are nearly copies are none either.

    Args:
        images: with the columns row (UInt32), phash, species and ``SHARED``; and image_name where something was said.
        params: the limit of distance, and whether mirror images count.
        said: what people said of pairs. What is the same is a pair of the distance that it has; what is different is
            none, and is not counted.

    Returns:
        The pairs kept: first and second (rows, the first row of each look), distance (bits), mirrored. All pairs by
        their distance up to ``MAX_DISTANCE``, columns of ``DISTANCES``. And how many there are within the limit.
    """
    looks = find_looks(images, said)
    first = looks.group_by("look", maintain_order=True).agg(
        pl.col("phash").first(), pl.col("species").first(), several=pl.col("species").n_unique() > 1
    )
    rows = first["look"].to_numpy()
    hashes = hashes_of(first["phash"])
    different = _codes(looks_of_pairs(images, looks, said.different)) if said else np.empty(0, np.int64)

    def in_rows(pairs: Pairs) -> Pairs:
        return pairs._replace(first=rows[pairs.first], second=rows[pairs.second])

    # A look of several species is of none of them.
    species = first["species"].rank("dense").to_numpy().astype(np.int64)
    kinds = np.where(first["several"], -np.arange(len(rows)) - 1, species)

    copies = looks.filter(pl.col("row") != pl.col("look"))
    nothing = np.zeros(copies.height)
    same = Pairs(copies["look"].to_numpy(), copies["row"].to_numpy(), nothing.astype(np.int32), nothing.astype(bool))
    tally, sieve = Tally(images, params.max_distance), Sieve(kinds)
    tally.add(same)
    for found in find_pairs(hashes, max_distance=MAX_DISTANCE, mirrored=params.mirrored):
        piece = found
        if len(different):
            apart = np.isin(_codes(pl.DataFrame(in_rows(found)._asdict())), different)
            piece = Pairs(*(column[~apart] for column in found))
        tally.add(in_rows(piece))
        near = piece.distance <= params.max_distance
        sieve.take(Pairs(*(column[near] for column in piece)))
    kept = pl.concat(pl.DataFrame(pairs._asdict(), schema=ALIKE) for pairs in (same, in_rows(sieve.pairs())))
    if said:
        added = measure_pairs(images, looks_of_pairs(images, looks, said.same), mirrored=params.mirrored)
        kept = pl.concat([kept, added]).unique(["first", "second"])
    return kept.sort("first", "second"), tally.distances(), tally.figures()


def _codes(pairs: pl.DataFrame) -> np.ndarray:
    """Give a number a pair of rows, first and second."""
    first, second = (pairs[end].to_numpy().astype(np.int64) for end in ("first", "second"))
    return first << 32 | second


class Tally:
    """Counts pairs by distance, those that are linked in another way apart: there a good threshold shows."""

    def __init__(self, images: pl.DataFrame, max_distance: int) -> None:
        """Begin with none; ``max_distance`` is that of pairs which count as alike."""
        # Numbers of the links' values, negative where a row has none: quicker to compare than text.
        self._links = [images[name].rank("dense").fill_null(0).cast(pl.Int32).to_numpy() - 1 for name in SHARED]
        self._max_distance = max_distance
        self._counts = {kind: np.zeros(MAX_DISTANCE + 1, np.int64) for kind in (_ALONE, _LINKED)}
        self._mirrored = 0
        self._seen = np.zeros(images.height, bool)

    def add(self, pairs: Pairs) -> None:
        """Count pairs of rows."""
        linked = np.zeros(len(pairs.first), bool)
        for numbers in self._links:
            values = numbers[pairs.first]
            linked |= (values == numbers[pairs.second]) & (values >= 0)
        for kind, which in ((_ALONE, ~linked), (_LINKED, linked)):
            self._counts[kind] += np.bincount(pairs.distance[which], minlength=MAX_DISTANCE + 1)
        near = pairs.distance <= self._max_distance
        self._mirrored += int((pairs.mirrored & near).sum())
        self._seen[pairs.first[near]] = self._seen[pairs.second[near]] = True

    def distances(self) -> pl.DataFrame:
        """Give all pairs by distance, from 0 to ``MAX_DISTANCE``: columns of ``DISTANCES``."""
        parts = (
            pl.DataFrame({"distance": range(MAX_DISTANCE + 1), "kind": kind, "pairs": counts}, schema=DISTANCES)
            for kind, counts in self._counts.items()
        )
        return pl.concat(parts).sort("distance", "kind")

    def figures(self) -> dict[str, int]:
        """Count the pairs that are alike, the mirrored ones among them, and the images in them."""
        alike = sum(int(counts[: self._max_distance + 1].sum()) for counts in self._counts.values())
        return {"pairs": alike, "mirrored_pairs": self._mirrored, "images_in_pairs": int(self._seen.sum())}


def find_disputed(images: pl.DataFrame, pairs: pl.DataFrame, said: SaidOfPairs | None = None) -> pl.DataFrame:
    """Find the images that look like one of another species; each with the nearest such image.

    Args:
        images: as ``find_alike`` takes them, with image_name.
        pairs: that it kept.
        said: what people said of pairs, as ``find_alike`` had it.

    Returns:
        Columns of ``DISPUTED``, sorted by image_name.
    """
    looks = find_looks(images, said)
    # Two rows stand for all of a look: whatever species it is held against, one of them differs if any does.
    ends = looks.group_by("look").agg(
        pl.col("row").sort_by("species", "row").first().alias("lowest"),
        pl.col("row").sort_by("species", "row").last().alias("highest"),
        several=pl.col("species").n_unique() > 1,
    )
    neighbors = pl.concat(
        [
            ends.filter("several").select("look", other_look="look", distance=pl.lit(0, pl.Int32)),
            pairs.select(look="first", other_look="second", distance="distance"),
            pairs.select(look="second", other_look="first", distance="distance"),
        ]
    )
    candidates = neighbors.join(ends, left_on="other_look", right_on="look").unpivot(
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


if __name__ == "__main__":
    run(main)
