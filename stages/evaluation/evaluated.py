"""A split that a model has answered: what it said of each image, beside what the split's table says of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.evaluation.answers import Answers, check_rows, read_answers
from stages.records.licenses import license_codes
from stages.runtime.errors import UserError
from stages.runtime.progress import say
from stages.splitting.label_order import label
from stages.tables.classes import UNKNOWN, read_split
from stages.tables.evaluate import EVALUATED
from stages.tables.predictions import TOP_CLASSES

_ANEW = "they are of different runs, run `dvc repro predict`"


@dataclass(frozen=True)
class Evaluated:
    """A split and a model's answers, a row an image in the order of the predictions.

    Attributes:
        split: its name.
        answers: of its images.
        group_names: [images], the group of each.
        groups: int64 [images], the same as numbers from 0.
        species: [images], of the split's table.
        source: [images].
        license: [images], codes of ``stages.records.licenses``.
    """

    split: str
    answers: Answers
    group_names: pl.Series
    groups: np.ndarray
    species: pl.Series
    source: pl.Series
    license: pl.Series

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def labels(self) -> np.ndarray:
        """The label of each image, int64 [images]; -1 of a species that the model does not know."""
        return self.answers.labels

    def take(self, rows: np.ndarray) -> "Evaluated":
        """Give some images, by their numbers or a mask; groups keep their numbers."""
        picked = np.flatnonzero(rows) if rows.dtype == bool else rows
        series = {name: getattr(self, name)[picked] for name in ("group_names", "species", "source", "license")}
        return Evaluated(self.split, self.answers.take(picked), groups=self.groups[picked], **series)


def check_finite(test: Evaluated) -> None:
    """Refuse predictions that are no numbers: what is counted of them is no figure.

    Raises:
        UserError: some are none: how many, and the first image.
    """
    wrong = np.flatnonzero(~test.answers.finite)
    if len(wrong):
        raise UserError(
            f"the model's predictions for {len(wrong):,} of {len(test):,} {test.split} images are no numbers (NaN or "
            f"infinite), {test.answers.image_name[int(wrong[0])]} the first: train again, at a lower "
            "train.learning_rate of the profile"
        )


def with_numbers(evaluated: Evaluated) -> Evaluated:
    """Leave out the images whose predictions are no numbers, and say how many."""
    finite = evaluated.answers.finite
    if missing := int((~finite).sum()):
        say(
            f"evaluate: warning: the predictions for {missing:,} of {len(evaluated):,} {evaluated.split} images are no "
            "numbers (NaN or infinite): they are left out"
        )
    return evaluated.take(finite)


def read_evaluated(predictions: Path, tables: Path, split: str, species: list[str]) -> Evaluated:
    """Read what a model said of a split, and the split's table.

    Args:
        predictions: the folder of the predictions.
        tables: the folder of the splits.
        split: its name.
        species: in the order of labels.

    Raises:
        UserError: a table is missing or damaged, or they are not of the same images, labels and classes.
    """
    path = predictions / f"{split}.parquet"
    answers, table = read_answers(path), read_split(tables, split, EVALUATED)
    said = pl.DataFrame({"image_name": answers.image_name, "said_sha256": answers.sha256})
    joined = said.join(table, on="image_name", how="left", maintain_order="left")
    missing = table.join(said, on="image_name", how="anti", maintain_order="left")["image_name"]
    for wrong, what in (
        (joined.filter(pl.col("split").is_null())["image_name"], f"is not in {tables / f'{split}.parquet'}"),
        (missing, f"of {tables / f'{split}.parquet'} is not in it"),
        (joined.filter(pl.col("sha256") != pl.col("said_sha256"))["image_name"], "was made from other bytes"),
    ):
        if len(wrong):
            raise UserError(f"{path}: {wrong[0]} {what} (and {len(wrong) - 1:,} more): {_ANEW}")
    known = joined["species"].is_in(species)
    if split != UNKNOWN:
        labels = label(joined["species"], species, where=str(tables / f"{split}.parquet"))
    elif known.any():
        raise UserError(f"{path}: {joined['species'].filter(known)[0]} is a species that the model knows: {_ANEW}")
    else:
        labels = np.full(len(answers), -1, np.int64)
    _check_numbers(answers, labels, species, path)
    check_rows(answers, where=str(path))
    return Evaluated(
        split,
        answers,
        joined["group"],
        joined["group"].rank("dense").to_numpy().astype(np.int64) - 1,
        joined["species"],
        joined["source"],
        license_codes(joined["license"]),
    )


def _check_numbers(answers: Answers, labels: np.ndarray, species: list[str], path: Path) -> None:
    """See that the predictions number the classes as labels.csv does, as far as they show it.

    Raises:
        UserError: they do not.
    """
    others = np.flatnonzero(answers.labels != labels)
    if len(others):
        raise UserError(
            f"{path}: {answers.image_name[int(others[0])]} has another label than labels.csv gives its species (and "
            f"{len(others) - 1:,} more): {_ANEW}"
        )
    if not len(answers):
        return
    classes = len(species)
    top = answers.top_classes
    if (
        top.shape[1] != min(TOP_CLASSES, classes)
        or top.min() < 0
        or top.max() >= classes
        or answers.ranks.max() >= classes
    ):
        raise UserError(f"{path} is of a model of other classes than the {classes:,} of labels.csv: {_ANEW}")
