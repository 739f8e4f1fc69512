"""Whose photos made a model: those that it was trained and selected on, with what the splits say of them.

The model's own trained_on.parquet says which photos these are; the tables of the splits say whose, and under which
license. A photo that stands in the first and no longer in the second stays in the credits, as one of which nothing is
known: it has made the model all the same.
"""

from pathlib import Path

import polars as pl

from stages.records.credits import credit, what_is_not_said
from stages.tables.classes import read_split
from stages.tables.credits import CREDITS
from stages.tables.split import SPLIT
from stages.tables.table import write_table

CREDITS_FILE = "credits.csv"
_SAID = ("species", "source", "license", "observer", "image_url")


def trained_images(trained_on: pl.DataFrame, splits: Path) -> pl.DataFrame:
    """Give the images that a model was trained and selected on, with what is known of them.

    Args:
        trained_on: columns of ``stages.tables.trained_on.TRAINED_ON``.
        splits: the folder with train.parquet and val.parquet.

    Returns:
        A row an image, in the order of ``trained_on``: image_name, split, and species, source, license (as sources
        write it), observer and image_url of the splits' tables, each null where these know no such image.

    Raises:
        UserError: a table is missing or damaged.
    """
    known = pl.concat([read_split(splits, name, SPLIT) for name in ("train", "val")])
    return trained_on.select("image_name", "split").join(
        known.select("image_name", *_SAID), on="image_name", how="left", maintain_order="left"
    )


def write_credits(folder: Path, images: pl.DataFrame) -> dict[str, int]:
    """Write credits.csv: a line an image with its photographer, license and URL.

    Args:
        folder: of the published model.
        images: of ``trained_images``.

    Returns:
        What ``what_is_not_said`` counts: of how many images no source names the photographer, or says the license.
    """
    table = credit(images)
    write_table(table, CREDITS, folder / CREDITS_FILE)
    return what_is_not_said(table)
