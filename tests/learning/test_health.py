"""A training that goes wrong in a way that is known is told what to look at."""

import numpy as np
import pytest
import yaml

from stages.config.reading import validate
from stages.learning.health import (
    baseline_warnings,
    epoch_warnings,
    experiments,
    label_warnings,
    stop_if_too_many_are_not_finite,
)
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.tiny_training import PARAMS
from tests.support.trainings import changed


def row(**values: float) -> dict[str, float]:
    return {"train_top1": 0.9, "train_eval_top1": 0.95, "val_top1": 0.6} | values


def test_a_validation_at_chance_while_training_images_are_known_is_no_overfitting():
    """Of the production collection: 98.6 % of train, 0.03 % of validation, of 5,914 classes."""
    old = row(train_top1=0.986, train_eval_top1=0.99, val_top1=0.0003)
    (warning,) = epoch_warnings([row(), old, old, old], PARAMS, classes=5914)
    assert "validation is at chance (0.0003): that is no overfitting" in warning
    assert "look at the order of labels" in warning
    assert epoch_warnings([row()] * 4, PARAMS, classes=5914) == []
    overfitted = row(train_eval_top1=1.0, val_top1=0.1)
    assert epoch_warnings([overfitted] * 4, PARAMS, classes=5914) == []


def test_training_images_that_are_unknown_as_validation_sees_them_are_not_prepared_alike():
    (warning,) = epoch_warnings([row(train_eval_top1=0.0002, val_top1=0.0002)] * 4, PARAMS, classes=5914)
    assert "the two are not prepared alike" in warning


def test_a_quarter_of_what_the_steps_score_is_no_chance_and_told_all_the_same():
    """A network whose input is broken names few species; where one of them is common, that is right more often."""
    (warning,) = epoch_warnings([row(train_top1=0.99, train_eval_top1=0.24, val_top1=0.1)] * 4, PARAMS, classes=24)
    assert "the two are not prepared alike" in warning
    assert epoch_warnings([row(train_top1=0.99, train_eval_top1=0.6, val_top1=0.5)] * 4, PARAMS, classes=24) == []


def test_far_below_the_baseline_with_known_training_images_no_learning_rate_is_blamed():
    """As where each split numbers its own species: some keep their number, and validation is not at chance."""
    params = changed(expect_epoch=3, expect_top1=0.05)
    (warning,) = baseline_warnings([row(train_eval_top1=1.0, val_top1=0.2)] * 3, params, 0.675)
    assert "the learning rate is not the cause; look at how validation's species are numbered" in warning
    for nearer in (row(train_eval_top1=1.0, val_top1=0.6), row(train_top1=0.4, train_eval_top1=0.3, val_top1=0.2)):
        (warning,) = baseline_warnings([nearer] * 3, params, 0.675)
        assert "the learning rate may be far off" in warning


def test_where_images_are_prepared_otherwise_no_learning_rate_is_blamed_either():
    params = changed(expect_epoch=3, expect_top1=0.05)
    history = [row(train_top1=0.99, train_eval_top1=0.24, val_top1=0.1)] * 3
    assert "the two are not prepared alike" in epoch_warnings(history, params, classes=24)[0]
    (warning,) = baseline_warnings(history, params, 0.675)
    assert "are not prepared alike, as the warning above says" in warning
    assert "learning rate" not in warning


def short_of_its_aim(epochs: int) -> list[str]:
    params = changed(expect_epoch=6, expect_top1=0.05)
    return epoch_warnings([row(train_top1=0.2, train_eval_top1=0.2, val_top1=0.04)] * epochs, params, classes=5914)


@pytest.mark.parametrize(("profile", "options"), [("teacher", "ABC"), ("sample", "AB")])
def test_less_than_expected_names_the_experiments_of_the_active_profile_once(
    workspace, params_content, profile, options
):
    content = params_content | {"profile": profile}
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (warning,) = short_of_its_aim(6)
    assert "validation top-1 is 0.040 after 6 epochs, where the profile's train.expect_top1 is 0.05" in warning
    lines = experiments(profile, validate(content).model)
    assert [line.split(": ")[0] for line in lines] == list(options)
    assert all(line in warning for line in lines)
    assert all(f'make try ARGS="-S profile={profile} -S ' in line for line in lines)
    assert short_of_its_aim(5) == []
    assert short_of_its_aim(7) == []


def test_the_teachers_experiments_are_those_of_the_guide(params_content):
    guide = " ".join((ROOT / "docs/training.md").read_text(encoding="utf-8").split())
    lines = experiments("teacher", validate(params_content | {"profile": "teacher"}).model)
    assert len(lines) == 3
    assert all(line.split(": ")[1] in guide for line in lines)


def test_a_params_file_that_is_being_edited_stops_no_training(workspace):
    (workspace / "params.yaml").write_text("train: {", encoding="utf-8")
    (warning,) = short_of_its_aim(6)
    assert "try, each as one experiment: options A, B and C of docs/training.md" in warning


def test_a_class_that_training_never_sees_is_named_before():
    (warning,) = label_warnings(np.array([0, 1, 1]), np.array([0, 2, 2, 5]))
    assert warning.startswith("2 classes of validation have no training image, the first is class 2")
    assert label_warnings(np.array([0, 1, 1]), np.array([1])) == []


def test_few_classes_are_no_false_alarm():
    assert epoch_warnings([row(val_top1=0.93)] * 4, PARAMS, classes=3) == []
    assert "at chance" in epoch_warnings([row(val_top1=0.5)] * 4, PARAMS, classes=2)[0]


@pytest.mark.parametrize(
    ("wrong", "images", "stops"),
    [
        (0, 1, False),
        (1, 1, True),
        (1, 2, False),
        (1, 5, False),
        (1, 9, False),
        (2, 9, True),
        (2, 20, False),
        (3, 20, True),
    ],
)
def test_one_image_without_numbers_stops_no_run_that_has_others(wrong, images, stops):
    """Also where validation is small, and one image of it is more than a tenth."""
    names = [f"{number}.jpg" for number in range(wrong)]
    if not stops:
        stop_if_too_many_are_not_finite(names, images, epoch=2, best_epoch=1)
        return
    with pytest.raises(UserError, match=f"no numbers of {wrong} of {images} validation images"):
        stop_if_too_many_are_not_finite(names, images, epoch=2, best_epoch=1)


@pytest.mark.parametrize(
    ("epochs", "val_top1", "baseline", "warned"),
    [(6, 0.4, 0.5, 1), (6, 0.5, 0.5, 1), (6, 0.51, 0.5, 0), (5, 0.4, 0.5, 0), (7, 0.4, 0.5, 0), (6, 0.4, None, 0)],
)
def test_a_training_that_has_not_beaten_the_baseline_in_time_is_told(epochs, val_top1, baseline, warned):
    params = changed(expect_epoch=6, expect_top1=0.05)
    warnings = baseline_warnings([row(val_top1=val_top1)] * epochs, params, baseline)
    assert len(warnings) == warned
    assert all(f"after 6 epochs, and the baseline, which trains no network, has {baseline:.3f}" in w for w in warnings)
