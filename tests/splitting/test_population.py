"""The production collection's population comes out in its proportions, and grows without moving."""

import polars as pl
import pytest

from benchmarks.population import SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO, SPLIT_IMAGES, class_sizes, make_records
from stages.splitting.figures import number_classes, summarize
from stages.tables.classes import SPLITS
from tests.support.splits import NOTHING, SHOTS, check, leaks, note, split, where


@pytest.fixture(scope="module")
def population() -> pl.DataFrame:
    """118,126 images of 5,914 species, 4,410 of them with two or more images, in a long tail."""
    records = make_records(SPLIT_IMAGES, SPLIT_CLASSES, with_two_or_more=SPLIT_CLASSES_OF_TWO)
    return records.with_columns(
        bytes=pl.lit(1_000, pl.Int64), sha256="image_name", width=pl.lit(500, pl.Int32), height=pl.lit(400, pl.Int32)
    )


@pytest.mark.parametrize("grouped", [True, False])
def test_the_production_population_gives_the_users_proportions(population, grouped):
    rows = population if grouped else population.with_columns(observation_id=pl.lit(None, pl.String))
    used, left_out = split(rows)
    assert left_out.is_empty()
    figures = summarize(number_classes(used), leaks(used), SHOTS)
    for name, images in (("train", 93_761), ("val", 12_639), ("test", 11_726)):
        assert figures[name]["images"] == pytest.approx(images, rel=0.05)
    assert figures["classes_with_one_image"] == SPLIT_CLASSES - SPLIT_CLASSES_OF_TWO
    assert figures["share_of_evaluated_classes_in_train"] == 1.0
    assert set(figures["in_two_splits"].values()) == {0}
    if not grouped:
        assert figures["val"]["classes"] == SPLIT_CLASSES_OF_TWO


def test_the_production_population_grows_without_moving(population):
    """By half, then to all: nothing moves, and the shares come about as if all had been there from the beginning."""
    order = population.sample(fraction=1.0, shuffle=True, seed=4)
    assignments = NOTHING
    for share in (0.2, 0.3, 1.0):
        rows = order.head(int(order.height * share))
        used, left_out = split(rows, assignments)
        before, now = where(assignments), where(used)
        assert all(now.get(name, was) == was for name, was in before.items())
        assert left_out.height < 0.01 * rows.height
        check(used)
        assignments = note(assignments, used)
    shares = {name: used.filter(pl.col("split") == name).height / used.height for name in SPLITS}
    assert shares["val"] == pytest.approx(0.11, abs=0.02)
    assert shares["test"] == pytest.approx(0.10, abs=0.02)


def test_the_generated_population_is_as_long_tailed_as_it_says():
    sizes = class_sizes(SPLIT_IMAGES, SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO)
    assert (sizes.sum(), len(sizes), int((sizes >= 2).sum())) == (SPLIT_IMAGES, SPLIT_CLASSES, SPLIT_CLASSES_OF_TWO)
    assert (sizes[:-1] >= sizes[1:]).all()
