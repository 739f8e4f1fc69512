"""A training that goes wrong in a way that is known is told what to look at."""

import numpy as np

from stages.learning.health import EXPERIMENTS, epoch_warnings, label_warnings
from tests.support import ROOT
from tests.support.tiny_training import PARAMS
from tests.support.trainings import changed


def row(**values: float) -> dict[str, float]:
    return {"train_top1": 0.9, "train_eval_top1": 0.95, "val_top1": 0.6} | values


def test_a_validation_at_chance_while_training_images_are_known_is_no_overfitting():
    """Of the production collection: 98.6 % of train, 0.03 % of validation, of 5,914 classes."""
    old = row(train_top1=0.986, train_eval_top1=0.99, val_top1=0.0003)
    (warning,) = epoch_warnings([row(), old, old, old], PARAMS, classes=5914)
    assert "validation is at chance (0.0003): that is no overfitting; look at the order of labels" in warning
    assert epoch_warnings([row()] * 4, PARAMS, classes=5914) == []
    overfitted = row(train_eval_top1=1.0, val_top1=0.1)
    assert epoch_warnings([overfitted] * 4, PARAMS, classes=5914) == []


def test_training_images_that_are_unknown_as_validation_sees_them_are_not_prepared_alike():
    (warning,) = epoch_warnings([row(train_eval_top1=0.0002, val_top1=0.0002)] * 4, PARAMS, classes=5914)
    assert "the two are not prepared alike" in warning


def test_less_than_expected_names_the_experiments_once():
    params = changed(expect_epoch=6, expect_top1=0.05)
    short = row(train_eval_top1=0.2, val_top1=0.04)
    (warning,) = epoch_warnings([short] * 6, params, classes=5914)
    assert "validation top-1 is 0.040 after 6 epochs, where the profile's train.expect_top1 is 0.05" in warning
    assert all(line in warning for line in EXPERIMENTS)
    assert epoch_warnings([short] * 5, params, classes=5914) == []
    assert epoch_warnings([short] * 7, params, classes=5914) == []
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(line.split(": ")[1] in readme for line in EXPERIMENTS)


def test_a_class_that_training_never_sees_is_named_before():
    (warning,) = label_warnings(np.array([0, 1, 1]), np.array([0, 2, 2, 5]))
    assert warning.startswith("2 classes of validation have no training image, the first is class 2")
    assert label_warnings(np.array([0, 1, 1]), np.array([1])) == []


def test_few_classes_are_no_false_alarm():
    assert epoch_warnings([row(val_top1=0.93)] * 4, PARAMS, classes=3) == []
    assert "at chance" in epoch_warnings([row(val_top1=0.5)] * 4, PARAMS, classes=2)[0]
