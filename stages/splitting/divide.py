"""Dividing the groups of each species among train, val and test."""

from collections.abc import Sequence

import polars as pl

from stages.config.schema import Split
from stages.splitting.draws import draw


def assign_splits(rows: pl.DataFrame, params: Split) -> pl.Series:
    """Give each row the split of its group.

    The result for a species depends on its own groups and the seed alone, not on other species or the rows' order.

    Args:
        rows: with the columns species, group and pinned: the split that the group had before, or null. A group has one
            species and one pinned value.
        params: shares and seed.

    Returns:
        train, val or test; null for the rows of species of which all groups are pinned outside train.
    """
    groups = rows.group_by("species", "group").agg(images=pl.len(), pinned=pl.col("pinned").first())
    draws = [draw(group, params.seed) for group in groups["group"]]
    groups = groups.with_columns(draw=pl.Series(draws, dtype=pl.UInt64)).sort("species", "draw")
    assigned: list[str | None] = []
    for _, sizes, pinned in groups.group_by("species", maintain_order=True).agg("images", "pinned").iter_rows():
        divided = divide(sizes, params.val_share, params.test_share, pinned)
        assigned += divided if "train" in divided else [None] * len(divided)
    groups = groups.with_columns(split=pl.Series(assigned, dtype=pl.String))
    return rows.join(groups, on="group", how="left", maintain_order="left")["split"]


def divide(
    sizes: Sequence[int], val_share: float, test_share: float, pinned: Sequence[str | None] | None = None
) -> list[str]:
    """Divide the groups of one species.

    A species with one group is in train; with two, in train and val; with three or more, in all three, and otherwise
    as near to the shares as whole groups allow. Groups that have a split keep it, and the others fill up what is
    wanted around them: what these rules ask for comes about as far as there are groups without a split.

    Args:
        sizes: images in each group, the groups in a drawn order.
        val_share: of the images, wanted in val.
        test_share: of the images, wanted in test.
        pinned: the split that each group has already, or ``None``.

    Returns:
        The split of each group. Where no group is in train yet, the largest new one is: it holds most to learn from.
    """
    kept = list(pinned or [None] * len(sizes))
    splits = [split or "train" for split in kept]
    new = [index for index, split in enumerate(kept) if split is None]
    if new and "train" not in kept:
        new.remove(max(new, key=sizes.__getitem__))
    if len(sizes) == 2:
        for index in new:
            splits[index] = "val"
        return splits

    shortfall = {"val": val_share * sum(sizes), "test": test_share * sum(sizes)}
    for size, split in zip(sizes, kept, strict=True):
        if split in shortfall:
            shortfall[split] -= size
    for index in new:
        neediest = max(shortfall, key=shortfall.__getitem__)
        if sizes[index] < 2 * shortfall[neediest]:  # brings it nearer to what is wanted
            splits[index] = neediest
            shortfall[neediest] -= sizes[index]
    for empty in ("val", "test"):
        if empty in splits:
            continue
        # From train where it can spare one, else from the other, which then holds two or more.
        spare = [index for index in new if splits[index] == "train"]
        spare = spare or [index for index in new if splits.count(splits[index]) > 1]
        if spare:
            splits[min(spare, key=sizes.__getitem__)] = empty
    return splits


def drop_extra_photos(rows: pl.DataFrame, known: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep one photo of each group in val and test, one that was there before if there is one.

    Args:
        rows: with image_name, group and split.
        known: names of the images that stood in a split themselves before.

    Returns:
        The rows kept, and those left out with the column reason.
    """
    # A name is the MD5 of a URL, so the first is as good as drawn.
    # Known or not is looked up before `over`, which would copy the names for each group.
    new = rows.select("image_name", "group", new=~pl.col("image_name").is_in(known.implode()))
    first = new.select(pl.col("image_name").sort_by("new", "image_name").first().over("group")).to_series()
    kept = (pl.col("split") == "train") | (pl.col("image_name") == first)
    return rows.filter(kept), rows.filter(~kept).with_columns(reason=pl.lit("another_photo_of_its_observation"))


def cap_train(rows: pl.DataFrame, max_images: int, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep at most so many images of each species in train: one of each group before a second one, in a drawn order.

    Returns:
        The rows kept, and those left out with the column reason.
    """
    train = rows.filter(pl.col("split") == "train", pl.len().over("species", "split") > max_images)
    groups = train["group"].unique()
    draws = pl.DataFrame(
        {"group": groups, "draw": [draw(group, seed) for group in groups]}, schema_overrides={"draw": pl.UInt64}
    )
    ranked = (
        train.join(draws, on="group")
        .sort("image_name")
        .with_columns(nth=pl.int_range(pl.len()).over("group"))
        .sort("species", "nth", "draw", "image_name")
        .with_columns(place=pl.int_range(pl.len()).over("species"))
    )
    beyond = ranked.filter(pl.col("place") >= max_images)["image_name"]
    over = (pl.col("split") == "train") & pl.col("image_name").is_in(beyond.implode())
    return rows.filter(~over), rows.filter(over).with_columns(reason=pl.lit("over_max_train_images"))
