"""On the embedded sample the ranking of suspects is worth what it is said to be: means over ten seeds.

The photos of things (things.arrow: features of 60 of them, by the sample's network) are composed by the benchmark.
"""

from pathlib import Path

import pytest

from benchmarks.suspects import outliers_worth, plant, ranking_worth, seen_in
from stages.features.normalized import normalized
from stages.features.seen import Seen
from stages.features.stored import read_file
from tests.support.features import Sample

THINGS = Path(__file__).with_name("things.arrow")
SEEDS = 10


@pytest.fixture(scope="module")
def seen(sample: Sample) -> Seen:
    return seen_in(sample.root)


@pytest.mark.parametrize("kind", ["proportional", "confusable"])
def test_wrong_labels_come_first(seen, kind):
    auroc, precision = ranking_worth(seen, kind, SEEDS)
    assert auroc >= 0.97
    assert precision >= 0.75


def test_whole_observations_are_planted_and_of_another_species(seen):
    for kind in ("proportional", "confusable"):
        planted = plant(seen, kind, 1)
        assert 0.08 * len(seen.labels) - 1 <= planted.count <= 0.08 * len(seen.labels) + 8
        assert (planted.wrong == (planted.labels != seen.labels)).all()
        assert not set(seen.groups[planted.wrong]) & set(seen.groups[~planted.wrong])


def test_photos_of_things_come_first_among_the_outliers(seen):
    things, sound = normalized(read_file(THINGS).vectors)
    assert sound.all()
    worth = outliers_worth(seen, things, SEEDS)
    assert worth["novelty"][1] >= 0.9
    assert worth["novelty"][1] > worth["isolation"][1]
