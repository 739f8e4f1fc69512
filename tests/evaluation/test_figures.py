"""The figures that sum up a test, against scikit-learn and against counting."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score, top_k_accuracy_score

from stages.config.schema import Shots
from stages.evaluation.accuracies import accuracy_by_class_size
from stages.evaluation.figures import NAMES, figures_table, macro_f1, sum_up, top1_by
from stages.evaluation.for_people import for_people
from stages.evaluation.hierarchy import genus_answers
from stages.evaluation.intervals import Estimate
from stages.splitting.genera import number_genera
from stages.tables.evaluate import BY_CLASS_SIZE, TEST_FIGURES
from tests.support.predictions import evaluated_of, example

SHOTS = Shots(few_below=6, many_above=30)
MADE = example(seed=7, classes=30, train=300, val=20, test=260, skill=2.0)
TEST, DENSE, LABELS = evaluated_of(MADE, "test"), MADE.logits["test"], MADE.labels("test")
_, GENUS_OF = number_genera(MADE.species)
TRAIN_IMAGES = np.bincount(MADE.labels("train"), minlength=30)
GENUS = genus_answers(TEST, 1.0, GENUS_OF)
FIGURES = sum_up(TEST, GENUS, GENUS_OF, TRAIN_IMAGES, SHOTS, min_groups=10)
SAID = DENSE.argmax(1)


def mean_recall(labels, said) -> float:
    return recall_score(labels, said, labels=np.unique(labels), average="macro")


def test_shares_are_those_of_scikit_learn():
    hits = SAID == LABELS
    assert FIGURES["top1"].value == hits.mean()
    assert FIGURES["top5"].value == pytest.approx(top_k_accuracy_score(LABELS, DENSE, k=5, labels=np.arange(30)))
    assert FIGURES["mean_per_class_accuracy"].value == pytest.approx(mean_recall(LABELS, SAID))
    assert FIGURES["genus_top1"].value == (GENUS_OF[SAID] == GENUS_OF[LABELS]).mean()
    assert FIGURES["genus_top1_by_sum"].value == GENUS.hits.mean()
    wrong = ~hits
    assert FIGURES["errors_within_genus"].value == (GENUS_OF[SAID] == GENUS_OF[LABELS])[wrong].mean()
    assert FIGURES["errors_within_genus"].images == wrong.sum()
    for name, least, most in (("few_shot", 0, 5), ("medium_shot", 6, 30), ("many_shot", 31, 999)):
        of = (TRAIN_IMAGES[LABELS] >= least) & (TRAIN_IMAGES[LABELS] <= most)
        assert FIGURES[name].value == pytest.approx(mean_recall(LABELS[of], SAID[of]))
        assert (FIGURES[name].images, FIGURES[name].classes) == (of.sum(), len(set(LABELS[of])))
    assert FIGURES.keys() == NAMES.keys()
    for estimate in FIGURES.values():
        assert 0 <= estimate.low < estimate.value < estimate.high <= 1


def test_macro_f1_is_of_the_classes_that_the_test_has():
    present = sorted(set(LABELS))
    assert macro_f1(TEST) == pytest.approx(f1_score(LABELS, SAID, labels=present, average="macro"))
    assert len(present) < 30
    assert macro_f1(TEST) > f1_score(LABELS, SAID, labels=np.arange(30), average="macro", zero_division=0)


def test_sources_licenses_and_sizes_of_classes_share_out_the_images():
    for column in (TEST.source, TEST.license):
        found = top1_by(TEST, column, min_groups=10)
        assert list(found) == sorted(set(column))
        assert sum(estimate.images for estimate in found.values()) == 260
        for name, estimate in found.items():
            assert estimate.value == (SAID == LABELS)[(column == name).to_numpy()].mean()
    sizes = accuracy_by_class_size(TEST.answers.hits, TEST.groups, LABELS, TRAIN_IMAGES, min_groups=10)
    assert set(sizes.columns) == set(BY_CLASS_SIZE)
    assert sizes["images"].sum() == 260
    assert sizes["train_images"].is_sorted()
    ones = TRAIN_IMAGES[LABELS] <= 5
    assert sizes.filter(sizes["train_images"] <= "003-005")["images"].sum() == ones.sum()


def test_rows_of_a_plot_have_names_without_counts_the_headline_first():
    by_source, by_license = (top1_by(TEST, column, min_groups=10) for column in (TEST.source, TEST.license))
    table = figures_table(FIGURES | {"by_source": by_source, "by_license": by_license})
    assert set(table.columns) == set(TEST_FIGURES)
    assert table["figure"].to_list()[:3] == ["top-1", "top-5", "mean per-class"]
    assert table["figure"].to_list()[-1] == "top-1, license none"
    assert table["figure"].n_unique() == table.height == len(NAMES) + len(by_source) + len(by_license)


def test_what_there_is_no_image_of_has_no_figure():
    right = evaluated_of(MADE.with_logits("test", np.eye(30)[LABELS] * 9), "test")
    alone = sum_up(
        right, genus_answers(right, 1.0, GENUS_OF), GENUS_OF, np.full(30, 3), SHOTS, min_groups=10
    )  # all are few-shot
    assert alone.keys() == NAMES.keys() - {"medium_shot", "many_shot", "errors_within_genus"}
    assert alone["top1"].value == 1.0
    assert alone["top1"].low < 1.0


def test_a_report_says_null_of_what_is_not_known():
    nothing = Estimate(math.nan, None, None, 0, 0, 0)
    found = for_people({"a": [nothing], "b": {"c": 0.5, "d": None}, "e": "text"})
    assert found["a"][0] == {"value": None, "low": None, "high": None, "images": 0, "groups": 0, "classes": 0}
    assert (found["b"], found["e"]) == ({"c": 0.5, "d": None}, "text")
