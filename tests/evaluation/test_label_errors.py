"""The error rate of the whole set is told by images asked at random alone, with an interval as wide as it must be."""

import math

import numpy as np
import polars as pl
import pytest

from stages.evaluation.label_errors import errors_in_lines, label_error_rate
from tests.support.verdicts import A, B, C, digest, records_of, review_of, verdict, verdicts_of

SCHEMA = {
    "image_name": pl.String, "plant": pl.Int32, "species": pl.String, "verdict": pl.String, "wrong": pl.Boolean,
    "used": pl.Boolean,
}  # fmt: skip


def random_rows(wrong: np.ndarray, plants: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "image_name": [str(number) for number in range(len(wrong))], "plant": plants, "species": "A",
            "verdict": np.where(wrong, "relabel", "confirm"), "wrong": wrong, "used": True,
        },
        schema=SCHEMA,
    )  # fmt: skip


def test_the_rate_is_that_of_what_was_asked_at_random_alone(params):
    """Suspects are wrong more often than others: counted too, they would make it three times too high."""
    rows = [{"species": A, "observation_id": f"s:{number}"} for number in range(40)]
    records = records_of(*rows)
    asked = [verdict(number, A, "confirm", asked_as="random") for number in range(18)]
    asked += [verdict(18, A, "relabel", B, asked_as="random"), verdict(19, A, "drop", "drawing", asked_as="random")]
    suspects = [verdict(number, A, "relabel", C) for number in range(20, 40)]
    random = review_of(records, verdicts_of(*asked, *suspects), params.names).random
    estimate, counts = label_error_rate(random, min_groups=10)
    assert (estimate.value, estimate.images, estimate.groups) == (0.1, 20, 20)
    assert (counts["relabel"], counts["drop"], counts["asked"]) == (1, 1, 20)


def test_what_nobody_knows_is_left_out_and_counted(params):
    records = records_of(*[{"species": A}] * 7, sound=[True] * 6 + [False])
    rows = [
        verdict(0, A, "skip", asked_as="random"),
        verdict(1, A, "confirm", asked_as="random"),
        verdict(1, A, "drop", "drawing", reviewer="bo"),
        verdict(2, A, "skip", asked_as="random"),
        verdict(2, A, "relabel", B, reviewer="bo"),
        verdict(3, A, "relabel", B, asked_as="random", sha256=digest(77)),  # stale
        verdict(4, C, "relabel", A, asked_as="random"),  # the source was mended
        verdict(5, A, "confirm", asked_as="random"),
        verdict(6, A, "relabel", B, asked_as="random"),
    ]
    found = review_of(records, verdicts_of(*rows), params.names)
    estimate, counts = label_error_rate(found.random, min_groups=10)
    assert (estimate.images, estimate.value) == (3, pytest.approx(1 / 3))
    left_out = {name: counts[name] for name in ("asked", "skipped", "reviewers_disagree", "not_used")}
    assert left_out == {"asked": 6, "skipped": 1, "reviewers_disagree": 1, "not_used": 1}
    (line,) = errors_in_lines(estimate, counts)
    assert "33.3% (too few observations, 3, for an interval), by 3 images" in line
    assert line.endswith("left out (not_used 1, reviewers_disagree 1, skipped 1)")


def test_without_an_image_there_is_no_rate(params):
    random = review_of(records_of({"species": A}), verdicts_of(verdict(0, A, "confirm")), params.names).random
    estimate, counts = label_error_rate(random, min_groups=10)
    assert math.isnan(estimate.value)
    assert counts["value"] is None
    assert not [*errors_in_lines(estimate, counts)]
    only_skipped = verdicts_of(verdict(0, A, "skip", asked_as="random"))
    random = review_of(records_of({"species": A}), only_skipped, params.names).random
    (line,) = errors_in_lines(*label_error_rate(random, min_groups=10))
    assert "nothing is known of the 1 images asked at random" in line


@pytest.mark.parametrize(("rate", "images", "photos"), [(0.05, 300, 1), (0.05, 300, 3), (0.2, 100, 2)])
def test_the_interval_holds_the_true_rate_as_often_as_it_says(rate, images, photos):
    """Photos of one plant are wrong together."""
    rng = np.random.default_rng(1)
    hits, trials = 0, 300
    plants = np.repeat(np.arange(images // photos), photos).astype(np.int32)
    for _ in range(trials):
        wrong = (rng.random(images // photos) < rate)[plants]
        estimate, _ = label_error_rate(random_rows(wrong, plants), min_groups=10)
        assert estimate.low is not None
        assert estimate.high is not None
        hits += estimate.low <= rate <= estimate.high
    assert hits / trials >= 0.93
