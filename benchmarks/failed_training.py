"""What may have caused a failed training: the sample spoilt in each way, the real pipeline run on it, what it said.

    python -m benchmarks.failed_training FOLDER [CAUSE ...]

A training once ended with 98.6 % of its training images right and 0.03 % of validation. For each cause that may have
done it, FOLDER gets clones of this repo. In each the sample is spoilt, by a table, a file or a line of code, as the old
system may have been. Then `dvc repro` runs there, with GATE=off where the gate stops it, so that one sees what such a
training looks like. What the stages said, and the figures, go to docs/failed_training.json, cause by cause; causes that
are not named keep what stands there. docs/failed_training.md says what they mean.

All causes take about a quarter of an hour on two idle CPU cores, from a repo in which `make demo` has run.
"""

import argparse
import math
import re
from pathlib import Path
from typing import Any

import polars as pl
from scipy.stats import beta

from benchmarks import ROOT
from benchmarks.spoilt_clone import Clone
from benchmarks.spoilt_ways import CAUSES, SMALL, Experiment
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say
from stages.tables.json_files import parse_json, write_json

OUT = ROOT / "docs/failed_training.json"
OWNER = ROOT / "docs/owner.json"

_SPEAKERS = "export|cache_filter|near_duplicates|split|baseline|remember"
_TOLD = re.compile(rf"^(?:(?:{_SPEAKERS}): .*|[a-z_]+: .*(?:warning|WARNING).*|train: data/gate\.json.*)$")
_OF_A_RUN = re.compile(r"taken over|assignments\.parquet$")  # what depends on what ran before
_LEVEL = 0.95
_DIGITS = 7  # shares of a ten-thousandth are among the figures


def main() -> None:
    """Run the experiments of the causes that the command line names, and record them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument(
        "causes", nargs="*", metavar="CAUSE", help=f"{', '.join(CAUSES)}, or one way as label_order.tables; none is all"
    )
    arguments = parser.parse_args()
    if arguments.folder is None:
        print("benchmarks/failed_training.py: name a folder to work in: skipped")
        return
    ways = [(cause, name) for cause, of in CAUSES.items() for name in of]
    names = {word: [way for way in ways if word in (way[0], ".".join(way))] for word in arguments.causes or CAUSES}
    if unknown := [word for word, found in names.items() if not found]:
        raise UserError(f"{unknown[0]} is no cause: one of {', '.join(CAUSES)}")
    folder = arguments.folder.absolute()
    base = folder / "base"
    if not (base / "repo/data/gate.json").exists():
        say("base: the sample with small images, up to the baseline")
        clone = Clone(base, ROOT)
        clone.set(SMALL)
        clone.must("dvc", "repro", "split", "baseline")
    for cause, name in dict.fromkeys(way for found in names.values() for way in found):
        experiment = CAUSES[cause][name]
        say(f"{cause}.{name}: {experiment.spoilt}")
        found = observe(experiment, folder / f"{cause}_{name}", base / "repo")
        for line in found["said"]:
            say(f"    {line}")
        say(f"    {', '.join(f'{key} {value}' for key, value in found.items() if key.endswith('top1'))}")
        record(cause, name, found)


def record(cause: str, name: str, found: dict[str, Any]) -> None:
    """Put what was seen into the record, beside what else stands there, and what the owner's figures say."""
    recorded = parse_json(OUT.read_bytes()) if OUT.exists() else {}
    kept = {cause: {name: recorded.get(cause, {}).get(name) for name in of} for cause, of in CAUSES.items()}
    kept[cause][name] = found
    seen = {cause: {name: one for name, one in of.items() if one} for cause, of in kept.items()}
    write_json(OUT, _rounded(seen | {"arithmetic": arithmetic(parse_json(OWNER.read_bytes()))}))


def observe(experiment: Experiment, folder: Path, base: Path) -> dict[str, Any]:
    """Spoil a clone and let the pipeline run there: give what was said, and the figures."""
    clone = Clone(folder, base if experiment.small else ROOT)
    if experiment.small:
        clone.set(SMALL)
    clone.must("dvc", "repro", "split", "baseline")
    figures = experiment.prepare(clone) if experiment.prepare else {}
    for edit in experiment.edits:
        clone.edit(edit)
    clone.set(experiment.params)
    code, output = clone.call("dvc", "repro", *experiment.targets)
    said = told(output)
    verdict = clone.json("data/gate.json").get("verdict")
    if code and verdict in ("order_differs", "at_chance"):
        said += told(clone.must("dvc", "repro", *experiment.targets, gate="off"))
    elif code and not any(line.startswith(("split: ", "cache_filter: ")) for line in said):
        raise UserError(f"the pipeline failed in {clone.root}: {output.strip().splitlines()[-1]}")
    figures |= {"spoilt": experiment.spoilt, "said": list(dict.fromkeys(said)), "stopped": bool(code)}
    return figures | figures_of(clone, experiment.targets)


def told(output: str) -> list[str]:
    """Give the lines in which stages say what they found, without those that depend on what ran before."""
    return [line for line in output.splitlines() if _TOLD.match(line) and not _OF_A_RUN.search(line)]


def figures_of(clone: Clone, targets: tuple[str, ...]) -> dict[str, Any]:
    """Give the figures of stages that ran in a clone."""
    split, looks = clone.json("data/reports/split.json"), clone.json("metrics/near_duplicates.json")
    found: dict[str, Any] = {
        "by_verdict": clone.json("data/reports/cache_filter.json").get("by_verdict"),
        "disputed_images": looks.get("disputed_images"),
        "left_out": split.get("left_out"),
        "leaks": clone.json("metrics/split.json").get("leaks"),
    }
    if "baseline" in targets or "train" in targets:
        baseline = clone.json("data/reports/baseline.json")
        found |= {"gate": baseline["gate"]["verdict"]}
        found |= {"baseline_val_top1": clone.json("metrics/baseline.json")["baseline_val_top1"]}
    if "train" in targets:
        train, val = clone.split("train"), clone.split("val")
        epochs = {name: top1_of(clone, name) for name in ("train", "train_eval", "val")}
        right = round(epochs["val"][-1] * val.height)
        classes = pl.read_csv(clone.root / "data/splits/labels.csv").height
        unknown = val.filter(~pl.col("species").is_in(train["species"].unique().implode())).height
        found |= {f"{name}_top1": values[-1] for name, values in epochs.items()}
        found |= {"val_top1_of_first_epoch": epochs["val"][0]}
        low, high = interval(right, val.height)
        found |= {
            "train_images": train.height,
            "val_images": val.height,
            "val_observations": val["group"].n_unique(),
            "val_right": right,
            "val_top1_low": low,
            "val_top1_high": high,
            "val_images_of_untrained_species": unknown / val.height,
            "chance": 1 / classes,
            "epochs": len(epochs["val"]),
        }
    return found


def top1_of(clone: Clone, group: str) -> list[float]:
    """Give the top-1 of each epoch, as dvclive has it."""
    table = (clone.root / f"plots/train/plots/metrics/{group}/top1.tsv").read_text(encoding="utf-8")
    head, *rows = [line.split("\t") for line in table.splitlines()]
    return [float(row[head.index("top1")]) for row in rows]


def interval(right: int, images: int) -> tuple[float, float]:
    """Give the exact interval of a share (Clopper and Pearson, 1934), images taken for independent."""
    tail = (1 - _LEVEL) / 2
    low = float(beta.ppf(tail, right, images - right + 1)) if right else 0.0
    high = float(beta.ppf(1 - tail, right + 1, images - right)) if right < images else 1.0
    return low, high


def arithmetic(owner: dict[str, Any]) -> dict[str, Any]:
    """Work out what the owner's figures say by themselves; docs/failed_training.md says which of it are bounds."""
    old, split = owner["old"], owner["split"]
    top1, alone = old["val_top1"], old["species_with_one_val_image"]
    # 186 species were in validation alone, and 44.8 % of those of validation in train: if both are of one split.
    val_species = round(old["species_only_in_val"] / (1 - old["val_species_in_train"]))
    least = math.ceil(1 / (top1 + 0.00005))  # of fewer images, one that is right is more than 0.03 %
    sizes = {
        "one_right": round(1 / top1),
        "tenth_of_cached": owner["cached_images"] // 10,
        "new_split": split["val"],
        "tenth_of_records": owner["images_before"] // 10,
    }
    of_sizes = {}
    for name, images in sizes.items():
        right = max(1, round(top1 * images))
        low, high = interval(right, images)
        by_chance = images / owner["species"]
        of_sizes[name] = {"images": images, "right": right, "low": low, "high": high, "right_by_chance": by_chance}
    return {
        "chance": 1 / owner["species"],
        "chance_of_new_split": 1 / split["species"],
        "val_species": val_species,
        "chance_of_val_species": 1 / val_species,
        "least_val_images": least,
        "val_of": of_sizes,
        # Those of several images share what the others leave; the most common has their mean or more.
        "commonest_at_least": _commonest(least, val_species, alone),
        "commonest_of_new_split_at_least": _commonest(split["val"], split["val_species"], alone),
        "trained_species_at_most": old["val_species_in_train"],
        "wrong_in_train": 1 - old["train_top1"],
    }


def _commonest(images: int, species: int, alone: float) -> float:
    return (images - alone * species) / ((1 - alone) * species) / images


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value


if __name__ == "__main__":
    run(main)
