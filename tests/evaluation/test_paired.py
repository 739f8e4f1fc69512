"""Two models are compared on the images that both are tested on and neither has seen; what is not compared is said."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation.paired import FIGURES, Comparison, Side, compare
from stages.runtime.errors import UserError
from tests.support.compared import NOTHING_SEEN, Image, digest, seen_images, side
from tests.support.predictions import predictions_of

SPECIES = ["Abies alba", "Betula nana", "Carex acuta", "Drosera anglica", "Erica arborea", "Fagus sylvatica", "Gagea"]
IMAGES: list[Image] = [(f"i{number:02d}", SPECIES[number % 3], f"i{number - number % 2:02d}") for number in range(40)]
RIGHT = [0] * 40
MIXED = [number % 3 for number in range(40)]


def compared(base: Side, head: Side) -> Comparison:
    return compare(base, head, min_groups=10, flips=199)


def reasons(found: Comparison) -> dict[str, str]:
    return dict(found.left_out.select("image_name", "reason").iter_rows())


def test_the_same_test_is_compared_image_by_image():
    found = compared(side(IMAGES, MIXED, SPECIES), side(IMAGES, RIGHT, SPECIES))
    assert found.counts == {
        "base_images": 40, "head_images": 40, "added": 0, "added_of_new_species": 0, "removed": 0,
        "removed_of_dropped_species": 0, "common": 40, "seen": 0, "seen_itself": 0, "relabeled": 0,
        "of_unknown_species": 0, "compared": 40, "observations": 20, "base_own_seen": 0, "head_own_seen": 0,
    }  # fmt: skip
    assert found.left_out.is_empty()
    assert found.images["image_name"].to_list() == [name for name, *_ in IMAGES]
    assert found.images["group"].to_list() == [group for *_, group in IMAGES]
    assert found.images["base_hit"].to_list() == [rank == 0 for rank in MIXED]
    assert found.images["head_hit"].all()
    row = found.images.row(1, named=True)
    assert (row["species"], row["base_said"], row["head_said"]) == ("Betula nana", "Abies alba", "Betula nana")
    logits = np.linspace(3, 0, 7)
    assert row["head_probability"] == pytest.approx(np.exp(3) / np.exp(logits).sum(), abs=1e-4)
    top1 = found.differences["top1"]
    assert (top1.base.value, top1.head.value, top1.difference) == pytest.approx((14 / 40, 1, 26 / 40))
    assert (top1.gained, top1.lost, top1.changed_groups, top1.verdict) == (26, 0, 20, "better")
    assert found.base_own["top1"] == top1.base
    assert found.head_own["top1"] == top1.head
    assert found.differences["top5"].difference == 0
    assert found.differences["mean_per_class_accuracy"].verdict == "better"


def test_what_is_said_of_a_tie_is_never_the_species_that_it_misses():
    """A gallery would show an image as lost that both models seem to have right."""
    base = side(IMAGES, RIGHT, SPECIES)
    names, digests, labels = (base.predictions[name].to_list() for name in ("image_name", "sha256", "label"))
    ties = predictions_of(np.zeros((40, len(SPECIES))), labels, SPECIES, image_name=names, sha256=digests)
    found = compared(base, replace(base, predictions=ties)).images
    assert not found["head_hit"].any()
    assert (found["head_said"] != found["species"]).all()


def test_species_are_matched_by_name_whatever_their_labels_are():
    """The other model has another order, species of its own, and none of those that no image is of."""
    other = ["Zea mays", *reversed(SPECIES[:3]), "Aster alpinus"]
    found = compared(side(IMAGES, MIXED, SPECIES), side(IMAGES, MIXED, other))
    assert found.counts["compared"] == 40
    assert found.differences["top1"].words.startswith("no difference shown: no observation changed")
    hits = found.images.filter("base_hit")
    assert hits["head_said"].to_list() == hits["species"].to_list()
    said = dict(found.images.filter(~pl.col("head_hit")).select("species", "head_said").iter_rows())
    assert set(said.values()) == {"Zea mays"}


def test_images_are_matched_by_their_bytes_whatever_they_are_called():
    base = side(IMAGES, RIGHT, SPECIES)
    renamed = pl.col("image_name").str.replace("i", "other")
    head = Side(
        predictions=base.predictions.with_columns(renamed)[::-1],
        test=base.test.with_columns(renamed, pl.col("group").str.replace("i", "other")),
        species=SPECIES,
        trained_on=NOTHING_SEEN,
    )
    found = compared(base, head)
    assert found.counts["compared"] == 40
    assert found.counts["observations"] == 20
    assert found.images["image_name"][0] == "other00"


def test_what_a_model_has_seen_of_its_own_test_is_counted_also_where_the_other_test_lacks_it():
    """As with a split of another seed without a new training: its figure on its own test is none of a test."""
    base, head = side(IMAGES[:20], RIGHT[:20], SPECIES), side(IMAGES[10:], RIGHT[10:], SPECIES)
    seen = seen_images([("i20", "i20"), ("i30", "i30"), ("elsewhere", "i38")])
    counts = compared(base, replace(head, trained_on=seen)).counts
    assert (counts["base_own_seen"], counts["head_own_seen"]) == (0, 6)
    counts = compared(replace(base, trained_on=seen_images([("i04", "i04")])), head).counts
    assert (counts["base_own_seen"], counts["head_own_seen"]) == (2, 0)


def test_what_one_test_has_alone_is_counted_and_listed():
    head = [*IMAGES[4:], ("new1", "Abies alba", "new1"), ("new2", "Quercus robur", "new2")]
    found = compared(side(IMAGES, MIXED, SPECIES), side(head, [0] * 36 + [1, 0], [*SPECIES, "Quercus robur"]))
    assert reasons(found) == dict.fromkeys(("i00", "i01", "i02", "i03"), "removed") | dict.fromkeys(
        ("new1", "new2"), "added"
    )
    assert (found.counts["added"], found.counts["added_of_new_species"]) == (2, 1)
    assert (found.counts["removed"], found.counts["removed_of_dropped_species"]) == (4, 0)
    assert (found.counts["common"], found.counts["compared"]) == (36, 36)
    # Its figure on its own test, and on what is compared.
    assert found.base_own["top1"].value == 14 / 40
    assert found.differences["top1"].base.value == 12 / 36
    assert found.head_own["top1"].value == 37 / 38
    assert found.differences["top1"].head.value == 1


def test_what_is_labeled_otherwise_or_unknown_is_left_out():
    head = [("i00", "Carex acuta", "i00"), ("i01", "Newly named", "i00"), *IMAGES[2:]]
    base = [*IMAGES, ("stranger", "Nobody knows", "stranger")]
    found = compared(
        side(base, [*RIGHT, 0], SPECIES),
        side([*head, ("stranger", "Nobody knows", "stranger")], [*RIGHT, 0], [*SPECIES, "Newly named"]),
    )
    assert reasons(found) == {"i00": "relabeled", "i01": "relabeled", "stranger": "of_unknown_species"}
    row = found.left_out.row(0, named=True)
    assert (row["base_species"], row["head_species"], row["sha256"]) == ("Abies alba", "Carex acuta", digest("i00"))
    assert (found.counts["relabeled"], found.counts["of_unknown_species"], found.counts["compared"]) == (2, 1, 38)


@pytest.mark.parametrize(
    ("base_seen", "head_seen", "left_out", "itself"),
    [
        ([("t", "t")], [("i02", "i02")], {"i02", "i03"}, 1),  # head has trained on an image of base's test
        ([("i03", "i02"), ("i09", "i08")], [("t", "t")], {"i02", "i03", "i08", "i09"}, 2),
        ([("t", "t")], [("unused", "i04")], {"i04", "i05"}, 0),  # another photo of an observation of the test
        ([("t", "i06"), ("t2", "t")], [("t2", "t")], {"i06", "i07"}, 0),
        # What belongs together is known of the other side's groups only: i10 and i12 by what head has trained on.
        ([("x", "x")], [("x", "i10"), ("y", "i10"), ("y2", "i12")], {"i10", "i11", "i12", "i13"}, 0),
    ],
)
def test_what_either_model_has_seen_is_left_out(base_seen, head_seen, left_out, itself):
    base = side(IMAGES, MIXED, SPECIES, seen_images(base_seen))
    head = side(IMAGES, RIGHT, SPECIES, seen_images(head_seen))
    for found in (compared(base, head), compared(head, base)):
        assert reasons(found) == dict.fromkeys(left_out, "seen")
        assert (found.counts["seen"], found.counts["seen_itself"]) == (len(left_out), itself)
        assert found.counts["compared"] == 40 - len(left_out)


def test_the_same_bytes_under_another_name_are_seen_too():
    seen = NOTHING_SEEN.with_columns(sha256=pl.lit(digest("i20")))
    found = compared(side(IMAGES, RIGHT, SPECIES, seen), side(IMAGES, RIGHT, SPECIES))
    assert (set(reasons(found)), found.counts["seen_itself"]) == ({"i20", "i21"}, 1)


def test_an_observation_is_what_either_side_takes_for_one():
    base = [(name, species, name) for name, species, _ in IMAGES]  # each image by itself
    found = compared(side(base, MIXED, SPECIES), side(IMAGES, RIGHT, SPECIES))
    assert found.counts["observations"] == 20
    assert found.base_own["top1"].groups == 40
    assert found.differences["top1"].base.groups == 20
    # In base i01 and i02 are one, in head i00 and i01, i02 and i03.
    base = [(name, "Abies alba", "i01" if name == "i02" else name) for name, *_ in IMAGES]
    head = [(name, "Abies alba", group) for name, _, group in IMAGES]
    found = compared(side(base, RIGHT, SPECIES), side(head, RIGHT, SPECIES))
    assert found.counts["observations"] == 19
    assert found.images["group"].to_list()[:6] == ["i00"] * 4 + ["i04"] * 2


def test_copies_are_matched_one_to_one():
    """Two images with the same bytes in one test, one of them in the other."""
    base = side([*IMAGES, ("i99", "Abies alba", "i00")], [*MIXED, 0], SPECIES)
    copied = pl.when(pl.col("image_name") == "i99").then(pl.lit(digest("i00"))).otherwise("sha256").alias("sha256")
    base = Side(base.predictions.with_columns(copied), base.test.with_columns(copied), SPECIES, NOTHING_SEEN)
    found = compared(base, side(IMAGES, MIXED, SPECIES))
    assert (found.counts["common"], found.counts["removed"]) == (40, 1)
    assert reasons(found) == {"i99": "removed"}
    both = compared(base, base)
    assert (both.counts["compared"], both.counts["observations"]) == (41, 20)


def test_logits_that_are_no_numbers_are_no_hits_and_say_nothing():
    head = side(IMAGES, [None, *RIGHT[1:]], SPECIES)
    found = compared(side(IMAGES, RIGHT, SPECIES), head)
    row = found.images.row(0, named=True)
    assert (row["base_hit"], row["head_hit"]) == (True, False)
    assert row["head_said"] is row["head_probability"] is None
    assert found.differences["top1"].lost == found.differences["top5"].lost == 1


def test_probabilities_are_those_of_each_models_temperature():
    base = side(IMAGES, RIGHT, SPECIES)
    warm = Side(base.predictions, base.test, SPECIES, NOTHING_SEEN, temperature=2.0)
    row = compared(base, warm).images.row(0, named=True)
    logits = np.linspace(3, 0, 7)
    assert row["base_probability"] == pytest.approx(np.exp(3) / np.exp(logits).sum(), abs=1e-4)
    assert row["head_probability"] == pytest.approx(np.exp(1.5) / np.exp(logits / 2).sum(), abs=1e-4)


def test_species_are_listed_by_what_they_gained_and_lost():
    base = [1 if species in ("Betula nana", "Carex acuta") else 0 for _, species, _ in IMAGES]
    head = [1 if species == "Abies alba" else 0 for _, species, _ in IMAGES]
    head[1] = 1  # one of Betula nana stays wrong
    found = compared(side(IMAGES, base, SPECIES), side(IMAGES, head, SPECIES)).species
    assert found.rows() == [
        ("Carex acuta", 13, 13, 0, 13, 13, 0, 13),
        ("Betula nana", 13, 13, 0, 12, 12, 0, 12),
        ("Abies alba", 14, 14, 14, 0, 0, 14, -14),
    ]
    same = side(IMAGES, MIXED, SPECIES)
    assert compared(same, same).species.is_empty()


def test_tests_that_have_nothing_in_common_are_said_to():
    others = [(f"o{name}", species, f"o{group}") for name, species, group in IMAGES]
    found = compared(side(IMAGES, RIGHT, SPECIES), side(others, RIGHT, SPECIES))
    assert (found.counts["common"], found.counts["compared"], found.counts["observations"]) == (0, 0, 0)
    for name in FIGURES:
        assert math.isnan(found.differences[name].difference)
        assert found.differences[name].words == "too few to say: 0 observations to compare"
    assert found.images.is_empty()
    assert found.left_out.height == 80
    nothing = side([], [], SPECIES)
    assert compared(nothing, side(IMAGES, RIGHT, SPECIES)).counts["added"] == 40
    assert compared(nothing, nothing).counts["compared"] == 0


def test_a_test_that_is_all_seen_has_nothing_to_compare():
    seen = seen_images([(name, group) for name, _, group in IMAGES])
    found = compared(side(IMAGES, RIGHT, SPECIES, seen), side(IMAGES, RIGHT, SPECIES))
    assert (found.counts["seen"], found.counts["compared"]) == (40, 0)


def test_predictions_of_another_run_are_refused():
    base, head = side(IMAGES, RIGHT, SPECIES), side(IMAGES, RIGHT, SPECIES)
    for wrong in (
        Side(head.predictions[1:], head.test, SPECIES, NOTHING_SEEN, name="main"),
        Side(head.predictions, head.test[1:], SPECIES, NOTHING_SEEN, name="main"),
        Side(head.predictions, head.test.with_columns(sha256=pl.lit("0" * 64)), SPECIES, NOTHING_SEEN, name="main"),
    ):
        with pytest.raises(UserError, match=r"^predictions of main are not of the images of its test \("):
            compared(base, wrong)
    for species in ([*SPECIES[1:], SPECIES[0]], SPECIES[:2]):
        with pytest.raises(UserError, match="predictions of main are of another order of labels than its species: i"):
            compared(base, Side(head.predictions, head.test, species, NOTHING_SEEN, name="main"))


@st.composite
def two_versions(draw):
    """Two tests of some of the same images, each with groups, labels, answers and a training of its own."""
    sides = []
    for _ in range(2):
        names = draw(st.lists(st.integers(0, 30), unique=True, max_size=30))
        used = draw(st.integers(0, len(names)))
        group = {name: f"i{name - name % draw(st.integers(1, 3)):02d}" for name in names}
        images = [(f"i{name:02d}", SPECIES[draw(st.sampled_from([name % 3, 3]))], group[name]) for name in names[used:]]
        ranks = [draw(st.sampled_from([0, 0, 1, 6, None])) for _ in images]
        seen = seen_images([(f"i{name:02d}", group[name]) for name in names[:used]])
        species = SPECIES if draw(st.booleans()) else list(reversed(SPECIES))
        sides.append(side(images, ranks, species, seen))
    return sides


@given(two_versions())
def test_every_image_is_compared_or_counted_and_none_that_was_seen_is_compared(sides):
    base, head = sides
    found = compared(base, head)
    counts = found.counts
    assert counts["common"] + counts["added"] == counts["head_images"] == head.test.height
    assert counts["common"] + counts["removed"] == counts["base_images"] == base.test.height
    left_out = counts["seen"] + counts["relabeled"] + counts["of_unknown_species"]
    assert counts["compared"] + left_out == counts["common"]
    assert found.images.height == counts["compared"]
    assert found.left_out["reason"].value_counts().height == len([
        name for name in ("added", "removed", "seen", "relabeled", "of_unknown_species") if counts[name]
    ])  # fmt: skip
    seen = {*base.trained_on["image_name"], *head.trained_on["image_name"]}
    assert not seen & {*found.images["image_name"]}
    # What either side puts into one group is in one; and no image of a group that was seen is there.
    group_of = dict(found.images.select("image_name", "group").iter_rows())
    for one in sides:
        table = pl.concat([one.test.select("image_name", "group"), one.trained_on.select("image_name", "group")])
        for _, members in table.group_by("group").agg("image_name").iter_rows():
            together = {group_of[name] for name in members if name in group_of}
            assert len(together) <= 1
            assert not together or not seen & {*members}
    for name, difference in found.differences.items():
        if counts["compared"]:
            assert difference.head.value - difference.base.value == pytest.approx(difference.difference), name
    other = compared(head, base)
    assert other.counts["compared"] == counts["compared"]
    assert other.images["base_hit"].to_list() == found.images["head_hit"].to_list()
