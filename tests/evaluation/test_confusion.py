"""What is taken for what, counted image by image."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from stages.evaluation.confusion import confused_pairs, drawn_pairs, never_right, species_table
from stages.evaluation.intervals import share
from stages.splitting.figures import number_classes
from stages.splitting.genera import genus_of
from stages.tables import evaluate as tables
from stages.tables.classes import CLASSES
from tests.support.predictions import evaluated_of, example

MADE = example(seed=6, classes=16, train=200, val=20, test=300, skill=0.3)
TEST = evaluated_of(MADE, "test")
SAID = [MADE.species[number] for number in MADE.logits["test"].argmax(1)]
TRUE = MADE.splits["test"]["species"].to_list()
GROUPS = MADE.splits["test"]["group"].to_list()
ROWS = list(zip(TRUE, SAID, GROUPS, strict=True))
COUNTED = number_classes(pl.concat(MADE.splits[split] for split in ("train", "val", "test"))).select(CLASSES.keys())
PAIRS = confused_pairs(TEST, MADE.species)
TABLE = species_table(TEST, COUNTED, PAIRS, MADE.species, min_groups=10)


def test_pairs_are_those_of_counting():
    images = Counter((true, said) for true, said, _ in ROWS if true != said)
    assert PAIRS.columns == list(tables.CONFUSED_PAIRS)
    assert {row[:2]: row[2] for row in PAIRS.iter_rows()} == images
    for row in PAIRS.iter_rows(named=True):
        of_pair = [group for true, said, group in ROWS if (true, said) == (row["species"], row["said"])]
        assert row["groups"] == len(set(of_pair))
        assert row["of_images"] == TRUE.count(row["species"])
        assert row["same_genus"] == (genus_of(row["species"]) == genus_of(row["said"]))
    keys = [(-row["images"], row["species"], row["said"]) for row in PAIRS.iter_rows(named=True)]
    assert keys == sorted(keys)
    assert PAIRS["same_genus"].any()


def test_the_drawn_pairs_are_the_first():
    drawn = drawn_pairs(PAIRS)
    assert drawn.columns == list(tables.DRAWN_PAIRS)
    assert drawn["pair"][0] == f"{PAIRS['species'][0]} -> {PAIRS['said'][0]}"
    assert drawn["images"].to_list() == PAIRS["images"].to_list()[:20]


def most(counts: Counter) -> tuple[str | None, int | None]:
    return min(counts.items(), key=lambda entry: (-entry[1], entry[0])) if counts else (None, None)


@pytest.mark.parametrize("species", MADE.species)
def test_each_species_has_its_row(species):
    (row,) = TABLE.filter(species=species).iter_rows(named=True)
    hits = sum(true == said == species for true, said, _ in ROWS)
    images, said_images = TRUE.count(species), SAID.count(species)
    assert (row["test_images"], row["hits"], row["said_images"]) == (images, hits, said_images)
    assert row["accuracy"] == (hits / images if images else None)
    assert row["precision"] == (hits / said_images if said_images else None)
    taken = Counter(said for true, said, _ in ROWS if true == species != said)
    mistaken = Counter(true for true, said, _ in ROWS if said == species != true)
    assert (row["most_taken_for"], row["taken_for_images"]) == most(taken)
    assert (row["most_mistaken_from"], row["mistaken_from_images"]) == most(mistaken)
    assert row["genus"] == genus_of(species)
    train = MADE.splits["train"].filter(species=species)
    assert (row["train_images"], row["train_observations"]) == (train.height, train["observation_id"].n_unique())
    members = np.array([true == species for true in TRUE])
    if row["low"] is None:
        assert len(set(np.array(GROUPS)[members])) < 10
    else:
        found = share(TEST.answers.hits[members], TEST.groups[members], TEST.labels[members], min_groups=10)
        assert (row["low"], row["high"]) == (found.low, found.high)


def test_some_species_have_intervals_and_some_too_few_observations():
    assert 0 < TABLE["low"].null_count() < TABLE.height
    assert TABLE["species"].to_list() == MADE.species
    assert dict(TABLE.schema) == dict(tables.SPECIES)


def test_species_that_were_never_right_have_test_images_and_no_hit():
    missed = never_right(TABLE)
    assert missed.columns == list(tables.NEVER_RIGHT)
    assert set(missed["species"]) == set(TRUE) - {true for true, said, _ in ROWS if true == said}
    assert missed["test_images"].is_sorted(descending=True)
    assert missed.height


def test_a_model_that_is_always_right_confuses_nothing():
    right = evaluated_of(MADE.with_logits("test", np.eye(16)[MADE.labels("test")] * 9), "test")
    pairs = confused_pairs(right, MADE.species)
    assert pairs.height == drawn_pairs(pairs).height == 0
    table = species_table(right, COUNTED, pairs, MADE.species, min_groups=10)
    assert table["most_taken_for"].null_count() == table.height
    assert never_right(table).height == 0


def test_a_tie_is_taken_for_another_and_never_for_itself():
    """A model that says the same of all species must not look right, nor as if it confused a species with itself."""
    pairs = confused_pairs(evaluated_of(MADE.with_logits("test", np.zeros((300, 16))), "test"), MADE.species)
    assert (pairs["species"] != pairs["said"]).all()
    assert pairs["images"].sum() == 300
