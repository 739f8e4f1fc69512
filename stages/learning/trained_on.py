"""What a model has seen: the images that it was trained and selected on, saved with it and held against its test.

A test image that a model has seen, or whose group it has seen, makes its figures too good, and nobody notices: the
sample's test top-1 rose by 0.05 after a new ``split.seed`` without a new training.
"""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.tables.classes import read_split
from stages.tables.table import read_table, write_table
from stages.tables.trained_on import SPLIT_GROUPS, TRAINED_ON

TRAINED_ON_FILE = "trained_on.parquet"
_SEEN = ("train", "val")
_NAMED = 3  # images in a message


def read_seen(tables: Path) -> pl.DataFrame:
    """Read which images a training sees, in the order of the splits' tables: columns of ``TRAINED_ON``.

    Args:
        tables: the folder with the splits' tables.

    Raises:
        UserError: a table is missing or damaged.
    """
    return _read(tables, _SEEN)


def write_trained_on(seen: pl.DataFrame, folder: Path) -> None:
    """Write what ``read_seen`` gave to trained_on.parquet in ``folder``."""
    write_table(seen, TRAINED_ON, folder / TRAINED_ON_FILE)


def read_trained_on(path: Path) -> pl.DataFrame:
    """Read a trained_on.parquet: columns of ``TRAINED_ON``.

    Raises:
        UserError: it is missing, damaged or of another version, or lists what no training sees.
    """
    seen = read_table(path, TRAINED_ON)
    found = sorted(seen["split"].unique())
    if "train" not in found or not {*found} <= {*_SEEN}:
        what = ", ".join(found)[:80] or "no image"
        raise UserError(f"{path} must be of images of train and val (found {what}): train again (`dvc repro train`)")
    return seen


def mark_seen(images: pl.DataFrame, trained_on: pl.DataFrame) -> pl.DataFrame:
    """Say which images a model has seen, itself or others of their group.

    A group is named after its first image, and may grow, so its name may be another one by now. It counts as seen if
    the model knows its name, or the name or the bytes of any image that is in it today.

    Args:
        images: image_name, sha256, group; all that are known of each group, in whichever split.
        trained_on: columns of ``TRAINED_ON``.

    Returns:
        The same rows with two more columns, bool: itself, by its name or bytes; and seen, itself or by its group.
    """
    names = trained_on["image_name"].unique().implode()
    itself = pl.col("image_name").is_in(names) | pl.col("sha256").is_in(trained_on["sha256"].unique().implode())
    # A group may be named after an image that is not used, as one photo of an observation may be all that is.
    names = pl.concat([trained_on["image_name"], trained_on["group"]]).unique().implode()
    by_name = pl.any_horizontal(pl.col("image_name", "group").is_in(names))
    # Not within `over`, which would copy the names for each group.
    images = images.with_columns(itself=itself, seen=itself | by_name)
    return images.with_columns(pl.col("seen").any().over("group"))


def check_unseen(trained_on: pl.DataFrame, tables: Path, split: str = "test") -> None:
    """Refuse a test with images that a model has seen, or with images of groups that it has seen.

    See ``mark_seen``; of a group all images of today's splits are looked at.

    Args:
        trained_on: columns of ``TRAINED_ON``; for val, of train alone.
        tables: the folder with the present splits' tables.
        split: that the model is to be tested on, or that something is to be fitted on.

    Raises:
        UserError: there are such images: how many, and the first of them; or a table is missing or damaged.
    """
    present = mark_seen(_read(tables, dict.fromkeys((*_SEEN, split))), trained_on)
    test = present.filter(pl.col("split") == split)
    seen = test.filter("seen")
    if not seen.height:
        return
    of_group = seen.filter(~pl.col("itself")).height
    first = ", ".join(seen["image_name"].head(_NAMED))
    more = f" and {seen.height - _NAMED:,} more" if seen.height > _NAMED else ""
    raise UserError(
        f"the model has seen {seen.height:,} of {test.height:,} {split} images in "
        f"its training or validation ({seen.height - of_group:,} themselves, {of_group:,} by others of their group): "
        f"{first}{more}. The splits are others since then: train again (`dvc repro train`), then evaluate"
    )


def _read(tables: Path, splits: Iterable[str]) -> pl.DataFrame:
    return pl.concat([read_split(tables, split, SPLIT_GROUPS).select(*SPLIT_GROUPS) for split in splits])
