"""What becomes of val and test while a cache grows: this split with and without memory, against a seeded shuffle.

    python -m benchmarks.growth

A seeded, long-tailed population of 118,126 images is split when a sixth of it is there, then when it has grown by half,
then when all is there. Says for each way of splitting which share of the earlier val and test images stands in train
afterwards, and how far each split is from 80/10/10, by the size of the classes.
"""

import random

import polars as pl

from benchmarks.population import SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO, SPLIT_IMAGES, make_links, make_records
from stages.config.schema import Split
from stages.split import split_images
from stages.splitting.memory import extend_assignments
from stages.tables.near_duplicates import DISPUTED, PAIRS
from stages.tables.remember import ASSIGNMENTS

PARAMS = Split(
    seed=1,
    val_share=0.1,
    test_share=0.1,
    min_images_per_class=1,
    keep_unknown=False,
    max_train_images_per_class=None,
    one_photo_an_observation=False,
)
STEPS = {"a sixth": 1 / 6, "grown by half": 1 / 4, "six times": 1.0}
CLASS_SIZES = {"1 to 4": (1, 4), "5 to 19": (5, 19), "20 to 99": (20, 99), "100 or more": (100, 10**9)}


def ours(rows: pl.DataFrame, assignments: pl.DataFrame) -> pl.DataFrame:
    """Split by the stage's rules."""
    no_pairs, no_disputes = pl.DataFrame(schema=PAIRS), pl.DataFrame(schema=DISPUTED)
    return split_images(rows, make_links(rows), no_pairs, no_disputes, assignments, PARAMS)[0]


def known_by(rows: pl.DataFrame) -> pl.DataFrame:
    """Give all that images may be met again by: image_name, kind, value."""
    digests = rows.select("image_name", kind=pl.lit("sha256"), value="sha256")
    return pl.concat([make_links(rows).select(digests.columns), digests])


def shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    """Split each species by a seeded shuffle of its observations, as one does first."""
    parts = []
    for (_,), of_species in rows.sort("species", "image_name").group_by("species", maintain_order=True):
        groups = of_species.select(pl.coalesce("observation_id", "image_name")).to_series()
        names = groups.unique(maintain_order=True).to_list()
        random.Random(PARAMS.seed).shuffle(names)
        val, test = round(0.8 * len(names)), round(0.9 * len(names))
        place = {name: "train" if n < val else "val" if n < test else "test" for n, name in enumerate(names)}
        parts.append(of_species.with_columns(split=groups.replace_strict(place, return_dtype=pl.String)))
    return pl.concat(parts)


def main() -> None:
    """Grow the population, print the tables."""
    records = make_records(SPLIT_IMAGES, SPLIT_CLASSES, with_two_or_more=SPLIT_CLASSES_OF_TWO)
    population = records.with_columns(
        bytes=pl.lit(1, pl.Int64), sha256="image_name", width=pl.lit(9, pl.Int32), height=pl.lit(9, pl.Int32)
    ).sample(fraction=1.0, shuffle=True, seed=1)
    nothing = pl.DataFrame(schema=ASSIGNMENTS)
    remembered, before = nothing, {}
    moved, deviations = [], []
    for step, share in STEPS.items():
        rows = population.head(round(share * population.height))
        now = {
            "seeded shuffle": shuffled(rows),
            "without memory": ours(rows, nothing),
            "with memory": ours(rows, remembered),
        }
        for way, split in now.items():
            if way in before:
                moved.append((way, step, moved_into_train(before[way], split)))
            deviations += [(way, step, *row) for row in deviation(split)]
        used = now["with memory"].with_columns(used=pl.lit(True))
        remembered, before = extend_assignments(remembered, used, known_by(used)), now
    print("\n| split | when | share of the earlier val and test that is in train now |\n|---|---|---|")
    for way, step, part in moved:
        print(f"| {way} | {step} | {part:.2%} |")
    print("\n| split | when | images a class | train | val | test |\n|---|---|---|---|---|---|")
    for way, step, size, *shares in deviations:
        print(f"| {way} | {step} | {size} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


def moved_into_train(before: pl.DataFrame, now: pl.DataFrame) -> float:
    """Give the share of the images of val and test that are in train now."""
    evaluated = before.filter(pl.col("split") != "train").select("image_name")
    return evaluated.join(now.filter(pl.col("split") == "train"), on="image_name", how="semi").height / evaluated.height


def deviation(split: pl.DataFrame) -> list[tuple]:
    """Give the shares of train, val and test in the classes of each size."""
    sized = split.with_columns(size=pl.len().over("species"))
    rows = []
    for name, (low, high) in CLASS_SIZES.items():
        members = sized.filter(pl.col("size").is_between(low, high))
        shares = [members.filter(pl.col("split") == part).height / members.height for part in ("train", "val", "test")]
        rows.append((name, *shares))
    return rows


if __name__ == "__main__":
    main()
