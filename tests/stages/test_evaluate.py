"""The test is summed up over images, classes and sizes of classes."""

import numpy as np
import polars as pl
import pytest

from stages.config.schema import Shots
from stages.evaluate import accuracy_by_class_size, read_train_images, summarize
from stages.learning.scores import EvalResult
from stages.runtime.errors import UserError
from stages.tables.classes import CLASSES
from stages.tables.table import write_table


def test_test_figures_by_class_size():
    ranks, labels = np.array([0, 3, 0, 0, 9, 0]), np.array([0, 0, 1, 1, 2, 2])
    train_images = np.array([1, 50, 300])
    figures = summarize(
        EvalResult(ranks, np.ones(6), labels, np.ones(6, bool)), train_images, Shots(few_below=20, many_above=100)
    )
    assert (figures["top1"], figures["top5"]) == (pytest.approx(4 / 6), pytest.approx(5 / 6))
    assert figures["mean_per_class_accuracy"] == pytest.approx(2 / 3)
    assert figures["few_shot"]["mean_per_class_accuracy"] == 0.5
    assert figures["medium_shot"]["mean_per_class_accuracy"] == 1.0
    assert figures["many_shot"]["classes"] == 1
    table = accuracy_by_class_size(ranks, labels, train_images)
    assert table["train_images"].to_list() == ["001", "021-050", "201-500"]
    assert table["top1"].to_list() == [0.5, 1.0, 0.5]


def test_training_images_are_counted_by_species_whatever_the_order(tmp_path):
    """labels.csv alone says which number is which species."""
    path = tmp_path / "classes.csv"
    counts = {name: [1, 1] for name in CLASSES if name != "species"} | {"train_images": [7, 3]}
    write_table(pl.DataFrame({"species": ["B", "A"]} | counts), CLASSES, path)
    assert read_train_images(path, ["A", "B"]).tolist() == [3, 7]
    for order in (["A"], ["A", "B", "C"], ["A", "C"]):
        with pytest.raises(UserError, match=r"of different runs, run `dvc repro split`"):
            read_train_images(path, order)
