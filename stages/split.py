"""Stage ``split``: available images -> train, val and test by species, whole observations only.

The rules, in order:

1. What names two species is used for neither: rows that share a SHA-256, a photo id or an observation under
   different species are left out.
2. Rows that share an observation, a photo id or a SHA-256 are one group (so are groups linked by a third row), and a
   group never stands in two splits. On DanishFungi the split by image, which ignores this, is 3.4 points of top-1
   too good.
3. A species with one group is in train; with two, in train and val; with three or more, in all three, and otherwise
   as near to 80/10/10 by images as whole groups allow. So every species in val or test is in train.

Labels are the ranks of the species' names; data/splits/classes.csv is the only source of label order anywhere.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stages.errors import UserError, run
from stages.outputs import replacing_directory, write_json
from stages.params import Split, stage_params
from stages.progress import in_words, say
from stages.tables import AVAILABLE, CLASSES, SPLIT, SPLITS, read_table, write_table

AVAILABLE_IN = Path("data/available.parquet")
OUT = Path("data/splits")
METRICS = Path("metrics/split.json")

# What makes two rows show the same plant at the same moment.
LINKS = ("observation_id", "photo_id", "sha256")


def main() -> None:
    """Leave out contradictions, group, divide, number the classes, write."""
    params = stage_params("split").split
    available = read_table(AVAILABLE_IN, AVAILABLE)

    grouped, contradictions = group_consistent_rows(available)
    used, too_few = drop_small_classes(grouped, params.min_images_per_class)
    if used["species"].n_unique() < 2:
        raise UserError(f"{used['species'].n_unique()} species left in {AVAILABLE_IN}: a classifier needs two or more")
    divided = used.with_columns(split=assign_splits(used, params))
    classes = number_classes(divided)

    with replacing_directory(OUT) as folder:
        for name in SPLITS:
            write_table(divided.filter(pl.col("split") == name), SPLIT, folder / f"{name}.parquet")
        write_table(classes, CLASSES, folder / "classes.csv")
    figures = summarise(divided, classes)
    write_json(METRICS, figures | {"left_out": contradictions | too_few})
    sizes = ", ".join(f"{name} {figures[name]['images']:,} of {figures[name]['classes']:,} classes" for name in SPLITS)
    say(f"split: images in {sizes}; {available.height - used.height:,} left out{in_words(contradictions | too_few)}")


def group_consistent_rows(available: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Give the rows that contradict no other their group, the name of its first image, and count those left out."""
    # Grouped before anything is left out: a row that is not used still shows that two others belong together.
    consistent, counts = drop_contradictions(available.with_columns(group=group_rows(available)))
    return consistent.with_columns(group=pl.col("image_name").min().over("group")), counts


def drop_contradictions(available: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Leave out the rows of each link (digest, photo id, observation) that stands under more than one species.

    Returns:
        The other rows, and the number of rows left out by link; a row is counted at the first link that condemns it.
    """
    condemned = available.select(
        (pl.col(link).is_not_null() & (pl.col("species").n_unique().over(link) > 1)).alias(link) for link in LINKS
    )
    counts, kept = {}, pl.repeat(True, available.height, dtype=pl.Boolean, eager=True)
    for link in reversed(LINKS):
        counts[f"{link}_of_two_species"] = int((kept & condemned[link]).sum())
        kept &= ~condemned[link]
    return available.filter(kept), counts


def drop_small_classes(rows: pl.DataFrame, min_images: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """Leave out the species with fewer than ``min_images`` images; count them and their images."""
    kept = rows.filter(pl.len().over("species") >= min_images)
    return kept, {
        "species_with_too_few_images": rows["species"].n_unique() - kept["species"].n_unique(),
        "images_of_species_with_too_few": rows.height - kept.height,
    }


def group_rows(rows: pl.DataFrame) -> pl.Series:
    """Number the groups: rows of one species that links connect, directly or through others, have one number.

    Connected components of the graph between rows and the values of their links (Tarjan 1972), by SciPy.
    """
    row_numbers, link_numbers, offset = [], [], 0
    for link in LINKS:
        # Of one species: what connects two species is an error in the data, and is left out.
        values = rows.select(pl.concat_str("species", link, separator="\n")).to_series()
        present = np.flatnonzero(values.is_not_null().to_numpy())
        ranks = values.rank("dense").drop_nulls().to_numpy().astype(np.int64) - 1
        row_numbers.append(present)
        link_numbers.append(ranks + offset)
        offset += int(ranks.max(initial=-1)) + 1
    source, target = np.concatenate(row_numbers), np.concatenate(link_numbers) + rows.height
    nodes = rows.height + offset
    graph = coo_matrix((np.ones(len(source), np.int8), (source, target)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return pl.Series("group", component[: rows.height])


def assign_splits(rows: pl.DataFrame, params: Split) -> pl.Series:
    """Give each row its split by the rules above.

    The result for a species depends on its own groups and the seed alone, not on other species or the rows' order.

    Args:
        rows: with the columns species and group; a group has one species.
        params: shares and seed.
    """
    groups = rows.group_by("species", "group").agg(images=pl.len())
    draws = [_draw(group, params.seed) for group in groups["group"]]
    groups = groups.with_columns(draw=pl.Series(draws, dtype=pl.UInt64)).sort("species", "draw")
    assigned: list[str] = []
    for _, sizes in groups.group_by("species", maintain_order=True).agg("images").iter_rows():
        assigned += divide(sizes, params.val_share, params.test_share)
    groups = groups.with_columns(split=pl.Series(assigned, dtype=pl.String))
    return rows.join(groups, on="group", how="left", maintain_order="left")["split"]


def divide(sizes: Sequence[int], val_share: float, test_share: float) -> list[str]:
    """Divide the groups of one species.

    Args:
        sizes: images in each group, the groups in a drawn order.
        val_share: of the images, wanted in val.
        test_share: of the images, wanted in test.

    Returns:
        The split of each group. The largest group is always in train: it holds most to learn from.
    """
    splits = ["train"] * len(sizes)
    if len(sizes) == 1:
        return splits
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    others = [index for index in range(len(sizes)) if index != largest]
    if len(sizes) == 2:
        splits[others[0]] = "val"
        return splits

    shortfall = {"val": val_share * sum(sizes), "test": test_share * sum(sizes)}
    for index in others:
        neediest = max(shortfall, key=shortfall.__getitem__)
        if sizes[index] < 2 * shortfall[neediest]:  # brings it nearer to what is wanted
            splits[index] = neediest
            shortfall[neediest] -= sizes[index]
    for empty in ("val", "test"):
        if empty in splits:
            continue
        # From train where it can spare one, else from the other, which then holds two or more.
        spare = [index for index in others if splits[index] == "train"] or others
        splits[min(spare, key=sizes.__getitem__)] = empty
    return splits


def number_classes(rows: pl.DataFrame) -> pl.DataFrame:
    """Number the species by the rank of their names and count their images and observations in each split.

    Returns:
        Columns of ``CLASSES``, sorted by label. A row that belongs to no observation counts as one of its own.
    """
    counts = [
        expression.alias(f"{split}_{what}")
        for split in SPLITS
        for in_split in [pl.col("split") == split]
        for what, expression in (
            ("images", in_split.sum()),
            ("observations", pl.col("group").filter(in_split).n_unique()),
        )
    ]
    classes = rows.group_by("species").agg(counts).sort("species")
    return classes.with_row_index("label")


def summarise(rows: pl.DataFrame, classes: pl.DataFrame) -> dict[str, Any]:
    """Count images, observations and classes in each split, and how many classes of val and test are in train."""
    in_split = {name: classes.filter(pl.col(f"{name}_images") > 0) for name in SPLITS}
    trained = set(in_split["train"]["species"])
    evaluated = set(in_split["val"]["species"]) | set(in_split["test"]["species"])
    by_split = {
        name: {
            "images": int(classes[f"{name}_images"].sum()),
            "observations": int(classes[f"{name}_observations"].sum()),
            "classes": in_split[name].height,
        }
        for name in SPLITS
    }
    return by_split | {
        "classes": classes.height,
        "classes_with_one_image": rows.group_by("species").len().filter(pl.col("len") == 1).height,
        "share_of_evaluated_classes_in_train": len(evaluated & trained) / len(evaluated) if evaluated else 1.0,
    }


def _draw(group: str, seed: int) -> int:
    """Draw a number for a group: the same whatever else there is, so that a growing cache keeps the order."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {group}".encode(), digest_size=8).digest(), "big")


if __name__ == "__main__":
    run(main)
