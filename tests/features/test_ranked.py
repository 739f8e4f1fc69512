"""What is listed, and so asked: the first by each ranking that nobody has judged, however many were judged before."""

import numpy as np
import polars as pl

from stages.config.schema import Probe
from stages.features.neighbors import all_neighbors
from stages.features.normalized import normalized
from stages.features.ranked import table_of_images
from stages.features.seen import Seen
from stages.features.suspicion import suspect
from stages.tables.suspects import SUSPECTED
from stages.tables.verdicts import VERDICTS
from stages.verdicts.random_order import random_order

PROBE = Probe(ridge=0.1, class_weight_power=-0.5, neighbors=3)
IMAGES, LISTED = 120, 10


def seen_of(seed: int) -> Seen:
    rng = np.random.default_rng(seed)
    features, _ = normalized(rng.normal(0.3, 1, (IMAGES, 8)))
    labels, groups = rng.integers(0, 4, IMAGES), np.arange(IMAGES) // 2
    names = [f"{number:032x}.jpg" for number in range(IMAGES)]
    rows = {
        "image_name": names, "sha256": [f"{number:064x}" for number in range(IMAGES)],
        "species": [f"Rosa {label}" for label in labels], "source": ["s"] * IMAGES,
        "group": [names[2 * group] for group in groups], "split": ["train"] * IMAGES,
    }  # fmt: skip
    images = pl.DataFrame(rows, schema=dict.fromkeys(rows, pl.String)).select(
        pl.col(name) if name in rows else pl.lit(None, pl.String).alias(name) for name in SUSPECTED
    )
    return Seen(images, features, labels, groups, [f"Rosa {number}" for number in range(4)])


def table(seen: Seen, verdicts: pl.DataFrame) -> pl.DataFrame:
    suspicion = suspect(seen.features, seen.labels, seen.groups, classes=4, probe=PROBE)
    neighbors, search = all_neighbors(seen.features, seen.groups, count=8)
    return table_of_images(seen, suspicion, neighbors, search, verdicts, LISTED, PROBE)


def said(images: pl.DataFrame, verdict: str = "confirm", *, given: str | None = None) -> pl.DataFrame:
    """What somebody said of images: that they are what they are called, if nothing else."""
    relabel = verdict == "relabel"
    rows = images.select(
        "image_name", "sha256", given=pl.col("species") if given is None else pl.lit(given), verdict=pl.lit(verdict),
        species="species" if relabel else pl.lit(None, pl.String), asked_as=pl.lit("suspect"),
    )  # fmt: skip
    empty = pl.DataFrame(schema=dict(VERDICTS) | {"reviewer": pl.String})
    return pl.concat([empty, rows.with_columns(reviewer=pl.lit("ana"))], how="diagonal")


def test_whoever_has_judged_all_that_is_listed_gets_as_many_again():
    seen = seen_of(1)
    nothing = said(seen.images.head(0))
    judged = nothing
    for times in range(1, 5):
        found = table(seen, judged)
        assert found["rank"].to_list() == list(range(1, IMAGES + 1))  # a verdict moves no rank
        listed = found.filter(pl.col("neighbors").list.len() > 0)
        new = listed.join(judged, on="image_name", how="anti")
        for name in ("rank", "isolation_rank"):
            assert (
                new.sort(name)["image_name"].to_list()[:LISTED]
                == (found.join(judged, on="image_name", how="anti").sort(name)["image_name"].to_list()[:LISTED])
            )
        # What was judged keeps its neighbors, as another reviewer may be asked of it at random.
        assert set(judged["image_name"]) <= set(listed["image_name"])
        at_random = [name for name in random_order(seen.images["image_name"]) if name not in set(judged["image_name"])]
        assert set(at_random[:LISTED]) <= set(listed["image_name"])
        assert new.height <= 3 * LISTED
        judged = pl.concat([judged, said(new)])
        assert judged.height >= times * LISTED


def test_a_verdict_on_other_bytes_or_another_species_lists_nothing_more():
    seen = seen_of(2)
    nothing = said(seen.images.head(0))
    first = table(seen, nothing)
    top = first.filter(pl.col("neighbors").list.len() > 0)
    for stale in (said(top, given="Rosa 9"), said(top).with_columns(sha256=pl.lit("f" * 64))):
        assert table(seen, stale).equals(first)
    # A relabel that was followed is a verdict on the species that the image has now.
    assert table(seen, said(top, "relabel", given="Rosa 9")).equals(table(seen, said(top)))
