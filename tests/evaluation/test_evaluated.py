"""Predictions and the table of a split are of the same images, or it is said of which they are not."""

import numpy as np
import polars as pl
import pytest

from stages.evaluation.evaluated import check_finite, read_evaluated, with_numbers
from stages.runtime.errors import UserError
from stages.tables.predictions import PREDICTIONS
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.support.predictions import evaluated_of, example, write_example

MADE = example(seed=1, classes=12, val=20, test=30, unknown=8)


def read(root, split="test", species=None):
    return read_evaluated(root / "data/predictions", root / "data/splits", split, species or MADE.species)


@pytest.fixture
def world(tmp_path):
    write_example(tmp_path, MADE)
    return tmp_path


def test_a_split_comes_with_what_its_table_says(world):
    found, table = read(world), MADE.splits["test"]
    assert found.answers.image_name.to_list() == table["image_name"].to_list()
    assert found.labels.tolist() == MADE.labels("test").tolist()
    assert found.source.to_list() == table["source"].to_list()
    assert found.species.to_list() == table["species"].to_list()
    assert set(found.license) <= {"cc-by", "cc-by-nc", "none", "cc-by-sa", "cc0"}
    of_number: dict[int, set] = {}
    for number, name in zip(found.groups.tolist(), table["group"], strict=True):
        of_number.setdefault(number, set()).add(name)
    assert [len(names) for names in of_number.values()] == [1] * table["group"].n_unique()
    some = found.take(np.array([3, 1]))
    assert some.group_names.to_list() == table["group"][[3, 1]].to_list()
    assert read(world, "unknown").labels.tolist() == [-1] * 8


def test_the_order_of_the_tables_is_no_matter(world):
    write_table(MADE.splits["test"].reverse(), SPLIT, world / "data/splits/test.parquet")
    assert read(world).species.to_list() == MADE.splits["test"]["species"].to_list()


def other(table: pl.DataFrame, name: str, value) -> pl.DataFrame:
    return table.with_columns(pl.when(pl.int_range(pl.len()) == 2).then(value).otherwise(pl.col(name)).alias(name))


FIRST, THIRD = MADE.splits["test"]["image_name"][0], MADE.splits["test"]["image_name"][2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: {"splits": made.splits["test"][1:]}, f"{FIRST} is not in "),
        (lambda made: {"predictions": made.predictions["test"][1:]}, f"{FIRST} of "),
        (lambda made: {"predictions": other(made.predictions["test"], "sha256", pl.lit("f" * 64))},
         f"{THIRD} was made from other bytes (and 0 more)"),
        (lambda made: {"predictions": other(made.predictions["test"], "label", pl.col("label") + 1)},
         f"{THIRD} has another label than labels.csv gives its species (and 0 more)"),
        (lambda made: {"predictions": other(made.predictions["test"], "label", pl.lit(None))},
         f"{THIRD} has another label than labels.csv gives its species (and 0 more)"),
        (lambda made: {"predictions": made.predictions["test"].with_columns(pl.col("top_classes").list.eval(
            pl.element() + 1))}, "is of a model of other classes than the 12 of labels.csv"),
        (lambda made: {"predictions": made.predictions["test"].with_columns(
            pl.col("top_classes", "top_logits").list.head(5))}, "is of a model of other classes"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_same_images_or_labels_is_refused_in_a_line(world, change, said):
    for where, table in change(MADE).items():
        write_table(table, SPLIT if where == "splits" else PREDICTIONS, world / f"data/{where}/test.parquet")
    with pytest.raises(UserError) as error:
        read(world)
    assert said in str(error.value)
    assert str(error.value).endswith("they are of different runs, run `dvc repro predict`")
    assert "\n" not in str(error.value)


def test_an_unknown_species_is_none_that_the_model_knows(world):
    with pytest.raises(UserError, match=r"unknown\.parquet: Ignotus species\d is a species that the model knows"):
        read(world, "unknown", [*MADE.species, *MADE.splits["unknown"]["species"].unique()])


def test_missing_predictions_say_what_to_run(world):
    (world / "data/predictions/test.parquet").unlink()
    with pytest.raises(UserError, match=r"test\.parquet is missing: run `dvc repro` \(or `dvc pull`\)"):
        read(world)


def test_images_without_numbers_are_refused_in_the_test_and_left_out_elsewhere(capsys):
    logits = MADE.logits["test"].copy()
    check_finite(evaluated_of(MADE, "test"))
    assert len(with_numbers(evaluated_of(MADE, "test"))) == 30
    assert capsys.readouterr().err == ""
    logits[[2, 7], 3] = np.nan
    broken = evaluated_of(MADE.with_logits("test", logits), "test")
    with pytest.raises(UserError, match=rf"for 2 of 30 test images are no numbers .*, {THIRD} the first: train again"):
        check_finite(broken)
    assert len(with_numbers(broken)) == 28
    said = capsys.readouterr()
    assert "the predictions for 2 of 30 test images are no numbers (NaN or infinite): they are left out" in (
        said.out + said.err
    )
