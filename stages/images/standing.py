"""What the files of the image cache are worth to the data, by their measures and the tables that name them."""

from collections.abc import Collection, Sequence

import polars as pl

from stages.cache.directory import File, file_table
from stages.cache.eviction import Standing
from stages.cache.index import ImageIndex
from stages.config.schema import Inventory
from stages.images.measure import NO_IMAGE, ONE_SHADE_STD
from stages.images.verdict import BROKEN, verdict
from stages.records.licenses import allowed_records
from stages.tables.inventory import MEASURES, SOUND

_NO_IMAGE = pl.col("state").is_in(NO_IMAGE) | (pl.col("gray_std") < ONE_SHADE_STD)


def sound_images(files: list[File], index: ImageIndex, limits: Inventory) -> pl.Series:
    """Name the images that are there and not known to be broken; what is broken is asked for again."""
    listed = file_table(files)
    broken = index.remembered().filter(verdict(limits).is_in(BROKEN)).join(listed, on=listed.columns, how="semi")
    return listed.join(broken, on="image_name", how="anti")["image_name"]


def standing_of(
    files: list[File],
    index: ImageIndex,
    limits: Inventory,
    *,
    allowed_licenses: Sequence[str] | None,
    records: pl.DataFrame | None = None,
    rejected: pl.DataFrame | None = None,
    inventory: pl.DataFrame | None = None,
    available: Collection[str] = (),
    in_split: Collection[str] = (),
) -> Standing:
    """Say what is known of the worth of files, for an eviction.

    A photo counts as rejected by a limit alone where today's limits reject it and it is an image all the same, where
    the last run rejected it by those it had, and where no record of it is under an allowed license.

    Args:
        files: what the cache holds.
        index: measures of files, where name, size and time are the same.
        limits: section of params.yaml.
        allowed_licenses: of params.yaml.
        records: the table of records, where there is one.
        rejected: what the last run rejected: image_name and verdict.
        inventory: measures of what the index does not know: image_name, bytes and ``MEASURES``.
        available: names of images that can be used.
        in_split: names of images of a split.
    """
    listed = file_table(files)
    columns = ["image_name", *MEASURES]
    measured = index.remembered().join(listed, on=listed.columns, how="semi").select(columns)
    if inventory is not None:
        same_size = inventory.join(listed, on=["image_name", "bytes"], how="semi").select(columns)
        measured = pl.concat([measured, same_size.join(measured, on="image_name", how="anti")])
    no_image = set(measured.filter(_NO_IMAGE)["image_name"])
    limited = set(measured.filter(verdict(limits) != SOUND)["image_name"])
    if rejected is not None:
        limited |= set(rejected.filter(~pl.col("verdict").is_in(NO_IMAGE))["image_name"])
    if records is not None:
        usable = allowed_records(records, allowed_licenses)
        limited |= set(records["image_name"]) - set(usable["image_name"])
    return Standing(
        no_image=no_image,
        limited=limited,
        recorded=None if records is None else set(records["image_name"]),
        available=set(available),
        in_split=set(in_split),
    )
