"""What the repo has of answers and tables at a commit, or in the working tree: each from DVC's cache or its remote."""

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from stages.evaluation.answers import read_temperature
from stages.evaluation.paired import Side
from stages.evaluation.review import DataChange, compare_splits
from stages.runtime.errors import UserError
from stages.runtime.trees import TrackedFiles, Tree
from stages.splitting.label_order import read_labels
from stages.tables.classes import SPLITS
from stages.tables.predictions import PREDICTIONS
from stages.tables.split import SPLIT
from stages.tables.table import Ruled, read_table
from stages.tables.trained_on import TRAINED_ON

PREDICTED, SEEN, LABELS = "data/predictions/test.parquet", "models/trained_on.parquet", "models/labels.csv"
CALIBRATION = "models/calibration.json"
TABLES = {split: f"data/splits/{split}.parquet" for split in SPLITS}
_UNSCALED = "probabilities of its answers are those of a temperature of 1"
_OF_SPLITS = ("image_name", "sha256", "species", "group", "split", "license", "observer")  # what is read of them


class TreeTables:
    """What a tree has of answers and tables, as far as it can be had.

    Attributes:
        tree: that it is of.
        predictions: of its test, columns of ``PREDICTIONS``; None where they cannot be had.
        trained_on: columns of ``TRAINED_ON``; likewise.
        splits: some columns of ``SPLIT``, of the splits that can be had.
        species: in the order of labels; None where that cannot be had.
        temperature: that was fitted, or 1.
    """

    def __init__(self, tree: Tree, tracked: TrackedFiles) -> None:
        """Read them; what cannot be had is in ``missing``."""
        self.tree = tree
        found = tracked.find(tree, [PREDICTED, SEEN, LABELS, CALIBRATION, *TABLES.values()])
        self._paths, self._why = found.paths, found.missing
        self.predictions = self._read(PREDICTED, PREDICTIONS)
        self.trained_on = self._read(SEEN, TRAINED_ON)
        tables = {split: self._read(name, SPLIT, _OF_SPLITS) for split, name in TABLES.items()}
        self.splits = {split: table for split, table in tables.items() if table is not None}
        self.species = self._labels()
        self.temperature = self._temperature()

    @property
    def missing(self) -> list[str]:
        """What cannot be had, a line for each reason."""
        names: dict[str, list[str]] = {}
        for name, reason in self._why.items():
            names.setdefault(reason, []).append(name)
        of = f"the {self.tree.name}" if self.tree.commit is None else self.tree.name
        return [f"Of {of}, {', '.join(some)}: {reason}." for reason, some in names.items()]

    @property
    def side(self) -> Side | None:
        """What is compared; ``None`` where a part of it is missing."""
        test = self.splits.get("test")
        if self.predictions is None or self.trained_on is None or self.species is None or test is None:
            return None
        return Side(self.predictions, test, self.species, self.trained_on, self.tree.name, self.temperature)

    def _read(self, name: str, schema: Ruled, only: Collection[str] | None = None) -> pl.DataFrame | None:
        return self._under_its_name(name, lambda path: read_table(path, schema, only=only))

    def _labels(self) -> list[str] | None:
        return self._under_its_name(LABELS, read_labels)

    def _under_its_name(self, name: str, read: Any) -> Any:
        """Read a file that bears another name in DVC's cache, which tells nobody what it is."""
        if name not in self._paths:
            return None
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / Path(name).name
            link.symlink_to(self._paths[name].resolve())
            try:
                return read(link)
            except UserError as error:
                older = "other columns than this version" in str(error)
                said = "written by another version" if older else str(error).replace(str(link), name)
                self._why[name] = f"it cannot be read: {said}"
                return None

    def _temperature(self) -> float:
        """Give the temperature that was fitted; 1 where it cannot be had, which is said where there are predictions."""
        if self.predictions is None:
            self._why.pop(CALIBRATION, None)
        elif CALIBRATION in self._why:
            self._why[CALIBRATION] += f"; {_UNSCALED}"
        else:
            try:
                return read_temperature(self._paths[CALIBRATION])
            except UserError:
                self._why[CALIBRATION] = f"it holds no temperature; {_UNSCALED}"
        return 1.0


def compare_data(base: TreeTables, head: TreeTables) -> DataChange | None:
    """Say what became of images between two trees; ``None`` where splits of either cannot be had."""
    if any(len(side.splits) < len(SPLITS) or side.species is None for side in (base, head)):
        return None
    tables = [pl.concat(side.splits[split] for split in SPLITS) for side in (base, head)]
    return compare_splits(tables[0], tables[1], (base.species or [], head.species or []))
