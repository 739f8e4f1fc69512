"""What is kept of a model's answers gives the probabilities that all of its logits give."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.evaluation.answers import DIGITS, answers_of, check_rows, read_answers
from stages.runtime.errors import UserError
from stages.splitting.genera import number_genera
from stages.tables.predictions import PREDICTIONS, TEMPERATURES, TOP_CLASSES
from stages.tables.table import write_table
from tests.support.predictions import name_species, predictions_of

IMAGES = 12


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = np.float32(logits).astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def answers(logits, labels=None, species=None):
    labels = np.zeros(len(logits), int) if labels is None else labels
    return answers_of(predictions_of(logits, labels, species or name_species(logits.shape[1])), where="here")


def dense_genera(probabilities: np.ndarray, genus_of: np.ndarray) -> np.ndarray:
    return np.stack([probabilities[:, genus_of == genus].sum(1) for genus in range(genus_of.max() + 1)], axis=1)


def falling_evenly(rng, classes: int) -> np.ndarray:
    """Logits as networks give them: normal, heavy-tailed, even, or by Zipf's law, some sharp and some flat."""
    shape = (IMAGES, classes)
    kind = rng.integers(4)
    if kind == 3:
        steep = rng.uniform(0.3, 6, (IMAGES, 1))
        return rng.permuted(-np.log(np.arange(1, classes + 1)) * steep + rng.normal(0, 0.1, shape), axis=1)
    drawn = (rng.normal(size=shape), rng.standard_t(3, shape), rng.uniform(0, 4, shape))[kind]
    return drawn * rng.uniform(0.1, 10, (IMAGES, 1))


def one_behind_those_kept(rng, classes: int) -> np.ndarray:
    """The worst that could be made up: a few stand out behind the largest, and all others are far below them."""
    logits = np.full((IMAGES, classes), -rng.uniform(0, 40))
    several = TOP_CLASSES + rng.integers(1, 4)
    logits[:, :several] = -rng.uniform(0, 8)
    logits[:, 0] = 0
    return rng.permuted(logits + rng.normal(0, 0.01, logits.shape), axis=1)


@given(
    classes=st.integers(3, 60) | st.sampled_from([9, 10, 11, 300, 2000]),
    temperature=st.floats(0.25, 4),
    seed=st.integers(0, 10**6),
    made=st.sampled_from([falling_evenly, one_behind_those_kept]),
)
@settings(max_examples=60)
def test_probabilities_are_those_of_all_logits_to_what_is_promised(classes, temperature, seed, made):
    """The promise stands in stages/tables/predictions.py."""
    rng = np.random.default_rng(seed)
    logits = np.float32(made(rng, classes))
    labels = rng.integers(0, classes, IMAGES)
    species = name_species(classes, a_genus=int(rng.integers(1, 60)))
    found, (_, genus_of) = answers(logits, labels, species), number_genera(species)
    middle = 0.5 <= temperature <= 2
    if made is falling_evenly:
        species_within, genus_within = (0.0001, 0.001) if middle else (0.0005, 0.003)
    else:
        species_within, genus_within = (0.001, 0.005) if middle else (0.005, 0.015)
    dense = softmax(logits, temperature)
    top = np.take_along_axis(dense, found.top_classes, 1)
    np.testing.assert_allclose(found.top_probabilities(temperature), top, atol=species_within)
    own = dense[np.arange(IMAGES), labels]
    np.testing.assert_allclose(np.exp(found.own_log_probabilities(temperature)), own, atol=species_within)
    sums = np.take_along_axis(dense_genera(dense, genus_of), found.genus_top, 1)
    genera = found.genus_probabilities(temperature, genus_of)
    np.testing.assert_allclose(genera, sums, atol=genus_within)
    assert genera.max() <= 1
    if temperature >= 0.5:
        within = 2 * (0.0005 if made is falling_evenly else 0.005)
        np.testing.assert_allclose(found.squared_probabilities(temperature), (dense**2).sum(1), atol=within)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("classes", [2, 10, 11, 40])
def test_at_the_temperatures_of_the_grid_nothing_is_interpolated(temperature, classes):
    logits = np.random.default_rng(1).normal(size=(IMAGES, classes)) * 8
    found = answers(logits)
    dense = np.take_along_axis(softmax(logits, temperature), found.top_classes, 1)
    np.testing.assert_allclose(found.top_probabilities(temperature), dense, atol=1e-6)


@pytest.mark.parametrize("temperature", [0.1249, 4.001, 0.0, -1.0, float("nan")])
def test_a_temperature_beyond_what_is_known_is_refused(temperature):
    with pytest.raises(ValueError, match=r"temperature must be 0\.125 to 4"):
        answers(np.zeros((1, 20))).log_partition(temperature)


def test_the_ends_of_what_is_known_are_no_matter_of_the_last_bit():
    found = answers(np.random.default_rng(1).normal(size=(3, 20)))
    for temperature in (0.25, 4.0):
        assert np.isfinite(found.log_partition(temperature)).all()


def test_a_tie_is_no_hit_and_what_is_said_of_it_is_another_species():
    """Of a model that says the same of all, every answer is wrong, and no pair is a species with itself."""
    found = answers(np.zeros((3, 12)), np.array([0, 1, 11]))
    assert found.ranks.tolist() == [11, 11, 11]
    assert not found.hits.any()
    assert found.said.tolist() == [1, 0, 0]
    clear = answers(np.eye(3) * 5, np.array([0, 1, 2]))
    assert clear.hits.all()
    assert clear.said.tolist() == [0, 1, 2]


def test_what_is_decided_by_a_confidence_is_rounded():
    logits = np.random.default_rng(1).normal(size=(50, 30)) * 3
    found = answers(logits)
    assert (found.confidences(1.3) == np.round(found.top_probabilities(1.3)[:, 0], DIGITS)).all()
    sure = np.zeros((1, 30))
    sure[0, 4] = 1000
    assert answers(sure, np.array([4])).confidences(1.0).tolist() == [1.0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_without_numbers_is_no_hit_and_spoils_no_other(value):
    logits = np.random.default_rng(1).normal(size=(4, 25))
    alone = answers(logits)
    logits[2, 7] = value
    found = answers(logits, np.array([0, 1, 7, 7]))
    assert found.finite.tolist() == [True, True, False, True]
    assert not found.hits[2]
    whole = found.finite
    assert (found.top_probabilities(0.9)[whole] == alone.top_probabilities(0.9)[whole]).all()
    assert len(found.take(whole)) == 3


def test_images_without_a_label_have_no_rank_and_no_hit():
    found = answers(np.random.default_rng(1).normal(size=(3, 25)), np.array([-1, 2, -1]))
    assert found.labels.tolist() == [-1, 2, -1]
    assert found.ranks[[0, 2]].tolist() == [-1, -1]
    assert not found.hits[[0, 2]].any()
    assert np.isnan(found.own_log_probabilities(1.0)).tolist() == [True, False, True]


def test_a_table_comes_back_and_one_of_rows_of_several_lengths_is_refused(tmp_path):
    table = predictions_of(np.random.default_rng(1).normal(size=(5, 14)), [0] * 5, name_species(14))
    write_table(table, PREDICTIONS, tmp_path / "test.parquet")
    assert read_answers(tmp_path / "test.parquet").image_name.equals(table["image_name"])
    assert len(read_answers_of(tmp_path, table.clear())) == 0
    short = table.with_columns(rest=pl.col("rest").list.head(4))
    with pytest.raises(
        UserError, match=rf"kept 4 temperatures and not {len(TEMPERATURES)}: make it anew with the code"
    ):
        read_answers_of(tmp_path, short)
    for wrong in (
        pl.concat([table, short.with_columns(image_name="z" + pl.col("image_name"))]),
        table.with_columns(top_logits=pl.col("top_logits").list.head(3)),
        table.with_columns(genus_rest=pl.col("genus_rest").list.head(3)),
        table.with_columns(
            rest=pl.concat_list(pl.lit(None, pl.Float32), pl.col("rest").list.tail(len(TEMPERATURES) - 1))
        ),
    ):
        with pytest.raises(UserError, match=r"rows of different lengths: make it anew by `dvc repro -f -s predict`"):
            read_answers_of(tmp_path, wrong)


def in_row(number: int, name: str, value) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == number).then(value).otherwise(pl.col(name)).alias(name)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rank", pl.lit(None), "rank must be 0 or more"),
        ("rank", pl.lit(-5), "rank must be 0 or more"),
        ("rank", pl.lit(0), "rank is 0, and top_classes begins with another"),
        ("own_logit", pl.lit(None), "own_logit must be a number"),
        ("own_logit", pl.lit(float("nan")), "own_logit must be a number"),
        ("own_logit", pl.lit(float("-inf")), "own_logit must be a number"),
        ("rest", pl.col("rest").list.eval(pl.lit(float("nan"))), "rest must be numbers or -inf"),
        ("rest", pl.col("rest").list.eval(pl.lit(float("inf"))), "rest must be numbers or -inf"),
        ("genus_rest", pl.col("genus_rest").list.eval(pl.lit(float("nan"))), "genus_rest must be numbers or -inf"),
        ("top_logits", pl.col("top_logits").list.reverse(), "top_logits must not rise"),
    ],
)
def test_a_row_that_no_model_gives_is_refused_by_name(name, value, said):
    """None of these stops a figure, so a wrong one would be believed."""
    table = predictions_of(np.random.default_rng(1).normal(size=(5, 14)), [0, 1, 2, 3, 4], name_species(14))
    other = table.with_columns(in_row(3, name, value).cast(PREDICTIONS[name]))
    with pytest.raises(UserError) as refused:
        check_rows(answers_of(other, where="here.parquet"), where="here.parquet")
    assert str(refused.value) == (
        f"here.parquet, row 4 ({table['image_name'][3]}): {said}: make it anew by `dvc repro -f -s predict`"
    )


def test_a_model_of_one_class_says_that_one():
    assert answers(np.ones((3, 1)), np.array([0, 0, -1])).said.tolist() == [0, 0, 0]
    assert answers(np.full((1, 1), np.nan), np.array([0])).said.tolist() == [0]


def read_answers_of(folder, table: pl.DataFrame):
    write_table(table, PREDICTIONS, folder / "other.parquet")
    return read_answers(folder / "other.parquet")
