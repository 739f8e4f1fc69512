"""The test is summed up over images, classes and sizes of classes."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from stages.config.schema import Shots
from stages.evaluate import accuracy_by_class_size, check_finite, read_train_images, summarize
from stages.learning.saved_model import save_model
from stages.learning.scores import EvalResult
from stages.learning.trained_on import read_seen
from stages.runtime.errors import UserError
from stages.tables.classes import CLASSES
from stages.tables.table import write_table
from tests.support.packed import write_split
from tests.support.running import complaint, run_here
from tests.support.saved import SPLITS, tiny_model, write_all, write_groups, write_packed


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


@pytest.fixture
def world(workspace):
    """A repo root with all that the stage reads, of a tiny model."""
    write_all(workspace)
    return workspace


def written(root) -> list:
    return [path for path in (root / "metrics/test.json", root / "data/reports/test.json") if path.exists()]


def test_a_model_is_scored_on_images_that_it_has_not_seen(world):
    said = run_here("evaluate", world)
    assert said.returncode == 0, said.stderr
    assert "(4 images of 3 species)" in said.stdout + said.stderr
    assert len(written(world)) == 2


def test_a_test_that_merely_grew_is_scored(world):
    grown = SPLITS | {"test": [("f0", "f0"), ("f1", "f0"), ("f2", "f0"), ("g1", "g1"), ("h1", "h1"), ("new", "new")]}
    write_packed(world / "data/packed", grown)
    write_groups(world / "data/splits", grown)
    said = run_here("evaluate", world)
    assert said.returncode == 0, said.stderr
    assert "(6 images of 3 species)" in said.stdout + said.stderr


def test_a_split_made_anew_is_no_test_of_a_model_of_before(world):
    """`dvc repro -s split`, `-s pack`, `-s evaluate`, and no training between: test top-1 rose by five points."""
    drawn = SPLITS | {
        "train": [*SPLITS["train"][2:], ("h1", "h1")],
        "test": [*SPLITS["test"][:3], *SPLITS["train"][:2]],
    }
    write_groups(world / "data/splits", drawn)
    said = complaint(run_here("evaluate", world))
    assert "the model has seen 2 of 5 test images" in said
    assert ": a1, a2. " in said
    assert "train again (`dvc repro train`)" in said
    assert written(world) == []


def test_a_model_of_before_says_train_again(world):
    fields = json.loads((world / "models/model.json").read_text())
    before = {name: value for name, value in fields.items() if name not in ("tensors_sha256", "trained_on_sha256")}
    (world / "models/model.json").write_text(json.dumps(before))
    (world / "models/trained_on.parquet").unlink()
    said = complaint(run_here("evaluate", world))
    assert "did not say what a model was trained on: train again (`dvc repro train`)" in said


def test_predictions_that_are_no_numbers_are_no_figures(world):
    """Weights that are all numbers, and grow over all of them on the way: of the brighter images."""
    model, description = tiny_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e30)
    save_model(world / "models", model.state_dict(), description, read_seen(world / "data/splits"))
    said = complaint(run_here("evaluate", world))
    assert "predictions for 4 of 4 test images are no numbers (NaN or infinite), f1 the first: train again" in said
    assert written(world) == []


def test_the_first_image_whose_prediction_is_no_number_is_named(tmp_path):
    packed = write_split(tmp_path, "test", 5)
    check_finite(np.ones(5, bool), packed)
    with pytest.raises(UserError, match=r"for 2 of 5 test images are no numbers .*, test2\.jpg the first"):
        check_finite(np.array([True, True, False, True, False]), packed)
