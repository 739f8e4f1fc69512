"""Sides of a comparison of two models, made of what each says of each image."""

import hashlib
from collections.abc import Sequence

import numpy as np
import polars as pl

from stages.evaluation.paired import Side
from stages.tables.predictions import GENUS_TEMPERATURES, PREDICTIONS, TEMPERATURES, TOP_CLASSES
from stages.tables.trained_on import TRAINED_ON

# image_name, species, group
Image = tuple[str, str, str]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def seen_images(rows: Sequence[tuple[str, str]], split: str = "train") -> pl.DataFrame:
    """Images that a model has seen: name and group."""
    return pl.DataFrame([(split, name, digest(name), group) for name, group in rows], schema=TRAINED_ON, orient="row")


NOTHING_SEEN = seen_images([("seen", "seen")])


def side(
    images: Sequence[Image], ranks: Sequence[int | None], species: Sequence[str], seen: pl.DataFrame = NOTHING_SEEN
) -> Side:
    """A model whose answers have these ranks of an image's own species; None is no number."""
    numbers = {name: number for number, name in enumerate(species)}
    kept = min(TOP_CLASSES, len(species))
    rows = []
    for (name, own, _), rank in zip(images, ranks, strict=True):
        label = numbers.get(own)
        order = [number for number in range(len(species)) if number != label]
        if label is not None:
            order.insert(rank or 0, label)
        rows.append((name, digest(name), label, None if label is None else rank or 0, order[:kept], rank is None))
    return Side(
        predictions=predictions(rows, len(species)),
        test=pl.DataFrame(
            [(name, digest(name), own, group) for name, own, group in images],
            schema=dict.fromkeys(("image_name", "sha256", "species", "group"), pl.String),
            orient="row",
        ),
        species=list(species),
        trained_on=seen,
    )


def predictions(rows: Sequence[tuple], classes: int) -> pl.DataFrame:
    """Columns of ``PREDICTIONS`` of rows of image_name, sha256, label, rank, top_classes, whether it is no number."""
    kept = min(TOP_CLASSES, classes)
    logits = np.linspace(3, 0, kept).tolist()
    # All others have logits of 0.
    rest = [float(np.log(classes - kept)) if classes > kept else -np.inf] * len(TEMPERATURES)
    of_genus = [0.0] * len(GENUS_TEMPERATURES)
    table = [
        (
            name, sha256, label, rank, None if label is None else 0.0, top, [np.nan] * kept if nothing else logits,
            rest, [0], of_genus,
        )
        for name, sha256, label, rank, top, nothing in rows
    ]  # fmt: skip
    return pl.DataFrame(table, schema=PREDICTIONS, orient="row")
