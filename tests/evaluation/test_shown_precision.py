"""What people said of suspects and of the random sample is counted apart, and who cannot say counts for nothing."""

import math

import polars as pl
import pytest

from stages.evaluation.shown_precision import shown_precision
from stages.tables.verdicts import VERDICTS

NOBODY = pl.DataFrame(schema={"image_name": pl.String, "group": pl.String})


def said(*rows) -> pl.DataFrame:
    table = [
        {"image_name": name, "given": "Rosa canina", "verdict": verdict, "asked_as": asked_as, "sha256": "0" * 64}
        for name, verdict, asked_as in rows
    ]
    return pl.DataFrame(table, schema=dict(VERDICTS))


def test_relabeled_and_dropped_were_wrong():
    verdicts = said(
        ("1", "relabel", "suspect"), ("2", "drop", "suspect"), ("3", "confirm", "suspect"), ("4", "skip", "suspect"),
        ("5", "drop", "neighbor"), ("6", "confirm", "random"), ("7", "relabel", "random"), ("8", "confirm", "random"),
    )  # fmt: skip
    suspects = shown_precision(verdicts, "suspect", NOBODY, min_groups=2)
    assert suspects.wrong.value == pytest.approx(2 / 3)
    assert (suspects.wrong.images, suspects.skipped) == (3, 1)
    assert suspects.wrong.low < 2 / 3 < suspects.wrong.high
    assert shown_precision(verdicts, "random", NOBODY, min_groups=2).wrong.value == pytest.approx(1 / 3)


def test_an_image_that_two_judged_is_one_observation():
    twice = said(*((str(number // 2), "relabel" if number < 10 else "confirm", "suspect") for number in range(40)))
    once = said(*((str(number), "relabel" if number < 10 else "confirm", "suspect") for number in range(40)))
    wide, narrow = (shown_precision(one, "suspect", NOBODY, min_groups=2).wrong for one in (twice, once))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert (wide.groups, narrow.groups) == (20, 40)


def test_photos_of_one_observation_that_are_all_of_the_sample_are_wrong_together():
    """Its other photos come into the sample when their turn comes, with the verdict that they have."""
    verdicts = said(*((str(number), "relabel" if number < 9 else "confirm", "random") for number in range(60)))
    apart = pl.DataFrame({"image_name": [str(number) for number in range(57)], "group": [str(n) for n in range(57)]})
    together = apart.with_columns(group=pl.Series([str(number // 3) for number in range(57)]))
    narrow, wide = (shown_precision(verdicts, "random", of, min_groups=2).wrong for of in (apart, together))
    assert (narrow.groups, wide.groups) == (60, 19 + 3)  # three are of no split any more
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_nothing_said_is_nothing_known():
    nothing = shown_precision(said(), "suspect", NOBODY, min_groups=2)
    assert math.isnan(nothing.wrong.value)
    assert nothing.skipped == 0
