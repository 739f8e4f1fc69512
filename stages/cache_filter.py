"""Stage ``cache_filter``: the records whose image is in the cache, sound and under an allowed license.

It reads the inventory, never the cache: what a commit trains on does not depend on the machine's disk. An image's
verdict follows from the inventory's measures by the limits of params.yaml, so other limits are an experiment like any
other. Then comes what people said of photos (docs/wrong_labels.md): what they relabeled has another species, what they
dropped or disagree on is not used. What is in the cache and not used is listed in data/rejected.parquet with its
verdict. data/images.parquet holds nothing but names and digests: what is made of pixels depends on it, and not on what
they are said to show.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Inventory, Params
from stages.config.sources import inventory_path, synonyms_path, verdicts_path
from stages.evaluation.label_errors import errors_in_lines, label_error_rate
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
from stages.tables.links import LINKS
from stages.tables.table import read_table, write_table
from stages.verdicts.counted import in_lines
from stages.verdicts.outcome import DISAGREE, DROPPED, MERGED
from stages.verdicts.reading import read_verdicts
from stages.verdicts.review import Review, review

RECORDS_IN = Path("data/records.parquet")
LINKS_IN = Path("data/links.parquet")
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
    DROPPED: "look at the verdicts, which leave nothing",
    DISAGREE: "look at the verdicts, of which reviewers keep nothing",
}


def main() -> None:
    """Join records and inventory, judge them, apply the verdicts, keep what is sound, count the others by reason."""
    params = stage_params("cache_filter")
    check_libraries("cache_filter")
    verdicts = read_verdicts(verdicts_path(params.profile))
    records = read_table(RECORDS_IN, RECORDS)
    inventory_file = inventory_path(params.profile)
    inventory = read_table(inventory_file, INVENTORY, only=INVENTORY.keys() - {"phash"})

    judged = judge(records, inventory, params.inventory, params.licenses.allowed)
    del records, inventory  # what follows needs their joined form alone
    species = judged["species"].unique()
    reviewed = apply_verdicts(judged, verdicts, params) if verdicts.height else None
    if reviewed:
        judged = judged.with_columns(reviewed.species, verdict=pl.coalesce(reviewed.outcome, judged["verdict"]))
    figures = summarize(judged, species)
    of_review = say_review(reviewed, params) if reviewed else {}
    if not figures["images"]:
        commonest = max(figures["by_verdict"], key=figures["by_verdict"].get, default=NOT_IN_CACHE)
        remedy = _REMEDIES.get(commonest, "see the limits of `inventory` in params.yaml, and the files themselves")
        raise UserError(f"no record's image can be used by {inventory_file}{in_words(figures['by_verdict'])}: {remedy}")

    rejected = judged.filter(~pl.col("verdict").is_in([SOUND, NOT_IN_CACHE, MERGED]))
    available = judged.select(*AVAILABLE, "verdict").filter(pl.col("verdict") == SOUND)
    del judged
    write_table(available, AVAILABLE, OUT)
    # An image may show two species, by its records; it is one image.
    write_table(available.unique("image_name").sort("image_name"), IMAGES, IMAGES_OUT)
    write_table(rejected.sort("verdict", "image_name", "species"), REJECTED, REJECTED_OUT)
    # What people compare from run to run; the other figures stand in the report.
    compared = {"available_images": figures["images"], "available_species": figures["species"]}
    compared |= {"species_without_image": figures["species_without_image"]}
    figures, compared = figures | of_review, compared | headline(of_review)
    write_figures(REPORT, figures)
    write_figures(METRICS, compared)
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


def apply_verdicts(judged: pl.DataFrame, verdicts: pl.DataFrame, params: Params) -> Review:
    """Apply what people said of photos, see ``stages.verdicts.review``.

    Args:
        judged: as ``judge`` gives it.
        verdicts: columns of ``VERDICTS`` and reviewer.
        params: with profile and names.
    """
    rows = judged.select(
        "image_name", "image_url", "species", "document_id", "sha256", sound=pl.col("verdict") == SOUND
    )
    links = read_table(LINKS_IN, LINKS, only=("image_name", "kind", "value"))
    folder, synonyms = verdicts_path(params.profile), synonyms_path(params.profile)
    return review(rows, verdicts, links, params.names, folder=folder, synonyms=synonyms)


def say_review(reviewed: Review, params: Params) -> dict[str, Any]:
    """Say what came of the verdicts, and how many labels are wrong; give the figures of both."""
    estimate, errors = label_error_rate(reviewed.random, min_groups=params.evaluate.min_groups)
    for line in (*in_lines(reviewed.figures, verdicts_path(params.profile)), *errors_in_lines(estimate, errors)):
        say(f"cache_filter: {line}")
    return {"review": reviewed.figures, "label_errors": errors}


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Give the few figures of a review that people compare from run to run; without verdicts nothing is relabeled."""
    if not figures:
        return {"relabeled": 0, "dropped_by_review": 0}
    rate = figures["label_errors"]["value"]
    return {
        "relabeled": figures["review"]["relabeled"]["images"],
        "dropped_by_review": figures["review"]["dropped"]["images"],
        **({} if rate is None else {"label_error_rate": rate}),
    }


def summarize(judged: pl.DataFrame, species: pl.Series) -> dict[str, Any]:
    """Count the records by verdict, and what is left of images and species, by license too.

    Args:
        judged: as ``judge`` gives it, verdicts applied.
        species: that the records had before.
    """
    available = judged.select("species", "license_code", "verdict").filter(pl.col("verdict") == SOUND)
    verdicts = judged.group_by("verdict").len().sort("verdict")
    licenses = available.group_by("license_code").len().sort("license_code")
    return {
        "records": judged.height,
        "by_verdict": dict(verdicts.iter_rows()),
        "images": available.height,
        "by_license": dict(licenses.iter_rows()),
        "species": available["species"].n_unique(),
        "species_without_image": species.is_in(available["species"].unique().implode()).not_().sum(),
    }


if __name__ == "__main__":
    run(main)
