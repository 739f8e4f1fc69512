"""What in a training looks wrong, in words, and what to try: the failures that have happened before.

A training once had 98.6 % of its training images right and 0.03 % in validation, which is chance, and went on for 15
epochs. Overfitting alone does not do that.
"""

from collections.abc import Sequence

import numpy as np

from stages.config.reading import all_params
from stages.config.schema import Model, Train
from stages.runtime.errors import UserError
from stages.runtime.progress import say

Skipped = Sequence[tuple[int, int, list[str]]]  # epoch, step and image names of steps whose loss was not finite

_CHANCES = 3  # a score of less than so many times chance is none
_FEW = 0.1  # of the validation images may say no numbers
_LEARNT = 0.5  # top-1 on training images, seen as validation images are, of a network that has learned them
_FAR = 0.5  # a score of less than so much of another is far below it

# The teacher's, for which a smaller one is known.
_LARGE, _SMALLER = "vit_base_patch16_384.augreg_in21k_ft_in1k", "vit_small_patch16_384.augreg_in21k_ft_in1k"


def experiments(profile: str, model: Model) -> list[str]:
    """Give what to try, as in docs/training.md: lines that are each one experiment from the last commit.

    Args:
        profile: that they are for, whichever the commit has.
        model: its section ``model``.
    """
    changes = [
        "-S split.min_images_per_class=5",
        "-S model.drop_rate=0.3 -S train.weight_decay=0.05 -S train.label_smoothing=0.2",
    ]
    if model.name == _LARGE and model.weights.kind == "timm":
        changes.append(f"-S profiles.{profile}.model.name={_SMALLER}")
    lines = (f'make try ARGS="-S profile={profile} {change}"' for change in changes)
    return [f"{letter}: {line}" for letter, line in zip("ABC", lines, strict=False)]


def _experiments() -> str:
    """Give them for the active profile, or where they stand: params.yaml may have been changed while it trains."""
    try:
        params = all_params()
    except UserError:
        return "options A, B and C of docs/training.md"
    return "; ".join(experiments(params.profile, params.model))


def label_warnings(train_labels: np.ndarray, val_labels: np.ndarray) -> list[str]:
    """Say what is wrong with labels before anything is trained."""
    unknown = np.setdiff1d(val_labels, train_labels)
    if not len(unknown):
        return []
    return [
        f"{len(unknown):,} classes of validation have no training image, the first is class {unknown[0]}: they cannot "
        "be right; run `dvc repro split`"
    ]


def epoch_warnings(history: list[dict[str, float]], params: Train, *, classes: int) -> list[str]:
    """Say what is wrong after the last epoch of a history.

    Args:
        history: rows of figures, as ``stages.learning.loop.validate`` gives them.
        params: section ``train``.
        classes: their number.
    """
    row, warnings = history[-1], []
    chance = min(_CHANCES / classes, (1 + 1 / classes) / 2)
    if row["train_eval_top1"] >= _LEARNT and row["val_top1"] < chance:
        warnings.append(
            f"training images score {row['train_eval_top1']:.3f} and validation is at chance ({row['val_top1']:.4f}): "
            "that is no overfitting (from random weights on few images it may be); look at the order of labels "
            "(data/splits/labels.csv), and at blank or swapped images in val (plots/rejected_images.png)"
        )
    elif _prepared_otherwise(row):
        warnings.append(
            f"the steps score {row['train_top1']:.3f}, and their images as validation sees them "
            f"{row['train_eval_top1']:.4f}: the two are not prepared alike (or the weights were random, and know "
            "little yet); look at section augment and at the profile's image.train_px"
        )
    if len(history) == params.expect_epoch and row["val_top1"] < params.expect_top1:
        causes = "few images a class, a learning rate far off, or labels or images that are wrong"
        warnings.append(
            f"validation top-1 is {row['val_top1']:.3f} after {params.expect_epoch} epochs, where the profile's "
            f"train.expect_top1 is {params.expect_top1}: likely causes are {causes}; try, each as one "
            f"experiment: {_experiments()}"
        )
    return warnings


def baseline_warnings(history: list[dict[str, float]], params: Train, baseline_top1: float | None) -> list[str]:
    """Say, after ``train.expect_epoch`` epochs, that a network is no better than the baseline, which trains none.

    Args:
        history: as for ``epoch_warnings``.
        params: section ``train``.
        baseline_top1: of the baseline in validation; none where it is not known.
    """
    row = history[-1]
    if baseline_top1 is None or len(history) != params.expect_epoch or row["val_top1"] > baseline_top1:
        return []
    if row["train_eval_top1"] >= _LEARNT and row["val_top1"] < _FAR * baseline_top1:
        causes = (
            f"as it knows its training images ({row['train_eval_top1']:.3f}), the learning rate is not the cause; look "
            "at how validation's species are numbered, and at its images (docs/failed_training.md)"
        )
    elif _prepared_otherwise(row):
        causes = "training and validation images are not prepared alike, as the warning above says"
    else:
        causes = (
            "the learning rate may be far off, or the starting weights are spoiled before the head has learned; try "
            "train.frozen_epochs=1 or a lower learning rate"
        )
    return [
        f"validation top-1 is {row['val_top1']:.3f} after {params.expect_epoch} epochs, and the baseline, which trains "
        f"no network, has {baseline_top1:.3f} (metrics/baseline.json): {causes}"
    ]


def _prepared_otherwise(row: dict[str, float]) -> bool:
    """Whether images are known in the steps, and far less so when they are prepared as validation's are."""
    return row["train_top1"] >= _LEARNT and row["train_eval_top1"] < _FAR * row["train_top1"]


def say_warnings(warnings: Sequence[str]) -> None:
    """Say what looks wrong."""
    for warning in warnings:
        say(f"train: WARNING: {warning}")


def stop_if_too_many_are_skipped(skipped: Skipped, params: Train) -> None:
    """Stop a run in which more steps were skipped than ``train.max_skipped_steps``.

    Raises:
        UserError: it is such a run.
    """
    if len(skipped) > params.max_skipped_steps:
        raise UserError(
            f"the loss was not finite in {len(skipped)} steps, at last in {describe_skipped(skipped)}: look at "
            "these images and the starting weights, or lower the profile's train.learning_rate; with a higher "
            "train.max_skipped_steps it goes on from the checkpoint"
        )


def say_not_finite(names: Sequence[str], *, epoch: int) -> None:
    """Name the validation images of which a network says no numbers; nothing where there are none."""
    if names:
        say(
            f"train: WARNING: after epoch {epoch} the network says no numbers of {len(names):,} validation images "
            f"({_shown(names)}): they count as wrong"
        )


def stop_if_too_many_are_not_finite(names: Sequence[str], images: int, *, epoch: int, best_epoch: int | None) -> None:
    """Stop a run whose network says no numbers of many validation images: it has diverged.

    Args:
        names: of these images.
        images: of validation, in all.
        epoch: that has ended, from 1.
        best_epoch: whose weights are the best so far.

    Raises:
        UserError: they are all, or more than one and more than a tenth.
    """
    if len(names) == images or len(names) > max(1, _FEW * images):
        kept = f"; the best weights so far, of epoch {best_epoch}, are in its checkpoint" if best_epoch else ""
        raise UserError(
            f"after epoch {epoch} the network says no numbers of {len(names):,} of {images:,} validation images "
            f"({_shown(names)}): lower the profile's train.learning_rate{kept}"
        )


def describe_skipped(skipped: Skipped) -> str:
    """Name the last step that was skipped, and its images."""
    epoch, step, names = skipped[-1]
    return f"epoch {epoch + 1}, step {step + 1} ({_shown(names)})"


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
