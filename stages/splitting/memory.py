"""Earlier assignments: what was in val or test once must never be trained on, or old models look better than they are.

The table data/sources/<profile>/assignments/assignments.parquet remembers, for every image that ever stood in a split,
in which, under all the names by which the image may be met again: its URL, bytes, photo and observations. ``make
remember`` brings it up to date; nothing else changes it, so a commit pins it like the inventory.
"""

from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.splitting.former_assignments import is_former, read_former
from stages.splitting.groups import connect_images
from stages.tables.remember import ASSIGNMENTS
from stages.tables.table import read_table

# Under what an image is met again, the surest first.
IDENTITIES = ("image_name", "sha256", "photo_id", "address", "observation_id")
_ORDER = {kind: order for order, kind in enumerate(IDENTITIES)}
# Where one group was in several splits: what was trained on stays in train, and test is not used for choosing.
PRECEDENCE = ("train", "test", "val")


def read_assignments(path: Path) -> pl.DataFrame:
    """Read earlier assignments; none are there before the first ``make remember``.

    Raises:
        UserError: DVC knows the table and it is not here, or it is damaged. To split as if nothing had ever been split
            would be worse than not to split.
    """
    pinned = path.with_name(f"{path.name}.dvc")
    if not path.exists() and pinned.exists():
        raise UserError(
            f"{path} is missing, and {pinned.name} says that there is one: bring it back with `dvc checkout {pinned}` "
            f"or `dvc pull {pinned}`; to give it up, delete {pinned.name} too"
        )
    if not path.exists():
        return pl.DataFrame(schema=ASSIGNMENTS)
    return read_former(path) if is_former(path) else read_table(path, ASSIGNMENTS)


def recall(rows: pl.DataFrame, linked: pl.DataFrame, assignments: pl.DataFrame) -> pl.Series:
    """Give the split in which each row was before, by the surest of ``IDENTITIES`` that is known; null for new ones.

    Args:
        rows: with image_name.
        linked: what links images, as ``link_images`` gives it.
        assignments: columns of ``ASSIGNMENTS``.
    """
    remembered = assignments.select("image_name", "kind", "value", rank=rank_of(pl.col("split")))
    # What is an image's by now, was its before: also of one that is not there any more.
    splits = remembered.group_by("image_name").agg(pl.col("rank").min())
    found_since = linked.join(splits, on="image_name").select("kind", "value", "rank")
    known = pl.concat([remembered.select("kind", "value", "rank"), found_since])
    known = known.group_by("kind", "value").agg(pl.col("rank").min())
    names = rows.select("image_name", kind=pl.lit("image_name"), value="image_name").unique()
    met = pl.concat([names, linked.select(names.columns)]).join(known, on=["kind", "value"])
    surest = met.with_columns(order=pl.col("kind").replace_strict(_ORDER, return_dtype=pl.Int8))
    # Of several values of one kind, as of one in several splits: what was trained on was trained on.
    found = surest.sort("order", "rank").unique("image_name", keep="first", maintain_order=True)
    ranks = rows.select("image_name").join(found, on="image_name", how="left", maintain_order="left")
    return ranks.select(earlier=_split(pl.col("rank"))).to_series()


def lost_sources(assignments: pl.DataFrame, links: pl.DataFrame) -> list[str]:
    """Name the sources of remembered ids, by kind, of which no record is left: their ids find nothing any more.

    Args:
        assignments: columns of ``ASSIGNMENTS``.
        links: with kind and value of ``LINKS``.

    Returns:
        Such as ``observation_id of jsonl``, sorted.
    """
    ids = pl.col("kind").is_in(["photo_id", "observation_id"])
    source = pl.format("{} of {}", "kind", pl.col("value").str.extract("^([^:]+):", 1))
    remembered, present = (table.filter(ids).select(source).to_series().unique() for table in (assignments, links))
    return sorted(set(remembered.drop_nulls()) - set(present.drop_nulls()))


def follow(rows: pl.DataFrame, linked: pl.DataFrame, pairs: pl.DataFrame, assignments: pl.DataFrame) -> pl.Series:
    """Give the split that each row has to follow: that of remembered images which it hangs together with.

    These need not be there any more, nor what they were known by: all that was ever remembered of them connects, and
    so do images that nobody has. Groups are made of what is known now; a split is not given up for it.

    Args:
        rows: with image_name, species and earlier.
        linked: what links images, as ``link_images`` gives it.
        pairs: images that look alike.
        assignments: columns of ``ASSIGNMENTS``.
    """
    if assignments.is_empty():
        return pl.Series("followed", [None] * rows.height, dtype=pl.String)
    remembered = assignments.filter(pl.col("kind") != "image_name").select(linked.columns)
    component, elsewhere = connect_images(rows, pl.concat([linked, remembered]).unique(), pairs)
    splits = assignments.group_by("image_name").agg(gone=rank_of(pl.col("split")).min())
    gone = elsewhere.join(splits, on="image_name").group_by("component").agg(pl.col("gone").min())
    there = rows.select("species", component, there=rank_of(pl.col("earlier")))
    there = there.join(gone, on="component", how="left", maintain_order="left")
    rank = pl.min_horizontal(pl.col("there").min().over("component", "species"), "gone")
    return there.select(followed=_split(rank)).to_series()


def pin_groups(rows: pl.DataFrame) -> pl.Series:
    """Give each row the split in which its group was before, null for new ones.

    Groups that were apart may turn out to belong together: then it is the split that comes first in ``PRECEDENCE``.

    Args:
        rows: with the columns group, earlier and followed; all that is available, as also what is not used says where
            its group was.
    """
    rank = pl.min_horizontal(rank_of(pl.col("earlier")), rank_of(pl.col("followed")))
    return rows.select(pinned=_split(rank.min().over("group"))).to_series()


def drop_strays(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out what was in another split than the one to which its group is pinned now.

    What was in train stays there, and the members that were in val or test are left out; likewise those that were in
    val, where others were in test.

    Args:
        rows: with the columns earlier and pinned.

    Returns:
        The rows kept, and those left out with the column reason.
    """
    stray = (pl.col("earlier") != pl.col("pinned")).fill_null(False)
    reason = pl.format("was_in_{}_and_now_belongs_to_{}", "earlier", "pinned")
    return rows.filter(~stray), rows.filter(stray).with_columns(reason=reason).drop("pinned")


def extend_assignments(assignments: pl.DataFrame, rows: pl.DataFrame, linked: pl.DataFrame) -> pl.DataFrame:
    """Add what is not remembered yet: new images, and new identities of known ones, in the split that these were in.

    Args:
        assignments: the earlier ones, columns of ``ASSIGNMENTS``.
        rows: with image_name, split and used.
        linked: all that they and remembered images may be met again by: image_name, kind, value.

    Returns:
        Columns of ``ASSIGNMENTS``, sorted; the split of an image never changes.
    """
    first = assignments.group_by("image_name").agg(known=pl.col("split").first())
    now = rows.select("image_name", "split", "used").join(first, on="image_name", how="left", maintain_order="left")
    now = now.with_columns(split=pl.coalesce("known", "split")).drop("known")
    names = now.select("image_name", kind=pl.lit("image_name"), value="image_name").unique()
    identities = pl.concat([names, linked.select(names.columns)])
    added = now.unique("image_name", keep="first", maintain_order=True).join(identities, on="image_name")
    # An image that is not there any more is known by what its documents say by now.
    away = first.join(now, on="image_name", how="anti").join(linked, on="image_name")
    away = away.select("image_name", "kind", "value", split="known", used=pl.lit(False))
    added = pl.concat([added.select(ASSIGNMENTS.keys()), away])
    together = pl.concat([assignments.select(ASSIGNMENTS.keys()), added])
    together = together.group_by("image_name", "kind", "value", maintain_order=True)
    extended = together.agg(pl.col("split").first(), pl.col("used").any())
    return extended.sort("image_name", "kind", "value").select(ASSIGNMENTS.keys())


def rank_of(split: pl.Expr) -> pl.Expr:
    """Give the place of a split in ``PRECEDENCE``."""
    return split.replace_strict({name: rank for rank, name in enumerate(PRECEDENCE)}, return_dtype=pl.Int8)


def _split(rank: pl.Expr) -> pl.Expr:
    return rank.replace_strict(dict(enumerate(PRECEDENCE)), return_dtype=pl.String)
