"""Stage ``cache_filter``: the records whose image is in the cache, sound and under an allowed license.

It reads the inventory, never the cache: what a commit trains on does not depend on the machine's disk. An image's
verdict follows from the inventory's measures by the limits of params.yaml, so other limits are an experiment like any
other. What is in the cache and not used is listed in data/rejected.parquet with its verdict. data/images.parquet holds
nothing but names and digests: what is made of pixels depends on it, and not on what they are said to show.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.reading import stage_params
from stages.config.schema import Inventory
from stages.config.sources import inventory_path
from stages.images.verdict import verdict
from stages.records.licenses import license_codes
from stages.records.photos import PHOTO
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.runtime.wording import in_words
from stages.tables.cache_filter import AVAILABLE, REJECTED
from stages.tables.export import RECORDS
from stages.tables.images import IMAGES
from stages.tables.inventory import INVENTORY, SOUND
from stages.tables.json_files import write_figures
from stages.tables.table import read_table, write_table

RECORDS_IN = Path("data/records.parquet")
OUT = Path("data/available.parquet")
IMAGES_OUT = Path("data/images.parquet")
REJECTED_OUT = Path("data/rejected.parquet")
METRICS = Path("metrics/cache_filter.json")
REPORT = Path("data/reports/cache_filter.json")

NOT_IN_CACHE = "not_in_cache"
PLACEHOLDER = "placeholder"  # a host's "not available": the same bytes for several photos
LICENSE = "license_not_allowed"
_REMEDIES = {  # where nothing is left, by the commonest verdict
    NOT_IN_CACHE: "fill the cache, then run `make inventory`",
    LICENSE: "allow more licenses in licenses.allowed",
}


def main() -> None:
    """Join records and inventory, judge them, keep the sound ones, count the others by reason."""
    params = stage_params("cache_filter")
    records = read_table(RECORDS_IN, RECORDS)
    inventory_file = inventory_path(params.profile)
    inventory = read_table(inventory_file, INVENTORY, only=INVENTORY.keys() - {"phash"})

    judged = judge(records, inventory, params.inventory, params.licenses.allowed)
    del records, inventory  # what follows needs their joined form alone
    figures = summarize(judged)
    if not figures["images"]:
        commonest = max(figures["by_verdict"], key=figures["by_verdict"].get, default=NOT_IN_CACHE)
        remedy = _REMEDIES.get(commonest, "see the limits of `inventory` in params.yaml, and the files themselves")
        raise UserError(f"no record's image can be used by {inventory_file}{in_words(figures['by_verdict'])}: {remedy}")

    rejected = judged.filter(~pl.col("verdict").is_in([SOUND, NOT_IN_CACHE]))
    available = judged.select(*AVAILABLE, "verdict").filter(pl.col("verdict") == SOUND)
    del judged
    write_table(available, AVAILABLE, OUT)
    # An image may show two species, by its records; it is one image.
    write_table(available.unique("image_name").sort("image_name"), IMAGES, IMAGES_OUT)
    write_table(rejected.sort("verdict", "image_name", "species"), REJECTED, REJECTED_OUT)
    write_figures(REPORT, figures)
    # What people compare from run to run; the other figures stand in the report.
    compared = {"available_images": figures["images"], "available_species": figures["species"]}
    write_figures(METRICS, compared | {"species_without_image": figures["species_without_image"]})
    by_verdict = in_words(figures["by_verdict"])
    say(f"cache_filter: {figures['images']:,} of {figures['records']:,} images can be used{by_verdict}")


def judge(
    records: pl.DataFrame, inventory: pl.DataFrame, limits: Inventory, allowed_licenses: Sequence[str] | None
) -> pl.DataFrame:
    """Give each record the inventory's columns, license_code and verdict.

    The verdict is one of ``stages.images.verdict.VERDICTS``, ``not_in_cache`` where the inventory does not list the
    image, ``placeholder`` or ``license_not_allowed``; one that comes earlier in this sentence goes before.
    """
    measured = records.select("image_name").join(
        inventory.with_columns(verdict=verdict(limits)), on="image_name", how="left", maintain_order="left"
    )
    # Beside the records, as a join would copy them: a full export takes a quarter of a gigabyte.
    judged = records.hstack(measured.drop("image_name")).with_columns(
        license_codes(records["license"]), verdict=pl.col("verdict").fill_null(NOT_IN_CACHE)
    )
    sound = pl.col("verdict") == SOUND
    photos = judged.select("sha256", "photo_id", "image_url", "verdict").filter(sound)
    placeholders = find_placeholders(photos, limits.placeholder_photos)
    refused = pl.lit(False) if allowed_licenses is None else ~pl.col("license_code").is_in(allowed_licenses)
    return judged.with_columns(
        verdict=pl.when(sound & pl.col("sha256").is_in(placeholders.implode()))
        .then(pl.lit(PLACEHOLDER))
        .when(sound & refused)
        .then(pl.lit(LICENSE))
        .otherwise("verdict")
    )


def find_placeholders(images: pl.DataFrame, photos: int) -> pl.Series:
    """Give the digests that stand for so many different photos or more."""
    # Most digests stand once, and photos need only be told apart where they do not.
    often = images.filter(pl.len().over("sha256") >= photos)
    counted = often.group_by("sha256").agg(photos=PHOTO.n_unique())
    return counted.filter(pl.col("photos") >= photos)["sha256"]


def summarize(judged: pl.DataFrame) -> dict[str, Any]:
    """Count the records by verdict, and what is left of images and species, by license too."""
    available = judged.select("species", "license_code", "verdict").filter(pl.col("verdict") == SOUND)
    verdicts = judged.group_by("verdict").len().sort("verdict")
    licenses = available.group_by("license_code").len().sort("license_code")
    return {
        "records": judged.height,
        "by_verdict": dict(verdicts.iter_rows()),
        "images": available.height,
        "by_license": dict(licenses.iter_rows()),
        "species": available["species"].n_unique(),
        "species_without_image": judged["species"].n_unique() - available["species"].n_unique(),
    }


if __name__ == "__main__":
    run(main)
