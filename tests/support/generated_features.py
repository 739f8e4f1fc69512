"""Features of no network: species around directions of their own, within genera, in observations that look alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.features.normalized import normalized
from stages.features.probes import Labeled
from stages.features.stored import write_features
from stages.splitting.label_order import label
from stages.tables.json_files import write_json
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.support.predictions import draw_splits, name_species, write_classes

SPLITS = ("train", "val", "test")


def draw_vectors(
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    classes: int,
    dimensions: int = 48,
    spread: float = 1.0,
    a_genus: int = 1,
    alike: float = 0.5,
    seed: int = 1,
) -> np.ndarray:
    """Draw features, float16 [images, dimensions], not normalized.

    Args:
        labels: int64 [images].
        groups: int64 [images], numbers of observations, whose images look alike.
        classes: how many there are.
        dimensions: of the features.
        spread: of images around their species, whose directions have a spread of 1.
        a_genus: species, one after the other, that look alike.
        alike: spread of the species around their genus.
        seed: of the draws; species' directions are the same for the same seed, whatever the images.
    """
    rng = np.random.default_rng(seed)
    genera = rng.normal(size=(-(-classes // a_genus), dimensions))
    species = np.repeat(genera, a_genus, axis=0)[:classes]
    if a_genus > 1:
        species = species + alike * rng.normal(size=species.shape)
    _, unit = np.unique(groups, return_inverse=True)
    scenes = rng.normal(size=(int(unit.max(initial=-1)) + 1, dimensions))
    noise = 0.7 * scenes[unit] + 0.7 * rng.normal(size=(len(labels), dimensions))
    return (1 + species[labels] + spread * noise).astype(np.float16)


@dataclass
class World:
    """Splits with features.

    Attributes:
        species: in the order of labels.
        splits: columns of ``SPLIT``, of train, val and test.
        vectors: float16 [images, dimensions] of each split's rows.
    """

    species: list[str]
    splits: dict[str, pl.DataFrame]
    vectors: dict[str, np.ndarray]

    def labels(self, split: str) -> np.ndarray:
        """Give the labels of a split's images."""
        return label(self.splits[split]["species"], self.species, where=split)

    def labeled(self, split: str) -> Labeled:
        """Give a split as probes take it."""
        return Labeled(normalized(self.vectors[split])[0], self.labels(split), numbers_of(self.splits[split]["group"]))

    def give(self, split: str, labels: np.ndarray) -> None:
        """Give the images of a split other labels."""
        species = pl.Series([self.species[number] for number in labels], dtype=pl.String)
        self.splits[split] = self.splits[split].with_columns(species=species)

    def write(self, root: Path, *, weights: str | None = "0" * 64) -> None:
        """Write what the stage ``baseline`` reads, features in two files."""
        for split, table in self.splits.items():
            write_table(table, SPLIT, root / f"data/splits/{split}.parquet")
        write_classes(root / "data/splits", self.species, self.splits.values())
        (root / "data/features").mkdir(parents=True, exist_ok=True)
        images = pl.concat(self.splits.values()).select("image_name", "sha256")
        vectors = np.concatenate(list(self.vectors.values()))
        order = images["image_name"].arg_sort().to_numpy()
        for number, rows in enumerate((order[::2], order[1::2])):
            names, digests = (images[column][rows].to_list() for column in ("image_name", "sha256"))
            write_features(names, digests, digests, vectors[rows], root / f"data/features/{number:05}.arrow")
        write_json(root / "data/features.json", {"weights": weights})


def world(
    *, seed: int = 1, classes: int = 20, train: int = 400, val: int = 120, test: int = 120, **drawn: float
) -> World:
    """Draw splits of so many images, a long tail of species in observations of 1 to 4 photos, and their features."""
    species = name_species(classes)
    images = {"train": train, "val": val, "test": test}
    splits = draw_splits(species, np.random.default_rng(seed), images=images)
    found = World(species, {split: splits[split] for split in SPLITS}, {})
    rows = pl.concat(found.splits.values())
    vectors = draw_vectors(
        label(rows["species"], species, where="all"), numbers_of(rows["group"]), classes=classes, seed=seed, **drawn
    )
    ends = np.cumsum([found.splits[split].height for split in SPLITS])
    found.vectors = dict(zip(SPLITS, np.split(vectors, ends[:-1]), strict=True))
    return found


def numbers_of(names: pl.Series | Sequence[str]) -> np.ndarray:
    """Number names by their order, int64."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
