"""What `make demo` says before and after the pipeline has run on the embedded sample."""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.config.reading import all_params
from stages.evaluation.crops import compared_in_words
from stages.runtime.errors import UserError, run
from stages.runtime.progress import say

REPORTS = Path("data/reports")
# Whose figures are told, in the order of the pipeline.
_STAGES = ("export", "cache_filter", "near_duplicates", "split", "crops", "baseline", "suspects", "train", "test")


def main() -> None:
    """Check that this is the sample's commit (``--check``), or say how the run went and where to look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only check that this is the sample's commit")
    arguments = parser.parse_args()
    profile = all_params().profile
    if profile != "sample":
        raise UserError(
            f"this commit's profile is {profile}, the demo's is sample: try `make try ARGS='-S profile=sample'`"
        )
    if not arguments.check:
        say(tell(*map(_read, _STAGES)))


def tell(
    export: dict,
    cache: dict,
    alike: dict,
    split: dict,
    crops: dict,
    baseline: dict,
    suspects: dict,
    train: dict,
    test: dict,
) -> str:
    """Put the figures of all stages into words."""
    sizes = ", ".join(f"{split[name]['images']} {name}" for name in ("train", "val", "test"))
    return f"""
The pipeline ran on the embedded sample.

  records      {export["images"]} images of {export["species"]} species, from {export["documents"]} documents
  usable       {cache["images"]} images: in the cache, sound and under an allowed license
  look-alikes  {alike["pairs"]} pairs, {alike["mirrored_pairs"]} of them mirrored; {alike["disputed_images"]} images look like another species' and are left out
  split        {sizes}; {cache["images"] - sum(split[name]["images"] for name in ("train", "val", "test"))} left out
  crops        {compared_in_words(crops)}
  baseline     without a training top-1 {baseline["figures"]["val"]["ridge"]["top1"]["value"]:.3f} in validation; labels and photos: {baseline["gate"]["verdict"]}
  suspects     {suspects["suspects"]} images look more like another species than like their own
  validation   top-1 {train["val_top1"]:.3f}, top-5 {train["val_top5"]:.3f} (epoch {train["best_epoch"]} of {train["epochs"]})
  test         top-1 {_figure(test["top1"])}, top-5 {_figure(test["top5"])}, mean per-class accuracy {_figure(test["mean_per_class_accuracy"])}; by chance {1 / split["classes"]:.3f}

Where to look:
  plots/rejected_images.png   what was rejected, and what nearly was
  plots/crop_comparison.png   what the crops do
  plots/suspects.png          photos whose label the rest of the data speaks against
  plots/evaluation.png        the run at a glance: all figures of the test, with their intervals
  plots/mistakes.png          what the model takes for something else, and how sure it is
  plots/confused_pairs.png    the species that it confuses, side by side
  plots/curves.csv            training and validation, epoch by epoch
  metrics/                    the figures that people compare, a JSON file a stage
  data/reports/               all other figures, likewise
  data/evaluation/            each species: how good, and what it is taken for; which are never right
  models/                     the weights, and all that it takes to ask them about other photos
  data/splits/labels.csv      the species, in the order of their labels
  data/splits/classes.csv     how many images each has in each split
  data/names.csv              what was done to species' names
  data/suspicious_names.csv   names that are a slip apart, or one species by what was cut off
  data/contradictions.csv     records of one image that do not say the same
  data/unreadable.csv         documents that could not be read, and why
  data/left_out.csv           what no split uses, and why

Next: say what the suspects are, `make review-data` (docs/wrong_labels.md shows the loop); or an experiment, `make try ARGS="-S crop.mode=center -n center"`, then `make compare`, and
`make review BASE=center`: a page that says what is better and worse, with photos. To ask the model about photos of yours: `make serve`, or `make predict ARGS="PHOTO ..."`."""  # noqa: E501


def _figure(estimate: dict[str, Any]) -> str:
    """Give a share of the test, and its 95 % interval where there is one."""
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.2f} to {estimate['high']:.2f})"


def _read(name: str) -> dict[str, Any]:
    path = REPORTS / f"{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro`") from None


if __name__ == "__main__":
    run(main)
