"""Predictions of no network: drawn logits, the tables of ``PREDICTIONS`` made of them, and the splits they belong to.

What is kept of logits is worked out here in a way of its own, so that the stage ``predict`` can be held against it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from stages.evaluation.evaluated import Evaluated, read_evaluated
from stages.learning.trained_on import read_seen, write_trained_on
from stages.splitting.figures import number_classes
from stages.splitting.genera import number_genera
from stages.tables.classes import CLASSES, LABELS
from stages.tables.evaluate import CURVES
from stages.tables.json_files import write_json
from stages.tables.predictions import GENUS_TEMPERATURES, PREDICTIONS, TEMPERATURES, TOP_CLASSES, TOP_GENERA
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.support.tables import available_rows

EVALUATED = ("val", "test", "unknown")
MODEL_SHA256 = "5a" * 32  # of the weights that might have given them
_SOURCES = ("inaturalist", "legacy", "garden")
_LICENSES = ("cc-by", "http://creativecommons.org/licenses/by-nc/4.0/", None, "CC BY-SA 4.0", "cc0")
_AT_ONCE = 500  # images of which all logits are in memory


@dataclass(frozen=True)
class Example:
    """A model's answers of no network, and all that they are of.

    Attributes:
        species: in the order of labels.
        splits: train, val, test and unknown, columns of ``SPLIT``.
        predictions: of val, test and unknown, columns of ``PREDICTIONS``.
        logits: float32 [images, classes] of the same, where they were asked for.
    """

    species: list[str]
    splits: dict[str, pl.DataFrame]
    predictions: dict[str, pl.DataFrame]
    logits: dict[str, np.ndarray]

    def labels(self, split: str) -> np.ndarray:
        """Give the labels of a split's images, int64; -1 of a species that has none."""
        numbers = {name: number for number, name in enumerate(self.species)}
        return np.array([numbers.get(name, -1) for name in self.splits[split]["species"]], np.int64)

    def with_logits(self, split: str, logits: np.ndarray) -> "Example":
        """Give the same with other logits of a split, float [images, classes]."""
        table = self.splits[split]
        made = predictions_of(
            logits,
            self.labels(split),
            self.species,
            image_name=table["image_name"].to_list(),
            sha256=table["sha256"].to_list(),
        )
        return replace(
            self, predictions=self.predictions | {split: made}, logits=self.logits | {split: np.float32(logits)}
        )


def name_species(classes: int, *, a_genus: int = 4) -> list[str]:
    """Name species, so many a genus, in the order of labels."""
    names = [f"Genus{number // a_genus:04} species{number % a_genus}" for number in range(classes)]
    return sorted(names)


def predictions_of(
    logits: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    species: Sequence[str],
    *,
    image_name: Sequence[str] | None = None,
    sha256: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Give the columns of ``PREDICTIONS`` of dense logits.

    Args:
        logits: float [images, classes]; taken as float32.
        labels: int [images], -1 where the image's species is none of the model's.
        species: in the order of labels.
        image_name: of the images; numbered where they are not given.
        sha256: of their originals; likewise.
    """
    logits = np.asarray(logits, np.float32)
    genera, genus_of = number_genera(list(species))
    kept = min(TOP_CLASSES, len(species))
    rows = []
    for number, (row, label) in enumerate(zip(logits, np.asarray(labels).tolist(), strict=True)):
        order = np.lexsort((np.arange(len(row)), -row))[:kept]
        # NaN stands behind all others in no order that helps anybody: such a row has no top.
        finite = bool(np.isfinite(row).all())
        others = np.delete(np.arange(len(row)), order)
        probability = _softmax(row) if finite else np.zeros(len(row))
        by_genus = np.bincount(genus_of, weights=probability)
        top_genera = np.lexsort((np.arange(len(genera)), -by_genus))[:TOP_GENERA]
        rest_of_genera = [np.setdiff1d(np.flatnonzero(genus_of == genus), order) for genus in top_genera]
        with np.errstate(invalid="ignore"):
            before = int((~(row < row[label])).sum()) - 1
        rows.append(
            {
                "image_name": image_name[number] if image_name is not None else f"{number:032x}.jpg",
                "sha256": sha256[number] if sha256 is not None else f"{number:064x}",
                "label": label if label >= 0 else None,
                "rank": before if label >= 0 else None,
                "own_logit": float(row[label]) if label >= 0 else None,
                "top_classes": order.tolist(),
                "top_logits": row[order].tolist() if finite else [float("nan")] * kept,
                "rest": [_weight(row[others], T, finite=finite) for T in TEMPERATURES],
                "genus_top": top_genera.tolist(),
                "genus_rest": [_weight(row[of], T, finite=finite) for of in rest_of_genera for T in GENUS_TEMPERATURES],
            }
        )
    return pl.DataFrame(rows, schema=dict(PREDICTIONS))


def _softmax(row: np.ndarray) -> np.ndarray:
    powers = np.exp(row.astype(np.float64) - float(row.max()))
    return powers / powers.sum()


def _weight(logits: np.ndarray, temperature: float, *, finite: bool) -> float:
    """Give the logarithm of the summed exp(logit / temperature), -inf of none."""
    if not finite:
        return float("nan")
    if not len(logits):
        return float("-inf")
    largest = float(logits.max()) / temperature
    return largest + float(np.log(np.exp(logits.astype(np.float64) / temperature - largest).sum()))


def draw_logits(
    labels: np.ndarray, species: Sequence[str], rng: np.random.Generator, *, skill: float, sharpness: float
) -> np.ndarray:
    """Draw logits float32 [images, classes] of a model that knows classes and genera, some images better than others.

    Args:
        labels: int [images]; -1 is of a species that the model does not know.
        species: in the order of labels.
        rng: to draw by.
        skill: how far the image's own class stands out, on average, in standard deviations of the others.
        sharpness: what all logits are multiplied by: 1 is about calibrated, more is too sure.
    """
    _, genus_of = number_genera(list(species))
    logits = rng.normal(size=(len(labels), len(species))).astype(np.float32)
    clear = rng.normal(skill, skill / 2, len(labels)).astype(np.float32)
    known = np.flatnonzero(labels >= 0)
    for image in known.tolist():
        logits[image, genus_of == genus_of[labels[image]]] += 0.4 * clear[image]
        logits[image, labels[image]] += 0.6 * clear[image]
    return logits * np.float32(2 * sharpness)


def draw_splits(
    species: Sequence[str], rng: np.random.Generator, *, images: dict[str, int], unknown_species: int = 3
) -> dict[str, pl.DataFrame]:
    """Draw train, val, test and unknown of so many images: a long tail of species, in observations of 1 to 4 photos.

    Each species has an image in train at least, and none in val and test where it is among the rarest.
    """
    shares = 1 / (np.arange(1, len(species) + 1) + len(species) / 20)
    shares = np.cumsum(rng.permutation(shares / shares.sum()))
    strangers = [f"Ignotus species{number}" for number in range(unknown_species)]
    rows: dict[str, list[dict]] = {}
    number = 0
    for split in ("train", *EVALUATED):
        rows[split] = []
        wanted = images.get(split, 0)
        left = list(species) if split == "train" else []  # each once, before the rest are drawn
        while len(rows[split]) < wanted or left:
            if split == "unknown":
                name = strangers[rng.integers(unknown_species)]
            else:
                name = left.pop() if left else species[min(np.searchsorted(shares, rng.random()), len(species) - 1)]
            source, license_ = _SOURCES[rng.integers(len(_SOURCES))], _LICENSES[rng.integers(len(_LICENSES))]
            group = f"{number:032x}.jpg"
            for _ in range(min(int(rng.integers(1, 5)), max(1, wanted - len(rows[split])))):
                rows[split].append(
                    {
                        "image_name": f"{number:032x}.jpg",
                        "image_url": f"https://host.example/{number}.jpg",
                        "document_id": str(number),
                        "sha256": f"{number:064x}",
                        "observation_id": f"{source}:{group[:32]}",
                        "species": name,
                        "source": source,
                        "license": license_,
                        "group": group,
                    }
                )
                number += 1
    return {split: _split_table(drawn, split) for split, drawn in rows.items()}


def _split_table(rows: list[dict], split: str) -> pl.DataFrame:
    groups = [row["group"] for row in rows]
    table = available_rows([{name: value for name, value in row.items() if name != "group"} for row in rows])
    return table.with_columns(group=pl.Series(groups, dtype=pl.String), split=pl.lit(split)).select(SPLIT.keys())


def example(
    seed: int = 1,
    *,
    classes: int = 24,
    train: int = 400,
    val: int = 150,
    test: int = 200,
    unknown: int = 0,
    skill: float = 4.0,
    sharpness: float = 1.5,
    keep_logits: bool = True,
) -> Example:
    """Draw splits and a model's answers, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    species = name_species(classes)
    images = {"train": train, "val": val, "test": test, "unknown": unknown}
    made = Example(species, draw_splits(species, rng, images=images), {}, {})
    for split in EVALUATED:
        parts, dense = [], []
        labels, table = made.labels(split), made.splits[split]
        for start in range(0, max(len(labels), 1), _AT_ONCE):
            of = slice(start, start + _AT_ONCE)
            logits = draw_logits(labels[of], species, rng, skill=skill, sharpness=sharpness)
            parts.append(
                predictions_of(
                    logits,
                    labels[of],
                    species,
                    image_name=table["image_name"][of].to_list(),
                    sha256=table["sha256"][of].to_list(),
                )
            )
            dense += [logits] if keep_logits else []
        made.predictions[split] = pl.concat(parts)
        if keep_logits:
            made.logits[split] = np.concatenate(dense)
    return made


def evaluated_of(made: Example, split: str) -> Evaluated:
    """Give a split with its answers as the stage ``evaluate`` reads them."""
    with TemporaryDirectory() as folder:
        write_example(Path(folder), made)
        return read_evaluated(Path(folder, "data/predictions"), Path(folder, "data/splits"), split, made.species)


def write_example(root: Path, made: Example) -> None:
    """Write what the stage ``evaluate`` reads: predictions, splits, what the model has seen, curves of one epoch."""
    for split, table in made.splits.items():
        write_table(table, SPLIT, root / f"data/splits/{split}.parquet")
    for split, table in made.predictions.items():
        write_table(table, PREDICTIONS, root / f"data/predictions/{split}.parquet")
    write_json(root / "data/predictions.json", {"identity": {"model": MODEL_SHA256}, "files": {}})
    write_classes(root / "data/splits", made.species, made.splits.values())
    write_trained_on(read_seen(root / "data/splits"), root / "models")
    curves = pl.DataFrame({name: [1] if name == "epoch" else [0.5] for name in CURVES})
    write_table(curves, CURVES, root / "plots/curves.csv")


def write_classes(folder: Path, species: Sequence[str], splits: Iterable[pl.DataFrame]) -> None:
    """Write labels.csv and classes.csv of some splits."""
    rows = pl.concat(splits).filter(pl.col("species").is_in(list(species)))
    counted = number_classes(rows)
    write_table(pl.DataFrame({"label": range(len(species)), "species": species}), LABELS, folder / "labels.csv")
    write_table(counted, CLASSES, folder / "classes.csv")
