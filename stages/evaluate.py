"""Stage ``evaluate``: predictions and the tables of the splits -> all figures of the test, on a CPU, in seconds.

Top-1 and top-5 count images, so common species decide them; mean per-class accuracy counts every species alike. What
has an interval has one of 95 %, with observations (column ``group``) as its units. What is fitted (a temperature, and
the thresholds from which on the model answers) is fitted on val and measured on the test. See docs/figures.md.

No network and no photo is looked at, so a new figure costs no inference.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Evaluate, Shots
from stages.evaluation.abstaining import abstaining_figures, backing_off_figures
from stages.evaluation.calibration import calibration_figures, reliability
from stages.evaluation.confusion import confused_pairs, drawn_pairs, never_right, species_table
from stages.evaluation.evaluated import Evaluated, check_finite, read_evaluated, with_numbers
from stages.evaluation.figures import (
    SIZES,
    accuracy_by_class_size,
    figures_table,
    for_people,
    macro_f1,
    sum_up,
    top1_by,
)
from stages.evaluation.fitted import Fitted, Sure, fit, how_sure
from stages.evaluation.intervals import Estimate
from stages.evaluation.risk_coverage import risk_coverage
from stages.evaluation.shots import SHOTS, by_shots
from stages.evaluation.suspects import model_suspects
from stages.evaluation.unknown import unknown_figures
from stages.learning.trained_on import TRAINED_ON_FILE, check_unseen, read_trained_on
from stages.report.evaluation_page import evaluation_page
from stages.report.png import save_png
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing_directory
from stages.runtime.progress import say
from stages.splitting.genera import number_genera
from stages.splitting.label_order import label, read_labels
from stages.tables import evaluate as tables
from stages.tables.classes import CLASSES, UNKNOWN
from stages.tables.json_files import write_figures, write_json
from stages.tables.size_bins import name_bins
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
CURVES_IN = Path("plots/curves.csv")
PICTURE = Path("plots/evaluation.png")

COMPARED_RISK = 0.1  # of evaluate.max_risks: the coverage that people compare from run to run
DIGITS = 5  # of figures in tables: the rest is of a processor, and shall make no difference


def main() -> None:
    """Fit on val, measure on the test, count what is taken for what, write."""
    params = stage_params("evaluate")
    check_libraries("evaluate")
    min_groups = params.evaluate.min_groups
    species = read_labels(SPLITS_IN / "labels.csv")
    trained_on = read_trained_on(MODEL_IN / TRAINED_ON_FILE)
    for split in ("test", UNKNOWN):
        check_unseen(trained_on, SPLITS_IN, split)
    val, test, unknown = (
        read_evaluated(PREDICTIONS_IN, SPLITS_IN, split, species) for split in ("val", "test", UNKNOWN)
    )
    if not len(val) or not len(test):
        raise UserError("val or test is empty: a species needs images of three observations to stand in both")
    check_finite(test)
    val, unknown = with_numbers(val), with_numbers(unknown)
    classes = read_table(SPLITS_IN / "classes.csv", CLASSES)
    curves = read_table(CURVES_IN, tables.CURVES)
    train_images = read_train_images(classes, species)
    _, genus_of_class = number_genera(species)

    fitted = fit(val, genus_of_class, params.evaluate)
    temperature = fitted.temperature.value
    sure = how_sure(test, temperature, genus_of_class)
    shares = sum_up(test, sure.genus, genus_of_class, train_images, params.shots, min_groups=min_groups)
    by_source, by_license = (top1_by(test, column, min_groups=min_groups) for column in (test.source, test.license))
    curve, area = risk_by_coverage(sure, params.evaluate)
    figures = shares | {
        "images": len(test),
        "groups": len(np.unique(test.groups)),
        "classes": len(np.unique(test.labels)),
        "macro_f1": macro_f1(test),
        "by_source": by_source,
        "by_license": by_license,
        "calibration": {"temperature": temperature}
        | calibrated(test, temperature, train_images, params.shots, params.evaluate),
        "aurc": area,
        "abstaining": abstaining(fitted, sure, min_groups),
        "backing_off": backing_off(fitted, sure, min_groups),
        "unknown": told_apart(test, unknown, temperature, params.evaluate),
    }
    pairs = confused_pairs(test, species)
    by_species = species_table(test, classes, pairs, species, min_groups=min_groups)
    suspects = pl.concat(
        model_suspects(part, temperature, species, confident=params.evaluate.confident) for part in (val, test)
    )

    with replacing_directory(TABLES) as folder:
        write_rounded(by_species, tables.SPECIES, folder / "species.csv")
        write_rounded(pairs, tables.CONFUSED_PAIRS, folder / "confused_pairs.csv")
        write_rounded(never_right(by_species), tables.NEVER_RIGHT, folder / "never_right.csv")
    write_rounded(suspects, tables.MODEL_SUSPECTS, SUSPECTS)
    drawn = figures_table(shares, by_source, by_license)
    by_size = accuracy_by_class_size(test, train_images, min_groups=min_groups)
    true = both_reliabilities(test, temperature, min_groups)
    write_rounded(drawn, tables.TEST_FIGURES, PLOTS / "test_figures.csv")
    write_rounded(by_size, tables.BY_CLASS_SIZE, PLOTS / "accuracy_by_class_size.csv")
    write_rounded(true, tables.RELIABILITY, PLOTS / "reliability.csv")
    write_rounded(curve, tables.RISK_COVERAGE, PLOTS / "risk_coverage.csv")
    write_rounded(drawn_pairs(pairs), tables.DRAWN_PAIRS, PLOTS / "confused_pairs.csv")
    page = evaluation_page(
        headline=in_words(figures),
        note=(
            f"Temperature {temperature:g}. Intervals are of 95 %, over groups: images of one observation. "
            f"Hollow: no interval, mostly as there are under {min_groups} groups."
        ),
        figures=drawn,
        by_class_size=by_size,
        size_bins=name_bins(SIZES),
        reliability=true,
        risk_coverage=curve,
        confused_pairs=drawn_pairs(pairs),
        curves=curves,
    )
    save_png(page, PICTURE)
    write_json(CALIBRATION, fitted.content())
    write_figures(REPORT, for_people(figures))
    write_figures(METRICS, headline(figures))
    for warning in fitted.warnings():
        say(f"evaluate: warning: {warning}")
    say(f"evaluate: {in_words(figures)}")


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


def calibrated(
    test: Evaluated, temperature: float, train_images: np.ndarray, shots: Shots, params: Evaluate
) -> dict[str, Any]:
    """Say how true the probabilities are, before and after the temperature: of all images, and by classes' size."""
    parts = {"all": np.ones(len(test), bool)} | by_shots(train_images[test.labels], shots)
    return {
        name: {
            when: calibration_figures(test.take(members), value, seed=params.seed)
            for when, value in (("before", 1.0), ("after", temperature))
        }
        for name, members in parts.items()
    }


def both_reliabilities(test: Evaluated, temperature: float, min_groups: int) -> pl.DataFrame:
    """Give the share of hits by confidence before and after the temperature: columns of ``RELIABILITY``."""
    return pl.concat(
        reliability(test, value, min_groups=min_groups).with_columns(model=pl.lit(when))
        for when, value in (("before", 1.0), ("after", temperature))
    )


def risk_by_coverage(sure: Sure, params: Evaluate) -> tuple[pl.DataFrame, Estimate]:
    """Give the curve of risk by coverage and the area under it, of images answered by how sure the model is of them."""
    test = sure.images
    return risk_coverage(
        sure.confidences,
        test.answers.hits,
        test.groups,
        test.labels,
        min_groups=params.min_groups,
        resamples=params.resamples,
        seed=params.seed,
    )


def abstaining(fitted: Fitted, test: Sure, min_groups: int) -> list[dict[str, Any]]:
    """Say for each risk what its threshold is worth: in val, where it was found, and in the test."""
    return [
        {"max_risk": one.max_risk, "threshold": one.species}
        | {
            of.images.split: abstaining_figures(of.images, of.confidences, one, min_groups=min_groups)
            for of in (fitted.val, test)
        }
        for one in fitted.thresholds
    ]


def backing_off(fitted: Fitted, test: Sure, min_groups: int) -> list[dict[str, Any]]:
    """Say for each risk what a model is worth in the test that says a species, else a genus, else nothing."""
    return [
        {"max_risk": one.max_risk, "thresholds": {"species": one.species, "genus": one.genus}}
        | backing_off_figures(test.images, test.confidences, test.genus, one, min_groups=min_groups)
        for one in fitted.thresholds
    ]


def told_apart(test: Evaluated, unknown: Evaluated, temperature: float, params: Evaluate) -> dict[str, Any] | None:
    """Say how well unknown species are told from those of the test; ``None`` where there is none."""
    if not len(unknown):
        return None
    return unknown_figures(
        test, unknown, temperature, min_groups=params.min_groups, resamples=params.resamples, seed=params.seed
    )


def headline(figures: dict[str, Any]) -> dict[str, float]:
    """Give the few figures that people compare from run to run; the others stand in the report."""
    compared = ("top1", "top5", "mean_per_class_accuracy", *SHOTS)
    found = {f"test_{name}": figures[name].value for name in compared if name in figures}
    found |= {"test_top1_low": figures["top1"].low, "test_top1_high": figures["top1"].high}
    found["test_nll"] = figures["calibration"]["all"]["after"]["nll"]
    for entry in figures["abstaining"]:
        if entry["max_risk"] == COMPARED_RISK and entry["threshold"] is not None:
            found[f"test_coverage_at_risk_{COMPARED_RISK * 100:.0f}"] = entry["test"]["coverage"].value
    return {name: value for name, value in found.items() if value is not None}


def in_words(figures: dict[str, Any]) -> str:
    """Give the headline as a line."""
    top1 = figures["top1"]
    interval = f" ({top1.low:.3f} to {top1.high:.3f})" if top1.low is not None else ""
    mean = figures["mean_per_class_accuracy"].value
    return (
        f"test top-1 {top1.value:.3f}{interval}, top-5 {figures['top5'].value:.3f}, mean per-class accuracy {mean:.3f} "
        f"({figures['images']:,} images of {figures['classes']:,} species)"
    )


def write_rounded(table: pl.DataFrame, schema: Schema, path: Path) -> None:
    """Write a table, its fractions rounded to ``DIGITS``."""
    write_table(table.with_columns(pl.col(pl.Float64).round(DIGITS)), schema, path)


if __name__ == "__main__":
    run(main)
