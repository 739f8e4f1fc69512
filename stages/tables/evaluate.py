"""Columns of what the stage ``evaluate`` reads of the splits, and of the tables that it writes.

Accuracies, precisions and probabilities are rounded to 5 digits: the rest is of a processor.
"""

import polars as pl

from stages.tables.table import SHA256_CHARACTERS, Ruled, Schema

# What is read of val.parquet and its like.
EVALUATED = Ruled(
    dict.fromkeys(("image_name", "sha256", "species", "source", "license", "group", "split"), pl.String),
    unique=("image_name",),
    required=("sha256", "species", "source", "group", "split"),
    sizes={"sha256": SHA256_CHARACTERS},
)

SPECIES = Ruled(
    {
        "species": pl.String,
        "genus": pl.String,
        "train_images": pl.Int32,
        "train_observations": pl.Int32,
        "test_images": pl.Int32,
        "test_observations": pl.Int32,
        "hits": pl.Int32,  # test images that were said to be it, and are
        "accuracy": pl.Float64,  # hits by test_images; null without any
        "low": pl.Float64,  # 95 % interval of the accuracy; null of too few groups
        "high": pl.Float64,
        "said_images": pl.Int32,  # test images that were said to be it, of whatever species
        "precision": pl.Float64,  # hits by said_images; null without any
        "most_taken_for": pl.String,  # what its images that are not hit are most often said to be; null of none
        "taken_for_images": pl.Int32,
        "most_mistaken_from": pl.String,  # what images wrongly said to be it most often are; null of none
        "mistaken_from_images": pl.Int32,
    },
    unique=("species",),
    required=("genus", "train_images", "train_observations", "test_images", "test_observations", "hits", "said_images"),
)
CONFUSED_PAIRS = Ruled(
    {
        "species": pl.String,
        "said": pl.String,
        "images": pl.Int32,  # test images of the species that were said to be the other
        "groups": pl.Int32,  # that they are of
        "of_images": pl.Int32,  # test images of the species
        "same_genus": pl.Boolean,
    },
    unique=("species", "said"),
    required=("images", "groups", "of_images", "same_genus"),
)
NEVER_RIGHT = Ruled(  # species with test images, of which none was hit
    {
        name: SPECIES[name]
        for name in (
            "species",
            "genus",
            "train_images",
            "train_observations",
            "test_images",
            "test_observations",
            "most_taken_for",
            "taken_for_images",
        )
    },
    unique=("species",),
    required=("genus", "train_images", "train_observations", "test_images", "test_observations"),
)
MODEL_SUSPECTS = Ruled(  # images of val and test whose label a confident model contradicts
    {
        "image_name": pl.String,
        "sha256": pl.String,
        "split": pl.String,
        "group": pl.String,
        "species": pl.String,
        "said": pl.String,
        "probability": pl.Float64,  # of what was said, after temperature
        "own_probability": pl.Float64,  # of the image's own species, likewise
    },
    unique=("image_name",),
    required=("sha256", "split", "group", "species", "said", "probability", "own_probability"),
    sizes={"sha256": SHA256_CHARACTERS},
)

_INTERVAL: Schema = {"low": pl.Float64, "high": pl.Float64}
_COUNTS: Schema = {"images": pl.Int32, "groups": pl.Int32, "classes": pl.Int32}
TEST_FIGURES: Schema = {"figure": pl.String, "value": pl.Float64, **_INTERVAL, **_COUNTS}
BY_CLASS_SIZE: Schema = {"train_images": pl.String, "top1": pl.Float64, **_INTERVAL, **_COUNTS}
RELIABILITY: Schema = {
    "confidence": pl.Float64,
    "accuracy": pl.Float64,
    **_INTERVAL,
    "images": pl.Int32,
    "model": pl.String,  # before or after temperature
}
RISK_COVERAGE: Schema = {"coverage": pl.Float64, "risk": pl.Float64, **_INTERVAL, "images": pl.Int32}
DRAWN_PAIRS: Schema = {"pair": pl.String, "images": pl.Int32, "groups": pl.Int32, "of_images": pl.Int32}
# What is read of plots/curves.csv, which the stage train writes.
CURVES: Schema = {"epoch": pl.Int64, **dict.fromkeys(("train_top1", "val_top1", "train_top5", "val_top5"), pl.Float64)}
