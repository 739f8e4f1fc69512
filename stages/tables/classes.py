"""Columns of labels.csv and classes.csv, which the stage ``split`` writes.

They stand apart from its other tables, so that training does not run again for a column of records; and the order of
labels stands apart from the numbers of images, so that it does not for an image of the test.
"""

from pathlib import Path

import polars as pl

from stages.runtime.errors import UserError
from stages.tables.table import SHA256_CHARACTERS, Ruled, read_table

SPLITS = ("train", "val", "test")
UNKNOWN = "unknown"  # beside these: images of species that are none of the classes
LABELS = Ruled({"label": pl.Int32, "species": pl.String}, required=("label", "species"))
_COUNTS = [f"{split}_{what}" for split in SPLITS for what in ("images", "observations")]
CLASSES = Ruled({"species": pl.String, **dict.fromkeys(_COUNTS, pl.Int32)}, unique=("species",), required=_COUNTS)
# What is read of train.parquet and its like by those that look at pixels.
SPLIT_IMAGES = Ruled(
    dict.fromkeys(("image_name", "sha256", "species", "split"), pl.String),
    unique=("image_name",),
    required=("sha256", "species", "split"),
    sizes={"sha256": SHA256_CHARACTERS},
)


def read_split(folder: Path, name: str, schema: Ruled = SPLIT_IMAGES) -> pl.DataFrame:
    """Read the table of a split, and see that it is that split's: each row names its own.

    Args:
        folder: where the splits are.
        name: of the split.
        schema: the columns to read, one of them ``split``.

    Raises:
        UserError: as ``read_table``; or the table is another split's, put in this one's place.
    """
    path = folder / f"{name}.parquet"
    table = read_table(path, schema, only=schema)
    others = table.filter(pl.col("split") != name)
    if others.height:
        image, of = others.row(0, named=True)["image_name"], others["split"][0]
        raise UserError(
            f"{path} holds {others.height:,} images of another split, such as {image} of {of}: one table was put in "
            f"another's place; bring it back with `dvc checkout --force {folder}`"
        )
    return table
