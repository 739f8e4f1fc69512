"""The order of labels: data/splits/labels.csv and nothing else says which number is which species.

In the old system nobody ever checked that training and validation numbered the classes alike. Here a split's table
names species, labels are looked up as it is read, and the digest of their order stands beside the weights: whatever
meets another order refuses to go on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from stages.runtime.errors import UserError
from stages.tables.classes import LABELS
from stages.tables.table import read_table


def read_labels(path: Path) -> list[str]:
    """Read the species of labels.csv in the order of their labels.

    Raises:
        UserError: the file is missing or damaged, its labels are not 0, 1, 2, ..., or a species has no name, stands
            twice, or is none.
    """
    labels = read_table(path, LABELS)
    numbered = labels["label"].to_list() == list(range(labels.height))
    if not (numbered and labels["species"].n_unique() == labels.height and labels.height):
        raise UserError(
            f"{path}: labels must be 0, 1, 2, ... and each have a species, which stands once: run `dvc repro split`"
        )
    return labels["species"].to_list()


def label(species: pl.Series, order: Sequence[str], *, where: str) -> np.ndarray:
    """Give the label of each of some species, int64.

    Args:
        species: their names.
        order: of ``read_labels``.
        where: they stand.

    Raises:
        UserError: one has no label.
    """
    numbers = pl.DataFrame(
        {"species": order, "label": range(len(order))}, schema={"species": pl.String, "label": pl.Int64}
    )
    labels = (
        species.rename("species").to_frame().join(numbers, on="species", how="left", maintain_order="left")["label"]
    )
    if labels.null_count():
        unknown = species.filter(labels.is_null()).unique().sort()[0]
        raise UserError(
            f"labels.csv does not list {unknown} of {where}: they are of different runs, run `dvc repro split`"
        )
    return labels.to_numpy()


def digest_labels(species: Sequence[str]) -> str:
    """Give the SHA-256 of an order of species: equal if and only if every label means the same."""
    return hashlib.sha256("".join(f"{name}\n" for name in species).encode()).hexdigest()


def check_order(found: str, expected: str, *, where: str) -> None:
    """Refuse what was trained with another order of labels.

    Raises:
        UserError: the digests differ.
    """
    if found != expected:
        raise UserError(
            f"{where} was trained with another labels.csv (order {found[:8] or 'unknown'}, not {expected[:8]}): its "
            "labels mean other species. Use the labels.csv that it was trained with, or run `dvc repro`"
        )
