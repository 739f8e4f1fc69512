"""Earlier assignments: what was in val or test once must never be trained on, or old models look better than they are.

The table data/sources/<profile>/assignments/assignments.parquet remembers, for every image that ever stood in a split,
in which, under all the names by which the image may be met again: its URL, bytes, photo and observation. ``make
remember`` brings it up to date; nothing else changes it, so a commit pins it like the inventory.
"""

from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.tables.remember import ASSIGNMENTS
from stages.tables.table import read_table

# Under what an image is met again, the surest first.
IDENTITIES = ("image_name", "sha256", "photo_id", "observation_id")
# Where one group was in several splits: what was trained on stays in train, and test is not used for choosing.
_PRECEDENCE = ("train", "test", "val")


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
    return read_table(path, ASSIGNMENTS) if path.exists() else pl.DataFrame(schema=ASSIGNMENTS)


def recall(rows: pl.DataFrame, assignments: pl.DataFrame) -> pl.Series:
    """Give the split in which each row was before, by the surest of ``IDENTITIES`` that is known; null for new ones."""
    found = rows.select(IDENTITIES)
    for identity in IDENTITIES:
        known = (
            assignments.select(identity, rank=_rank(pl.col("split")))
            .drop_nulls(identity)
            .group_by(identity)
            .agg(pl.col("rank").min().alias(f"{identity}_rank"))
        )
        found = found.join(known, on=identity, how="left", maintain_order="left")
    rank = pl.coalesce(f"{identity}_rank" for identity in IDENTITIES)
    return found.select(earlier=_split(rank)).to_series()


def pin_groups(rows: pl.DataFrame) -> pl.Series:
    """Give each row the split in which its group was before, null for new ones.

    Groups that were apart may turn out to belong together: then it is the split that comes first in ``_PRECEDENCE``.

    Args:
        rows: with the columns group and earlier; all that is available, as also what is not used says where its group
            was.
    """
    return rows.select(pinned=_split(_rank(pl.col("earlier")).min().over("group"))).to_series()


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


def extend_assignments(assignments: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what is not remembered yet: new images, and new identities of known ones, in the split that these were in.

    Args:
        assignments: the earlier ones.
        rows: with the columns of ``ASSIGNMENTS``.

    Returns:
        Columns of ``ASSIGNMENTS``, sorted by image_name; the split of an image never changes.
    """
    first = assignments.group_by("image_name").agg(known=pl.col("split").first())
    now = rows.select(ASSIGNMENTS.keys()).join(first, on="image_name", how="left", maintain_order="left")
    now = now.with_columns(split=pl.coalesce("known", "split")).drop("known")
    together = pl.concat([assignments.select(ASSIGNMENTS.keys()), now]).group_by(IDENTITIES, maintain_order=True)
    return together.agg(pl.col("split").first(), pl.col("used").any()).sort(IDENTITIES).select(ASSIGNMENTS.keys())


def _rank(split: pl.Expr) -> pl.Expr:
    return split.replace_strict({name: rank for rank, name in enumerate(_PRECEDENCE)}, return_dtype=pl.Int8)


def _split(rank: pl.Expr) -> pl.Expr:
    return rank.replace_strict(dict(enumerate(_PRECEDENCE)), return_dtype=pl.String)
