"""The demo tells what is known, and nothing in its place."""

from stages.commands.demo import tell
from stages.evaluation.crops import summarize, tabulate
from tests.support.crops import measured

SPLIT = {name: {"images": 2} for name in ("train", "val", "test")} | {"classes": 2}
OTHERS = {
    "export": {"images": 9, "species": 3, "documents": 8},
    "cache": {"images": 7},
    "alike": {"pairs": 1, "mirrored_pairs": 0, "disputed_images": 0},
    "split": SPLIT,
    "baseline": {"figures": {"val": {"ridge": {"top1": {"value": 0.4}}}}, "gate": {"verdict": "sound"}},
    "suspects": {"suspects": 3},
    "train": {"val_top1": 0.5, "val_top5": 1.0, "best_epoch": 1, "epochs": 2},
    "test": {
        "top1": {"value": 0.5, "low": 0.25, "high": 0.75},
        "top5": {"value": 1.0, "low": None, "high": None},
        "mean_per_class_accuracy": {"value": 0.5, "low": 0.3, "high": 0.7},
    },
}


def told(boxes: dict) -> str:
    """The line on crops."""
    crops = summarize(tabulate({"a": measured("smart"), "b": measured("smart")}, boxes))
    return next(line for line in tell(**OTHERS, crops=crops).splitlines() if line.startswith("  crops "))


def test_crops_are_told_by_true_boxes_and_without_them_by_what_they_gain():
    assert "of the plant, smart crop keeps 0.250 and center crop 0.250 (1 of 2 images" in told({"a": (5, 5, 10, 10)})
    without = told({})
    assert "no true box is known" in without
    assert "plant" not in without


def test_figures_of_the_test_have_their_interval_where_there_is_one():
    crops = summarize(tabulate({"a": measured("smart"), "b": measured("smart")}, {}))
    assert "top-1 0.500 (0.25 to 0.75), top-5 1.000, mean per-class accuracy 0.500 (0.30 to 0.70);" in tell(
        **OTHERS, crops=crops
    )
