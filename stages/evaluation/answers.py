"""What a model said of the images of a split, from its predictions: ranks, and probabilities at any temperature."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.interpolate import CubicSpline
from scipy.special import logsumexp

from stages.runtime.errors import UserError
from stages.tables.json_files import parse_json
from stages.tables.predictions import COLDEST, GENUS_TEMPERATURES, HOTTEST, PREDICTIONS, TEMPERATURES
from stages.tables.table import read_table

_ANEW = "make it anew by `dvc repro -f -s predict`"
DIGITS = 6  # that probabilities are rounded to where something is decided by them


@dataclass(frozen=True)
class Answers:
    """A model's answers, a row an image in the order of its split's table.

    Attributes:
        image_name: [images], their names.
        sha256: [images], of the originals.
        labels: int64 [images], -1 where the species is none of the model's.
        ranks: int64 [images], classes that stand before the image's own; 0 is a top-1 hit; -1 without a label.
        own_logits: float64 [images], NaN without a label.
        top_classes: int64 [images, k], by falling logit.
        top_logits: float64 [images, k].
        rest: float64 [images, len(TEMPERATURES)], see ``stages.tables.predictions``.
        genus_top: int64 [images, g], numbers of genera.
        genus_rest: float64 [images, g, len(GENUS_TEMPERATURES)].
        finite: bool [images], whether all logits are numbers; where they are not, nothing else of the row counts.
    """

    image_name: pl.Series
    sha256: pl.Series
    labels: np.ndarray
    ranks: np.ndarray
    own_logits: np.ndarray
    top_classes: np.ndarray
    top_logits: np.ndarray
    rest: np.ndarray
    genus_top: np.ndarray
    genus_rest: np.ndarray
    finite: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def hits(self) -> np.ndarray:
        """Which images are right, bool [images]; one without numbers is wrong, whatever its rank."""
        return (self.ranks == 0) & self.finite

    @property
    def said(self) -> np.ndarray:
        """Give the species that each image is said to be, int64 [images]: never its own where it is no hit.

        A class that weighs as much as an image's own counts as put before it, so that one is said.
        """
        first, second = self.top_classes[:, 0], self.top_classes[:, min(1, self.top_classes.shape[1] - 1)]
        tied = (first == self.labels) & ~self.hits
        return np.where(tied, second, first)

    def take(self, rows: np.ndarray) -> "Answers":
        """Give some rows, by their numbers or a mask."""
        picked = np.flatnonzero(rows) if rows.dtype == bool else rows
        fields = {name: value[picked] for name, value in vars(self).items()}
        return Answers(**fields)

    def log_partition(self, temperature: float) -> np.ndarray:
        """Give the logarithm of the summed exp(logit / temperature) of all classes, float64 [images].

        Raises:
            ValueError: the temperature is outside those that predictions are known at.
        """
        rest = self._rest_at(self.rest, TEMPERATURES, temperature)
        with np.errstate(invalid="ignore"):  # images without numbers have none here
            return np.logaddexp(logsumexp(self.top_logits / temperature, axis=1), rest)

    def top_probabilities(self, temperature: float) -> np.ndarray:
        """Give the probabilities of the largest classes, float64 [images, k]."""
        return np.exp(self.top_logits / temperature - self.log_partition(temperature)[:, None])

    def confidences(self, temperature: float) -> np.ndarray:
        """Give the largest probability of each image, float64 [images], rounded to ``DIGITS``.

        What is decided by a probability is decided by the rounded one: two processors' last bits decide nothing.
        """
        return np.round(self.top_probabilities(temperature)[:, 0], DIGITS)

    def own_log_probabilities(self, temperature: float) -> np.ndarray:
        """Give the logarithm of the probability of each image's own species, float64 [images]; NaN without a label."""
        return self.own_logits / temperature - self.log_partition(temperature)

    def squared_probabilities(self, temperature: float) -> np.ndarray:
        """Give the sum of the squared probabilities of all classes, float64 [images]: that of half the temperature.

        Raises:
            ValueError: half the temperature is outside those that predictions are known at.
        """
        return np.exp(self.log_partition(temperature / 2) - 2 * self.log_partition(temperature))

    def genus_probabilities(self, temperature: float, genus_of_class: np.ndarray) -> np.ndarray:
        """Give the summed probabilities of the species of each of ``genus_top``, float64 [images, g].

        Args:
            temperature: as for ``log_partition``.
            genus_of_class: int [classes], see ``stages.splitting.genera.number_genera``.
        """
        member = genus_of_class[self.top_classes][:, None, :] == self.genus_top[:, :, None]
        scaled = np.where(member, (self.top_logits / temperature)[:, None, :], -np.inf)
        with np.errstate(divide="ignore"):
            kept = np.asarray(logsumexp(scaled, axis=2))
        sums = np.stack(
            [
                np.logaddexp(kept[:, place], self._rest_at(self.genus_rest[:, place], GENUS_TEMPERATURES, temperature))
                for place in range(self.genus_top.shape[1])
            ],
            axis=1,
        )
        # Both are interpolated, each with its own error.
        return np.minimum(np.exp(sums - self.log_partition(temperature)[:, None]), 1)

    def _rest_at(self, rest: np.ndarray, grid: np.ndarray, temperature: float) -> np.ndarray:
        """Interpolate what is not kept: what it has beyond the smallest logit kept is smooth in log temperature."""
        if not grid[0] * (1 - 1e-9) <= temperature <= grid[-1] * (1 + 1e-9):
            raise ValueError(f"temperature must be {grid[0]:.3g} to {grid[-1]:.3g} (found {temperature:.3g})")
        some = np.isfinite(rest).all(axis=1)
        result = np.where(self.finite, -np.inf, np.nan)
        least = self.top_logits[some, -1]
        beyond = CubicSpline(np.log(grid), rest[some] - least[:, None] / grid, axis=1)(np.log(temperature))
        result[some] = beyond + least / temperature
        return result


def read_answers(path: Path) -> Answers:
    """Read the predictions of a split.

    Raises:
        UserError: the table is missing, damaged, or of another version.
    """
    return answers_of(read_table(path, PREDICTIONS), where=str(path))


def read_temperature(path: Path) -> float:
    """Read the temperature that ``evaluate`` fitted.

    Raises:
        UserError: the file is missing or damaged, or the temperature is none that predictions are known at.
    """
    try:
        temperature = parse_json(path.read_bytes())["temperature"]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro evaluate` or `dvc pull`") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}): bring it back with `dvc checkout`") from None
    least, most = COLDEST, HOTTEST
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not least <= temperature <= most:
        raise UserError(
            f"{path}: temperature must be {least:g} to {most:g} (found {temperature!r:.40}): run `dvc repro evaluate`"
        )
    return float(temperature)


def answers_of(table: pl.DataFrame, *, where: str) -> Answers:
    """Give what a table of ``PREDICTIONS`` says as arrays.

    Raises:
        UserError: its rows do not all have as many classes, genera and temperatures, or other temperatures than ours.
    """
    known = table["label"].is_not_null()
    kept = table["rest"].list.len().unique().to_list()
    if len(kept) == 1 and kept != [len(TEMPERATURES)]:
        raise UserError(
            f"{where} is of another version, which kept {kept[0]} temperatures and not {len(TEMPERATURES)}: make it "
            "anew with the code of today"
        )
    try:
        top_logits = _matrix(table["top_logits"])
        genus_top = _matrix(table["genus_top"]).astype(np.int64)
        genus_rest = _matrix(table["genus_rest"])
        return Answers(
            image_name=table["image_name"],
            sha256=table["sha256"],
            labels=table["label"].fill_null(-1).to_numpy().astype(np.int64),
            ranks=np.where(known, table["rank"].fill_null(-1).to_numpy().astype(np.int64), -1),
            own_logits=np.where(known, table["own_logit"].fill_null(np.nan).to_numpy().astype(np.float64), np.nan),
            top_classes=_matrix(table["top_classes"]).astype(np.int64).reshape(top_logits.shape),
            top_logits=top_logits,
            rest=_matrix(table["rest"]).reshape(len(table), len(TEMPERATURES)),
            genus_top=genus_top,
            genus_rest=genus_rest.reshape(*genus_top.shape, len(GENUS_TEMPERATURES)),
            finite=np.asarray(np.isfinite(top_logits).all(axis=1)),
        )
    except ValueError:
        raise UserError(f"{where} has rows of different lengths: {_ANEW}") from None


def check_rows(answers: Answers, *, where: str) -> None:
    """Refuse rows that no model gives: most of them would stop no figure, and make it a wrong one.

    Raises:
        UserError: there is one: the first, and what is wrong with it.
    """
    if not len(answers):
        return
    known, finite = answers.labels >= 0, answers.finite
    first = answers.top_classes[:, 0]
    for right, rule in (
        (~known | (answers.ranks >= 0), "rank must be 0 or more"),
        (~known | ~finite | np.isfinite(answers.own_logits), "own_logit must be a number"),
        (~finite | (np.diff(answers.top_logits, axis=1) <= 0).all(1), "top_logits must not rise"),
        (~finite | (answers.ranks != 0) | (first == answers.labels), "rank is 0, and top_classes begins with another"),
        (~finite | (answers.rest < np.inf).all(1), "rest must be numbers or -inf"),
        (~finite | (answers.genus_rest < np.inf).all((1, 2)), "genus_rest must be numbers or -inf"),
    ):
        if not right.all():
            row = int(np.flatnonzero(~right)[0])
            raise UserError(f"{where}, row {row + 1:,} ({answers.image_name[row]}): {rule}: {_ANEW}")


def _matrix(lists: pl.Series) -> np.ndarray:
    """Give lists of one length as a matrix, float64 [rows, length].

    Raises:
        ValueError: they are of several lengths, or one has no value at a place.
    """
    lengths = lists.list.len().unique()
    if len(lengths) > 1:
        raise ValueError("rows of several lengths")
    values = lists.explode(empty_as_null=False) if len(lists) else lists.explode()
    if values.null_count():
        raise ValueError("a value is missing")
    return values.to_numpy().astype(np.float64).reshape(len(lists), -1 if len(lists) else 0)
