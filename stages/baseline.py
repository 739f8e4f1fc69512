"""Stage ``baseline``: what the frozen starting network knows of the species -> figures, and a word on the labels.

In minutes, before anything is trained: three probes on the features of ``embed`` learn from train and are asked for val
and test. So a training has a figure to beat; and labels that stand in another order, or have nothing to do with the
photos, are found before it. ``train`` depends on the word alone, data/gate.json.
"""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.config.reading import stage_params
from stages.config.schema import Params
from stages.evaluation.accuracies import accuracies, accuracy_by_class_size
from stages.evaluation.for_people import for_people
from stages.evaluation.intervals import Estimate
from stages.features.chance import Chance
from stages.features.judging import Judged, judge, train_against_itself
from stages.features.matching import features_of
from stages.features.normalized import normalized
from stages.features.probes import PROBES, Labeled, Told, ask, ask_left_out
from stages.features.stored import read_features
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.splitting.label_order import label, read_labels
from stages.tables.baseline import BASELINE_BY_CLASS_SIZE, PROBED
from stages.tables.classes import SPLITS, read_split
from stages.tables.gate import write_gate
from stages.tables.json_files import parse_json, write_figures
from stages.tables.table import write_table

FEATURES_IN = Path("data/features")
RECIPE_IN = Path("data/features.json")
SPLITS_IN = Path("data/splits")
GATE = Path("data/gate.json")
METRICS = Path("metrics/baseline.json")
REPORT = Path("data/reports/baseline.json")
PLOT = Path("plots/baseline_by_class_size.csv")

ASKED = ("val", "test")
JUDGE = "ridge"  # of the probes, the one that labels are judged by and a training is held against
DIGITS = 5  # of figures in tables: the rest is of a processor, and shall make no difference


def main() -> None:
    """Ask the probes for val and test, judge the labels, write."""
    params = stage_params("baseline")
    species = read_labels(SPLITS_IN / "labels.csv")
    pretrained = has_pretrained_weights(RECIPE_IN)
    images, left_out = read_images(species)
    train, parts = images["train"], {split: images[split] for split in ASKED}
    if not len(train) and not left_out["train"]:
        raise UserError(
            f"{SPLITS_IN / 'train.parquet'} has no image: a probe has nothing to learn from; see data/left_out.csv"
        )
    if not len(train):
        raise UserError(
            f"{SPLITS_IN / 'train.parquet'} has no image with usable features "
            f"({left_out['train']:,} are no numbers, or zeros): a probe has nothing to learn from; are the starting "
            "weights sound (`dvc repro embed`)?"
        )
    for split, number in left_out.items():
        if number:
            say(
                f"baseline: warning: the features of {number:,} of {number + len(images[split]):,} {split} images are "
                "no numbers (NaN or infinite) or all zeros: they are left out"
            )

    found = ask(train, parts, len(species), params.probe)
    figures = {split: figures_of(found, split, parts[split], train, len(species), params) for split in ASKED}
    # Of a species that train does not have nothing can be known: its images say nothing of the order of labels.
    known = {split: np.isin(parts[split].labels, train.labels) for split in ASKED}
    untrained = {split: parts[split].labels[~known[split]] for split in ASKED}
    judged = judge_labels(
        {split: found[JUDGE][split].where(known[split]) for split in ASKED},
        {split: parts[split].where(known[split]) for split in ASKED},
        train,
        species,
        params,
    )
    verdict, words = judged["val"].verdict, judged["val"].words
    if not pretrained:
        verdict, words = "none", f"the starting weights are random, which says nothing of the labels; {words}"

    test = parts["test"]
    sizes = accuracy_by_class_size(
        found[JUDGE]["test"].ranks == 0,
        test.groups,
        test.labels,
        np.bincount(train.labels, minlength=len(species)),
        min_groups=params.evaluate.min_groups,
    )
    sizes = sizes.with_columns(pl.col(pl.Float64).round(DIGITS))
    write_table(sizes, BASELINE_BY_CLASS_SIZE, PLOT)
    report = {
        "gate": {"verdict": verdict, "words": words},
        "figures": figures,
        "labels": {split: in_report(of, species) for split, of in judged.items()},
        "images": {split: len(of) for split, of in images.items()},
        "of_untrained_species": {
            split: {"images": len(labels), "species": len(np.unique(labels))} for split, labels in untrained.items()
        },
        "left_out_without_numbers": left_out,
        "pretrained": pretrained,
    }
    write_figures(REPORT, for_people(report))
    write_figures(METRICS, headline(figures))
    write_gate(verdict, GATE)
    for split in ASKED:
        say(f"baseline: {split}: {in_words(figures[split])}")
        if len(labels := untrained[split]):
            say(
                f"baseline: warning: {len(labels):,} of {len(images[split]):,} {split} images are of "
                f"{len(np.unique(labels)):,} species that train does not have: no probe and no network can be "
                "right of them; run `dvc repro split`"
            )
    say(f"baseline: {'warning: ' if verdict != 'sound' or warns(judged['val']) else ''}labels: {verdict}: {words}")
    if (of_test := judged["test"]).verdict in ("order_differs", "at_chance") or warns(of_test):
        say(f"baseline: warning: labels of test: {of_test.verdict}: {of_test.words}")


def has_pretrained_weights(recipe: Path) -> bool:
    """Say whether the network that the features are of had been trained before.

    Raises:
        UserError: the recipe is missing or damaged.
    """
    try:
        return parse_json(recipe.read_bytes())["weights"] is not None
    except FileNotFoundError:
        raise UserError(f"{recipe} is missing: run `dvc repro embed` or `dvc pull`") from None
    except (ValueError, KeyError):
        raise UserError(f"{recipe} is damaged: bring it back with `dvc checkout --force {recipe}`") from None


def read_images(species: list[str]) -> tuple[dict[str, Labeled], dict[str, int]]:
    """Read the splits with their features.

    Args:
        species: in the order of labels.

    Returns:
        The images of each split, and how many it has besides whose features are no numbers or zeros.

    Raises:
        UserError: a file is missing or damaged, or they are not of the same images and classes.
    """
    features = read_features(FEATURES_IN)
    images, left_out = {}, {}
    for split in SPLITS:
        table = read_split(SPLITS_IN, split, PROBED)
        labels = label(table["species"], species, where=str(SPLITS_IN / f"{split}.parquet"))
        units, sound = normalized(features_of(table, features, FEATURES_IN))
        groups = table["group"].rank("dense").to_numpy().astype(np.int64)
        # A copy of the rows only where there is one to leave out: at full size they are a gigabyte or two.
        images[split] = Labeled(units if sound.all() else units[sound], labels[sound], groups[sound])
        left_out[split] = int((~sound).sum())
    return images, left_out


def figures_of(
    found: dict[str, dict[str, Told]], split: str, images: Labeled, train: Labeled, classes: int, params: Params
) -> dict[str, dict[str, Estimate]]:
    """Give the accuracies of each probe on a split, by its name; none of an empty split."""
    if not len(images):
        return {}
    train_images = np.bincount(train.labels, minlength=classes)
    return {
        probe: accuracies(
            found[probe][split].ranks,
            images.groups,
            images.labels,
            train_images,
            params.shots,
            min_groups=params.evaluate.min_groups,
        )
        for probe in PROBES
    }


def judge_labels(
    found: dict[str, Told], parts: dict[str, Labeled], train: Labeled, species: list[str], params: Params
) -> dict[str, Judged]:
    """Judge the labels of val and test, each against those of train, which has all of their species."""
    seed, shuffles = params.baseline.seed, params.baseline.shuffles

    @cache
    def of_train() -> Chance:
        told = ask_left_out(train, len(species), params.probe)
        return train_against_itself(told, train, shuffles=shuffles, seed=seed)

    return {
        split: judge(
            split,
            found[split],
            parts[split],
            species,
            of_train=of_train,
            shuffles=shuffles,
            seed=seed,
            min_groups=params.evaluate.min_groups,
        )
        for split in ASKED
    }


def in_report(judged: Judged, species: list[str]) -> dict[str, Any]:
    """Give all that was found of the labels of a split, species by their names."""
    renamed = judged.renamed
    return {
        "verdict": judged.verdict,
        "words": judged.words,
        "against_chance": asdict(judged.chance) if judged.chance else None,
        "renamed": asdict(renamed)
        | {
            "pairs": [
                asdict(pair) | {"given": species[pair.given], "seems": species[pair.seems]} for pair in renamed.pairs
            ]
        }
        if renamed
        else None,
        "train_by_itself": asdict(judged.train) if judged.train else None,
    }


def warns(judged: Judged) -> bool:
    """Whether some species of a sound set seem to be others, or it is far below what train knows of itself."""
    some_seem_others = judged.renamed is not None and judged.renamed.better
    return judged.verdict == "sound" and (some_seem_others or judged.train is not None)


def headline(figures: dict[str, dict[str, dict[str, Estimate]]]) -> dict[str, float]:
    """Give the few figures that people compare from run to run; the others stand in the report."""
    compared = (("val", "top1"), ("test", "top1"), ("test", "mean_per_class_accuracy"))
    return {f"baseline_{split}_{name}": figures[split][JUDGE][name].value for split, name in compared if figures[split]}


def in_words(figures: dict[str, dict[str, Estimate]]) -> str:
    """Give the accuracies of the probes on a split as a line."""
    if not figures:
        return "no image"
    told = ", ".join(f"{name.replace('_', ' ')} {of['top1'].value:.3f}" for name, of in figures.items())
    top1 = figures[JUDGE]["top1"]
    return f"top-1 of {told} ({top1.images:,} images of {top1.classes:,} species)"


if __name__ == "__main__":
    run(main)
