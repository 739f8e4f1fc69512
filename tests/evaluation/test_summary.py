"""The few figures that are compared from run to run, and the line that is said."""

from stages.evaluation.intervals import Estimate
from stages.evaluation.summary import headline, in_words

UNSURE, KNOWN = Estimate(0.5, None, None, 4, 4, 2), Estimate(0.75, 0.5, 0.875, 400, 40, 20)


def test_the_compared_figures_leave_out_what_is_not_known():
    assert headline(figures(UNSURE, None)) == {
        "test_top1": 0.5, "test_top5": 0.5, "test_mean_per_class_accuracy": 0.5, "test_nll": 1.25
    }  # fmt: skip
    assert headline(figures(KNOWN, 0.9)) == {
        "test_top1": 0.75, "test_top1_low": 0.5, "test_top1_high": 0.875, "test_top5": 0.75, "test_nll": 1.25,
        "test_mean_per_class_accuracy": 0.75, "test_coverage_at_risk_10": 0.75,
    }  # fmt: skip


def figures(share: Estimate, threshold: float | None) -> dict:
    return {
        **dict.fromkeys(("top1", "top5", "mean_per_class_accuracy"), share),
        "calibration": {"all": {"before": {"nll": 2.0}, "after": {"nll": 1.25}}},
        "abstaining": [
            {"max_risk": 0.05, "threshold": 0.5, "test": {"coverage": UNSURE}},
            {"max_risk": 0.1, "threshold": threshold, "test": {"coverage": share}},
        ],
        "images": share.images,
        "classes": share.classes,
    }


def test_an_interval_is_said_where_there_is_one():
    assert in_words(figures(KNOWN, None)) == (
        "test top-1 0.750 (0.500 to 0.875), top-5 0.750, mean per-class accuracy 0.750 (400 images of 20 species)"
    )
    assert in_words(figures(UNSURE, None)).startswith("test top-1 0.500, top-5 0.500, ")
