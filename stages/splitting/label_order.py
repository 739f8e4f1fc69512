"""The order of labels: data/splits/classes.csv and nothing else says which number is which species.

In the old system nobody ever checked that training and validation numbered the classes alike. Here the digest of the
order stands in every shard and beside the weights, and whatever meets another order refuses to go on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from stages.runtime.errors import UserError
from stages.tables.classes import CLASSES
from stages.tables.table import read_table


def read_classes(path: Path) -> list[str]:
    """Read the species of classes.csv in the order of their labels.

    Raises:
        UserError: the file is missing or damaged, its labels are not 0, 1, 2, ..., or a species stands twice.
    """
    classes = read_table(path, CLASSES)
    if classes["label"].to_list() != list(range(classes.height)) or classes["species"].n_unique() != classes.height:
        raise UserError(f"{path}: labels must be 0, 1, 2, ... and each species stand once: run `dvc repro split`")
    return classes["species"].to_list()


def digest_classes(species: Sequence[str]) -> str:
    """Give the SHA-256 of an order of species: equal if and only if every label means the same."""
    return hashlib.sha256("".join(f"{name}\n" for name in species).encode()).hexdigest()


def check_order(found: str, expected: str, *, where: str) -> None:
    """Refuse what was labeled by another order of classes.

    Raises:
        UserError: the digests differ.
    """
    if found != expected:
        raise UserError(
            f"{where} was labeled by another classes.csv (order {found[:8] or 'unknown'}, not {expected[:8]}): its "
            "labels mean other species. Use the classes.csv that it was made with, or run `dvc repro`"
        )
