"""All figures of a test in one report, and the few of them that people compare from run to run."""

from typing import Any

import numpy as np
import polars as pl

from stages.config.schema import Evaluate, Shots
from stages.evaluation.abstaining import abstaining_figures, backing_off_figures
from stages.evaluation.calibration import calibration_figures, reliability
from stages.evaluation.evaluated import Evaluated
from stages.evaluation.figures import macro_f1, sum_up, top1_by
from stages.evaluation.fitted import Fitted, Sure
from stages.evaluation.intervals import Estimate
from stages.evaluation.shots import SHOTS, by_shots
from stages.evaluation.unknown import unknown_figures

COMPARED_RISK = 0.1  # of evaluate.max_risks: the coverage that people compare from run to run


def summarize(
    sure: Sure,
    unknown: Evaluated,
    fitted: Fitted,
    area: Estimate,
    genus_of_class: np.ndarray,
    train_images: np.ndarray,
    shots: Shots,
    params: Evaluate,
) -> dict[str, Any]:
    """Give all figures of a test; a share with its interval is an ``Estimate``.

    Args:
        sure: the test, at the temperature of ``fitted``.
        unknown: images of species that the model does not know, or none.
        fitted: on val.
        area: under the curve of risk by coverage.
        genus_of_class: int64 [classes], see ``stages.splitting.genera.number_genera``.
        train_images: int64 [classes], training images of each class.
        shots: where few-shot ends and many-shot begins.
        params: section ``evaluate`` of params.yaml.
    """
    test, temperature, least = sure.images, fitted.temperature.value, params.min_groups
    return sum_up(test, sure.genus, genus_of_class, train_images, shots, min_groups=least) | {
        "images": len(test),
        "groups": len(np.unique(test.groups)),
        "classes": len(np.unique(test.labels)),
        "macro_f1": macro_f1(test),
        "by_source": top1_by(test, test.source, min_groups=least),
        "by_license": top1_by(test, test.license, min_groups=least),
        "temperature": temperature,
        "calibration": _calibration(test, temperature, by_shots(train_images[test.labels], shots), params.seed),
        "aurc": area,
        "abstaining": [
            {"max_risk": one.max_risk, "threshold": one.species}
            | {
                of.images.split: abstaining_figures(of.images, of.confidences, one, min_groups=least)
                for of in (fitted.val, sure)
            }
            for one in fitted.thresholds
        ],
        "backing_off": [
            {"max_risk": one.max_risk, "thresholds": {"species": one.species, "genus": one.genus}}
            | backing_off_figures(test, sure.confidences, sure.genus, one, min_groups=least)
            for one in fitted.thresholds
        ],
        "unknown": unknown_figures(
            test, unknown, temperature, min_groups=least, resamples=params.resamples, seed=params.seed
        )
        if len(unknown)
        else None,
    }


def _calibration(test: Evaluated, temperature: float, parts: dict[str, np.ndarray], seed: int) -> dict[str, Any]:
    """Say how true the probabilities are before and after the temperature: of all images, and of each part of them."""
    return {
        name: {
            when: calibration_figures(test.take(members), value, seed=seed)
            for when, value in (("before", 1.0), ("after", temperature))
        }
        for name, members in ({"all": np.ones(len(test), bool)} | parts).items()
    }


def both_reliabilities(test: Evaluated, temperature: float, *, min_groups: int) -> pl.DataFrame:
    """Give the share of hits by confidence before and after a temperature: columns of ``RELIABILITY``.

    Args:
        test: the images.
        temperature: that logits are divided by.
        min_groups: with fewer observations a bin has no interval.
    """
    return pl.concat(
        reliability(test, value, min_groups=min_groups).with_columns(model=pl.lit(when))
        for when, value in (("before", 1.0), ("after", temperature))
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
    top1, mean = figures["top1"], figures["mean_per_class_accuracy"].value
    interval = f" ({top1.low:.3f} to {top1.high:.3f})" if top1.low is not None else ""
    return (
        f"test top-1 {top1.value:.3f}{interval}, top-5 {figures['top5'].value:.3f}, mean per-class accuracy {mean:.3f} "
        f"({figures['images']:,} images of {figures['classes']:,} species)"
    )
