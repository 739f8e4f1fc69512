"""Stage ``evaluate``: predictions and the tables of the splits -> all figures of the test, on a CPU, in seconds.

Top-1 and top-5 count images, so common species decide them; mean per-class accuracy counts every species alike. What
has an interval has one of 95 %, with observations (column ``group``) as its units. What is fitted (a temperature, the
thresholds from which on the model answers) is fitted on val and measured on the test. docs/figures.md explains them.

No network and no photo is looked at, so a new figure costs no inference.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.reading import stage_params
from stages.evaluation.abstaining import (
    Thresholds,
    abstaining_figures,
    backing_off_figures,
    fit_thresholds,
)
from stages.evaluation.calibration import Temperature, calibration_figures, fit_temperature, reliability
from stages.evaluation.confusion import confused_pairs, drawn_pairs, never_right, species_table
from stages.evaluation.evaluated import Evaluated, check_finite, read_evaluated, with_numbers
from stages.evaluation.figures import (
    accuracy_by_class_size,
    figures_table,
    for_people,
    macro_f1,
    sum_up,
    top1_by,
)
from stages.evaluation.hierarchy import genus_answers
from stages.evaluation.risk_coverage import risk_coverage
from stages.evaluation.shots import SHOTS, by_shots
from stages.evaluation.suspects import model_suspects
from stages.evaluation.unknown import unknown_figures
from stages.learning.trained_on import TRAINED_ON_FILE, check_unseen, read_trained_on
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.splitting.genera import number_genera
from stages.splitting.label_order import label, read_labels
from stages.tables.classes import CLASSES
from stages.tables.evaluate import (
    BY_CLASS_SIZE,
    CONFUSED_PAIRS,
    DRAWN_PAIRS,
    MODEL_SUSPECTS,
    NEVER_RIGHT,
    RELIABILITY,
    RISK_COVERAGE,
    SPECIES,
    TEST_FIGURES,
)
from stages.tables.json_files import write_figures, write_json
from stages.tables.table import Schema, read_table, write_table

PREDICTIONS_IN = Path("data/predictions")
SPLITS_IN = Path("data/splits")
MODEL_IN = Path("models")
METRICS = Path("metrics/test.json")
REPORT = Path("data/reports/test.json")
TABLES = Path("data/evaluation")
SUSPECTS = Path("data/model_suspects.parquet")
CALIBRATION = Path("models/calibration.json")
PLOTS = Path("plots")

DIGITS = 5  # of figures in tables: the rest is of a processor, and shall make no difference


def main() -> None:
    """Fit on val, measure on the test, count what is taken for what, write."""
    params = stage_params("evaluate")
    min_groups = params.evaluate.min_groups
    drawing = {"resamples": params.evaluate.resamples, "seed": params.evaluate.seed}
    species = read_labels(SPLITS_IN / "labels.csv")
    trained_on = read_trained_on(MODEL_IN / TRAINED_ON_FILE)
    for split in ("test", "unknown"):
        check_unseen(trained_on, SPLITS_IN, split)
    val, test, unknown = (
        read_evaluated(PREDICTIONS_IN, SPLITS_IN, split, species) for split in ("val", "test", "unknown")
    )
    if not len(val) or not len(test):
        raise UserError("val or test is empty: a species needs images of three observations to stand in both")
    check_finite(test)
    val, unknown = with_numbers(val), with_numbers(unknown)
    classes = read_table(SPLITS_IN / "classes.csv", CLASSES)
    train_images = read_train_images(classes, species)
    _, genus_of_class = number_genera(species)

    temperature = fit_temperature(val, min_groups=min_groups)
    val_confidences, confidences = (part.answers.confidences(temperature.value) for part in (val, test))
    val_genus, genus = (genus_answers(part, temperature.value, genus_of_class) for part in (val, test))
    thresholds = [
        fit_thresholds(val, val_confidences, val_genus, max_risk=max_risk, min_groups=min_groups)
        for max_risk in params.evaluate.max_risks
    ]
    shares = sum_up(test, genus, genus_of_class, train_images, params.shots, min_groups=min_groups)
    by_source, by_license = (top1_by(test, column, min_groups=min_groups) for column in (test.source, test.license))
    curve, area = risk_coverage(
        confidences, test.answers.hits, test.groups, test.labels, min_groups=min_groups, **drawing
    )
    parts = {"all": np.ones(len(test), bool)} | by_shots(train_images[test.labels], params.shots)
    figures = shares | {
        "images": len(test),
        "classes": len(np.unique(test.labels)),
        "macro_f1": macro_f1(test),
        "by_source": by_source,
        "by_license": by_license,
        "calibration": {
            name: {
                when: calibration_figures(test.take(members), value, seed=params.evaluate.seed)
                for when, value in (("before", 1.0), ("after", temperature.value))
            }
            for name, members in parts.items()
        },
        "aurc": area,
        "abstaining": [
            {"max_risk": fitted.max_risk, "threshold": fitted.species}
            | {
                part.split: abstaining_figures(part, of, fitted, min_groups=min_groups)
                for part, of in ((val, val_confidences), (test, confidences))
            }
            for fitted in thresholds
        ],
        "backing_off": [
            {"max_risk": fitted.max_risk}
            | backing_off_figures(test, confidences, genus, fitted, min_groups=min_groups)
            for fitted in thresholds
        ],
        "unknown": unknown_figures(test, unknown, temperature.value, min_groups=min_groups, **drawing)
        if len(unknown)
        else None,
    }
    pairs = confused_pairs(test, species)
    table = species_table(test, classes, pairs, species, min_groups=min_groups)
    suspects = pl.concat(
        model_suspects(part, temperature.value, species, confident=params.evaluate.confident) for part in (val, test)
    )

    with replacing_directory(TABLES) as folder:
        write_rounded(table, SPECIES, folder / "species.csv")
        write_rounded(pairs, CONFUSED_PAIRS, folder / "confused_pairs.csv")
        write_rounded(never_right(table), NEVER_RIGHT, folder / "never_right.csv")
    write_rounded(suspects, MODEL_SUSPECTS, SUSPECTS)
    write_rounded(figures_table(shares, by_source, by_license), TEST_FIGURES, PLOTS / "test_figures.csv")
    by_size = accuracy_by_class_size(test, train_images, min_groups=min_groups)
    write_rounded(by_size, BY_CLASS_SIZE, PLOTS / "accuracy_by_class_size.csv")
    drawn = [
        reliability(test, value, min_groups=min_groups).with_columns(model=pl.lit(when))
        for when, value in (("before", 1.0), ("after", temperature.value))
    ]
    write_rounded(pl.concat(drawn), RELIABILITY, PLOTS / "reliability.csv")
    write_rounded(curve, RISK_COVERAGE, PLOTS / "risk_coverage.csv")
    write_rounded(drawn_pairs(pairs), DRAWN_PAIRS, PLOTS / "confused_pairs.csv")
    write_json(CALIBRATION, calibration(temperature, thresholds))
    write_figures(REPORT, for_people(figures | {"temperature": temperature.value}))
    write_figures(METRICS, headline(figures))
    for warning in warnings(temperature, thresholds, val, params.evaluate.min_groups):
        say(f"evaluate: {warning}")
    top1 = shares["top1"]
    interval = f" ({top1.low:.3f} to {top1.high:.3f})" if top1.low is not None else ""
    say(
        f"evaluate: test top-1 {top1.value:.3f}{interval}, top-5 {shares['top5'].value:.3f}, mean per-class accuracy "
        f"{shares['mean_per_class_accuracy'].value:.3f} ({len(test):,} images of {figures['classes']:,} species)"
    )


def read_train_images(classes: pl.DataFrame, species: list[str]) -> np.ndarray:
    """Give the number of training images of each class, int64 [classes], in the order of labels.

    Args:
        classes: of classes.csv.
        species: in the order of labels.

    Raises:
        UserError: they are of other classes.
    """
    path = SPLITS_IN / "classes.csv"
    places = label(classes["species"], species, where=str(path))
    if len(np.unique(places)) != len(species) or len(places) != len(species):
        raise UserError(
            f"{path} is not of the classes of labels.csv: they are of different runs, run `dvc repro split`"
        )
    images = np.zeros(len(species), np.int64)
    images[places] = classes["train_images"].to_numpy()
    return images


def calibration(temperature: Temperature, thresholds: list[Thresholds]) -> dict[str, Any]:
    """Give what others need to use the model's answers: probabilities, and from which on it should answer."""
    return {
        "temperature": temperature.value,
        "temperature_at_end": temperature.at_end,
        "val_images": temperature.images,
        "val_groups": temperature.groups,
        "thresholds": [
            {"max_risk": fitted.max_risk, "species": fitted.species, "genus": fitted.genus} for fitted in thresholds
        ],
    }


def headline(figures: dict[str, Any]) -> dict[str, float]:
    """Give the few figures that people compare from run to run; the others stand in the report."""
    compared = ("top1", "top5", "mean_per_class_accuracy", *SHOTS)
    found = {f"test_{name}": figures[name].value for name in compared if name in figures}
    found |= {"test_top1_low": figures["top1"].low, "test_top1_high": figures["top1"].high}
    found["test_nll"] = figures["calibration"]["all"]["after"]["nll"]
    for entry in figures["abstaining"]:
        if entry["max_risk"] == COMPARED_RISK and entry["threshold"] is not None:
            found[f"test_coverage_at_risk_{COMPARED_RISK:.0%}".rstrip("%")] = entry["test"]["coverage"].value
    return {name: value for name, value in found.items() if value is not None}
