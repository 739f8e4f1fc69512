"""Two models by old labels, new labels and on images that people have looked at."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from stages.evaluation.answers import answers_of, check_rows
from stages.evaluation.gain import compare_verdicts, measure_gain, only, relabel
from stages.evaluation.paired import Side
from stages.tables.trained_on import TRAINED_ON
from stages.tables.verdicts import VERDICTS
from tests.support.predictions import Example, example, predictions_of

MADE = example(seed=3, classes=24, train=200, val=30, test=150, skill=2.0)
BETTER = MADE.with_logits("test", MADE.logits["test"] + 4 * np.eye(24)[MADE.labels("test")])
NOBODY = pl.DataFrame(schema=TRAINED_ON)
NO_VERDICTS = pl.DataFrame(schema=dict(VERDICTS) | {"reviewer": pl.String})


def side(made: Example, name: str = "a model") -> Side:
    return Side(made.predictions["test"], made.splits["test"], made.species, NOBODY, name)


def verdict(image: dict, said: str, *, asked_as: str = "suspect", species: str | None = None, **changed) -> dict:
    row = {
        "image_name": image["image_name"], "sha256": image["sha256"], "given": image["species"], "verdict": said,
        "species": species, "reason": "drawing" if said == "drop" else None, "asked_as": asked_as, "note": None,
        "reviewer": "ana",
    }  # fmt: skip
    return row | changed


def verdicts(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=NO_VERDICTS.schema)


def images(made: Example) -> list[dict]:
    return made.splits["test"].to_dicts()


def test_a_side_that_is_relabeled_is_as_if_it_had_been_labeled_so():
    rng = np.random.default_rng(1)
    table = MADE.splits["test"]
    changed = rng.permutation(table.height)[:60]
    labels = MADE.labels("test").copy()
    labels[changed] = rng.integers(0, 24, 60)
    new = {table["sha256"][int(row)]: MADE.species[labels[row]] for row in changed}
    found = relabel(side(MADE), new | {"f" * 64: "Nobody nowhere"})
    true = predictions_of(
        MADE.logits["test"], labels, MADE.species,
        image_name=table["image_name"].to_list(), sha256=table["sha256"].to_list(),
    )  # fmt: skip
    assert found.test["species"].to_list() == [MADE.species[label] for label in labels]
    assert found.predictions["label"].to_list() == true["label"].to_list()
    answers, truth = (answers_of(rows, where="here") for rows in (found.predictions, true))
    check_rows(answers, where="here")
    for k in (1, 5):
        assert ((answers.ranks < k) == (truth.ranks < k)).all()
    kept = (answers.top_classes == labels[:, None]).any(1)
    assert (answers.ranks[kept] == truth.ranks[kept]).all() and (answers.ranks[~kept] >= 10).all()
    assert 0 < (answers.ranks == 0).sum() < 150


def test_of_two_classes_that_weigh_the_same_neither_is_a_hit_after_a_relabel():
    logits = np.zeros((1, 24), np.float32)
    logits[0, [3, 7]] = 5
    table = MADE.splits["test"][:1]
    rows = predictions_of(logits, [1], MADE.species, image_name=[*table["image_name"]], sha256=[*table["sha256"]])
    table = table.with_columns(species=pl.lit(MADE.species[1]))
    for label in (3, 7):
        found = relabel(Side(rows, table, MADE.species, NOBODY), {table["sha256"][0]: MADE.species[label]})
        assert found.predictions["rank"].to_list() == [1]


def test_a_species_that_the_model_does_not_know_has_no_label():
    digest = MADE.splits["test"]["sha256"][0]
    found = relabel(side(MADE), {digest: "Nova planta"})
    row = found.predictions.filter(sha256=digest).row(0, named=True)
    assert row["label"] is row["rank"] is row["own_logit"] is None
    back = relabel(found, {digest: MADE.splits["test"]["species"][0]})
    assert back.predictions.filter(sha256=digest)["label"].to_list() == [MADE.labels("test")[0]]


def test_gain_by_old_labels_new_labels_and_what_people_looked_at():
    """The new model says what people say of 12 images; by the old labels it is no better there."""
    table = images(MADE)
    labels = MADE.labels("test").copy()
    labels[:12] = (labels[:12] + 1) % 24
    new_table = MADE.splits["test"].with_columns(species=pl.Series([MADE.species[label] for label in labels]))
    logits = MADE.logits["test"].copy()
    logits[:12] += 60 * np.eye(24)[labels[:12]]
    now = replace(MADE, splits=MADE.splits | {"test": new_table}).with_logits("test", logits)
    said = verdicts(
        *(verdict(table[row], "relabel", species=now.species[labels[row]]) for row in range(12)),
        *(verdict(table[row], "confirm", asked_as="random") for row in range(12, 40)),
        verdict(table[50], "skip"),
        verdict(table[51], "confirm", given="Another species"),
    )
    gain = measure_gain(side(MADE), side(now), NO_VERDICTS, said, min_groups=5)
    before = MADE.logits["test"].argmax(1)
    for comparison, of, rows in (
        (gain.old, MADE.labels("test"), slice(None)),
        (gain.new, labels, slice(None)),
        (gain.looked_at, labels, slice(40)),
    ):
        top1 = comparison.differences["top1"]
        assert top1.base.value == pytest.approx((before == of)[rows].mean())
        assert top1.head.value == pytest.approx((logits.argmax(1) == of)[rows].mean())
        assert comparison.counts["compared"] == len(labels[rows])
    assert gain.old.differences["top1"].difference <= 0 < gain.new.differences["top1"].difference
    assert gain.looked_at.differences["top1"].difference > gain.new.differences["top1"].difference
    assert (gain.relabeled, gain.otherwise) == (12, 1)
    assert gain.verdicts.added == {"confirm": 29, "relabel": 12, "skip": 1}
    assert gain.verdicts.asked == {"random": 28, "suspect": 14}
    groups = [image["group"] for image in table]
    unasked = sum(group not in groups[12:40] for group in groups[:12])
    assert (gain.verdicts.of_test, gain.verdicts.corrected, gain.verdicts.corrected_unasked) == (42, 12, unasked)
    assert unasked
    assert not gain.verdicts.whole_test


def test_verdicts_in_between_are_those_that_were_added_or_taken_back():
    table = images(MADE)
    before = verdicts(verdict(table[0], "confirm"), verdict(table[1], "drop"))
    now = verdicts(
        verdict(table[0], "confirm"),
        verdict(table[1], "confirm"),
        verdict(table[2], "drop", asked_as="random"),
        verdict(table[3], "drop"),
        verdict(table[3], "confirm", image_name="elsewhere.jpg", sha256="e" * 64),
    )
    found = compare_verdicts(side(MADE), side(MADE), before, now)
    assert (found.added, found.removed) == ({"confirm": 2, "drop": 2}, 1)
    assert (found.of_test, found.corrected, found.corrected_unasked) == (3, 2, 1)
    assert compare_verdicts(side(MADE), side(MADE), now, now).added == {}
    whole = verdicts(*(verdict(image, "confirm") for image in table))
    assert compare_verdicts(side(MADE), side(MADE), before, whole).whole_test


def test_images_alone_are_those_of_the_bytes():
    digests = MADE.splits["test"]["sha256"][:7]
    found = only(side(MADE), digests)
    assert set(found.test["sha256"]) == set(found.predictions["sha256"]) == set(digests)


def test_nothing_looked_at_and_a_better_model():
    gain = measure_gain(side(MADE), side(BETTER), NO_VERDICTS, NO_VERDICTS, min_groups=10)
    assert gain.looked_at.counts["compared"] == 0 and gain.verdicts.added == {}
    assert gain.old.differences["top1"].verdict == gain.new.differences["top1"].verdict == "better"


def test_an_empty_test_on_either_side_is_no_error():
    nothing = only(side(MADE), pl.Series([], dtype=pl.String))
    said = verdicts(verdict(images(MADE)[0], "confirm"))
    for base, head in ((nothing, side(MADE)), (side(MADE), nothing), (nothing, nothing)):
        gain = measure_gain(base, head, NO_VERDICTS, said, min_groups=10)
        assert [of.counts["compared"] for of in (gain.old, gain.new, gain.looked_at)] == [0, 0, 0]


def test_what_was_judged_along_with_a_photo_shown_by_chance_is_corrected_by_chance():
    groups = MADE.splits["test"].filter(pl.len().over("group") > 1).partition_by("group", maintain_order=True)
    first, second = (group.to_dicts() for group in groups[:2])
    rows = [verdict(image, "drop", asked_as="neighbor") for image in (*first, *second)]
    rows[0] |= {"asked_as": "random"}
    found = compare_verdicts(side(MADE), side(MADE), NO_VERDICTS, verdicts(*rows))
    assert (found.corrected, found.corrected_unasked) == (len(first) + len(second), len(second))
