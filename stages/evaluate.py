"""Stage ``evaluate``: the trained model on the test images -> metrics/test.json and accuracy by class size.

Top-1 and top-5 count images, so common species decide them; mean per-class accuracy counts every species alike. The
groups are those of the long-tail literature (Liu et al., CVPR 2019): many-, medium- and few-shot classes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.libraries import check_libraries
from stages.config.reading import stage_params
from stages.config.schema import Shots
from stages.evaluation.shots import by_shots
from stages.images.shards import check_shards
from stages.learning.data import EpochBatches, PackedImages, PackedLoader
from stages.learning.device import ColorTransform
from stages.learning.memory_layout import set_layout
from stages.learning.predict import predict
from stages.learning.processes import make_accelerator
from stages.learning.saved_model import load_model
from stages.learning.scores import EvalResult
from stages.learning.split import PackedSplit, open_splits
from stages.learning.trained_on import check_unseen
from stages.runtime.errors import UserError, run
from stages.runtime.outputs import replacing
from stages.runtime.progress import say
from stages.splitting.label_order import label, read_labels
from stages.tables.classes import CLASSES
from stages.tables.json_files import write_figures
from stages.tables.size_bins import bins_of, name_bins
from stages.tables.table import read_table

SPLITS_IN = Path("data/splits")
PACKED_IN = Path("data/packed")
MODEL_IN = Path("models")
METRICS = Path("metrics/test.json")
REPORT = Path("data/reports/test.json")
BY_SIZE = Path("plots/accuracy_by_class_size.csv")

SHOTS = ("few_shot", "medium_shot", "many_shot")
# Classes are drawn together by their number of training images: up to 1, 2, 5, ...
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def main() -> None:
    """Rank every test image's species among the model's guesses, and sum up."""
    params = stage_params("evaluate")
    accelerator = make_accelerator()  # first: it says how torch computes
    check_libraries("evaluate")
    model, description, trained_on = load_model(MODEL_IN, SPLITS_IN / "labels.csv")
    check_unseen(trained_on, SPLITS_IN)
    check_shards(PACKED_IN)
    species = read_labels(SPLITS_IN / "labels.csv")
    packed = open_splits(PACKED_IN, SPLITS_IN, ("test",), species)["test"]
    if packed.size_px != description.pack_px or description.image_px > packed.size_px:
        raise UserError(
            f"{PACKED_IN} holds {packed.size_px} px, the model takes {description.pack_px}: run `dvc repro`"
        )
    if not len(packed):
        raise UserError("test is empty: a species needs images of three observations to stand in it")

    batches = EpochBatches(
        packed.labels,
        step_images=params.evaluate.batch_images * accelerator.num_processes,
        micro_images=params.evaluate.batch_images,
        process=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    loader = PackedLoader(PackedImages(packed, description.image_px), batches, workers=0)
    color = ColorTransform(description.mean, description.std).to(accelerator.device)
    model = model.to(accelerator.device)
    set_layout(model, accelerator.device)  # as in training
    result = predict(model, loader, color, accelerator, what="test")
    if not accelerator.is_main_process:
        return
    check_finite(result.finite, packed)
    train_images = read_train_images(SPLITS_IN / "classes.csv", species)

    figures = summarize(result, train_images, params.shots)
    write_figures(REPORT, figures)
    write_figures(METRICS, headline(figures))
    with replacing(BY_SIZE) as temporary:
        accuracy_by_class_size(result.ranks, result.labels, train_images).write_csv(temporary)
    say(
        f"evaluate: test top-1 {figures['top1']:.3f}, top-5 {figures['top5']:.3f}, mean per-class accuracy "
        f"{figures['mean_per_class_accuracy']:.3f} ({figures['images']:,} images of {figures['classes']:,} species)"
    )


def check_finite(finite: np.ndarray, packed: PackedSplit) -> None:
    """Refuse predictions that are no numbers: what is counted of them is no figure.

    Args:
        finite: bool [images], of an ``EvalResult``.
        packed: the split that they are of.

    Raises:
        UserError: some are none: how many, and the first image.
    """
    wrong = np.flatnonzero(~finite)
    if len(wrong):
        raise UserError(
            f"the model's predictions for {len(wrong):,} of {len(finite):,} test images are no numbers (NaN or "
            f"infinite), {packed.name(wrong[0])} the first: train again, at a lower train.learning_rate of the profile"
        )


def read_train_images(path: Path, species: list[str]) -> np.ndarray:
    """Read from classes.csv the number of training images of each class, int64 [classes], in the order of labels.

    Raises:
        UserError: it is of other classes.
    """
    classes = read_table(path, CLASSES)
    places = label(classes["species"], species, where=str(path))
    if len(np.unique(places)) != len(species) or len(places) != len(species):
        raise UserError(
            f"{path} is not of the classes of labels.csv: they are of different runs, run `dvc repro split`"
        )
    images = np.zeros(len(species), np.int64)
    images[places] = classes["train_images"].to_numpy()
    return images


def summarize(result: EvalResult, train_images: np.ndarray, shots: Shots) -> dict[str, Any]:
    """Sum up the test.

    Args:
        result: of the test images.
        train_images: int [classes], training images of each class.
        shots: where few-shot ends and many-shot begins.
    """
    scores = result.scores()
    return {
        "images": len(result.labels),
        "classes": len(np.unique(result.labels)),
        "top1": scores.top1,
        "top5": scores.top5,
        "mean_per_class_accuracy": result.mean_per_class_accuracy(),
    } | by_shots(result, train_images, shots)


def headline(figures: dict[str, Any]) -> dict[str, float]:
    """Give the few figures that people compare from run to run; the others stand in the report."""
    of_shots = {f"test_{name}": figures[name]["mean_per_class_accuracy"] for name in SHOTS if name in figures}
    return {f"test_{name}": figures[name] for name in ("top1", "top5", "mean_per_class_accuracy")} | of_shots


def accuracy_by_class_size(ranks: np.ndarray, labels: np.ndarray, train_images: np.ndarray) -> pl.DataFrame:
    """Give top-1 of the classes of each size: columns train_images (as text), top1, images, classes."""
    bins, names = bins_of(train_images[labels], SIZES), name_bins(SIZES)
    rows = []
    for number in np.unique(bins):
        members = bins == number
        rows.append(
            {
                "train_images": names[number],
                "top1": round(float((ranks[members] < 1).mean()), 5),
                "images": int(members.sum()),
                "classes": len(np.unique(labels[members])),
            }
        )
    return pl.DataFrame(rows)


if __name__ == "__main__":
    run(main)
