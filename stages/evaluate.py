"""Stage ``evaluate``: predictions and the tables of the splits -> all figures of the test, on a CPU, in seconds.

Top-1 and top-5 count images, so common species decide them; mean per-class accuracy counts every species alike. What
has an interval has one of 95 %, with observations (column ``group``) as its units. What is fitted (a temperature, and
the thresholds from which on the model answers) is fitted on val and measured on the test. See docs/figures.md.

No network and no photo is looked at, so a new figure costs no inference.
"""

from pathlib import Path

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.evaluation.accuracies import SIZES, accuracy_by_class_size
from stages.evaluation.confusion import confused_pairs, drawn_pairs, never_right, species_table
from stages.evaluation.evaluated import check_finite, read_evaluated, with_numbers
from stages.evaluation.figures import figures_table
from stages.evaluation.fitted import fit, how_sure
from stages.evaluation.for_people import for_people
from stages.evaluation.risk_coverage import risk_coverage
from stages.evaluation.summary import both_reliabilities, headline, in_words, summarize
from stages.evaluation.suspects import model_suspects
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
from stages.tables.predictions import read_model_sha256
from stages.tables.size_bins import name_bins
from stages.tables.table import Schema, read_table, write_table

PREDICTIONS_IN = Path("data/predictions")
MADE_BY_IN = Path("data/predictions.json")
SPLITS_IN = Path("data/splits")
MODEL_IN = Path("models")
CURVES_IN = Path("plots/curves.csv")
METRICS = Path("metrics/test.json")
REPORT = Path("data/reports/test.json")
TABLES = Path("data/evaluation")
SUSPECTS = Path("data/model_suspects.parquet")
CALIBRATION = Path("models/calibration.json")
PLOTS = Path("plots")
PICTURE = Path("plots/evaluation.png")

DIGITS = 5  # of figures in tables: the rest is of a processor, and shall make no difference


def main() -> None:
    """Fit on val, measure on the test, count what is taken for what, write."""
    params = stage_params("evaluate")
    check_libraries("evaluate")
    species = read_labels(SPLITS_IN / "labels.csv")
    model_sha256 = read_model_sha256(MADE_BY_IN)
    trained_on = read_trained_on(MODEL_IN / TRAINED_ON_FILE)
    for split in ("test", UNKNOWN):
        check_unseen(trained_on, SPLITS_IN, split)
    check_unseen(trained_on.filter(split="train"), SPLITS_IN, "val")  # of what it learnt by heart it is too sure
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

    min_groups, resamples, seed = params.evaluate.min_groups, params.evaluate.resamples, params.evaluate.seed
    fitted = fit(val, genus_of_class, params.evaluate)
    temperature = fitted.temperature.value
    sure = how_sure(test, temperature, genus_of_class)
    curve, area = risk_coverage(
        sure.confidences,
        test.answers.hits,
        test.groups,
        test.labels,
        min_groups=min_groups,
        resamples=resamples,
        seed=seed,
    )
    figures = summarize(sure, unknown, fitted, area, genus_of_class, train_images, params.shots, params.evaluate)
    pairs = confused_pairs(test, species)
    by_species = species_table(test, classes, pairs, species, min_groups=min_groups)
    suspects = pl.concat(
        model_suspects(part, temperature, species, confident=params.evaluate.confident) for part in (val, test)
    )
    drawn = {
        "figures": rounded(figures_table(figures), tables.TEST_FIGURES),
        "by_class_size": rounded(
            accuracy_by_class_size(test.answers.hits, test.groups, test.labels, train_images, min_groups=min_groups),
            tables.BY_CLASS_SIZE,
        ),
        "reliability": rounded(both_reliabilities(test, temperature, min_groups=min_groups), tables.RELIABILITY),
        "risk_coverage": rounded(curve, tables.RISK_COVERAGE),
        "confused_pairs": drawn_pairs(pairs),
    }
    page = evaluation_page(
        headline=in_words(figures),
        note=f"Temperature {temperature:.3g}. Intervals are of 95 %, over groups: images of one observation. Hollow: "
        f"no interval, mostly as there are under {min_groups} groups.",
        size_bins=name_bins(SIZES),
        curves=curves,
        **drawn,
    )

    with replacing_directory(TABLES) as folder:
        write_table(rounded(by_species, tables.SPECIES), tables.SPECIES, folder / "species.csv")
        write_table(pairs, tables.CONFUSED_PAIRS, folder / "confused_pairs.csv")
        write_table(never_right(by_species), tables.NEVER_RIGHT, folder / "never_right.csv")
    write_table(rounded(suspects, tables.MODEL_SUSPECTS), tables.MODEL_SUSPECTS, SUSPECTS)
    write_table(drawn["figures"], tables.TEST_FIGURES, PLOTS / "test_figures.csv")
    write_table(drawn["by_class_size"], tables.BY_CLASS_SIZE, PLOTS / "accuracy_by_class_size.csv")
    write_table(drawn["reliability"], tables.RELIABILITY, PLOTS / "reliability.csv")
    write_table(drawn["risk_coverage"], tables.RISK_COVERAGE, PLOTS / "risk_coverage.csv")
    write_table(drawn["confused_pairs"], tables.DRAWN_PAIRS, PLOTS / "confused_pairs.csv")
    save_png(page, PICTURE)
    write_json(CALIBRATION, fitted.content(model_sha256=model_sha256))
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


def rounded(table: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Give the columns of a table's schema, fractions rounded to ``DIGITS``."""
    return table.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).with_columns(
        pl.col(pl.Float64).round(DIGITS)
    )


if __name__ == "__main__":
    run(main)
