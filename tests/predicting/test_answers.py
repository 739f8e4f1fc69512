"""What is kept of logits is what the logits say, held against sums over all classes written out by hand."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting.answers import kept_of
from stages.tables.predictions import GENUS_TEMPERATURES, PREDICTIONS, TEMPERATURES, TOP_CLASSES, TOP_GENERA
from stages.tables.table import write_table


@st.composite
def batches(draw):
    """Logits with ties among them, labels that may be unknown, genera of any size."""
    classes, images = draw(st.integers(2, 30)), draw(st.integers(1, 4))
    values = st.integers(-40, 40).map(lambda number: number / 4)
    logits = [[draw(values) for _ in range(classes)] for _ in range(images)]
    labels = [draw(st.integers(-1, classes - 1)) for _ in range(images)]
    genera = np.unique([draw(st.integers(0, classes - 1)) for _ in range(classes)], return_inverse=True)[1]
    return logits, labels, genera


def summed(logits: list[float], temperature: float) -> float:
    """The logarithm of the summed exponentials, by the textbook."""
    return math.log(math.fsum(math.exp(logit / temperature) for logit in logits)) if logits else -math.inf


@given(batches())
def test_all_that_is_kept_follows_from_the_logits(batch):
    logits, labels, genera = batch
    rows = kept_of(torch.tensor(logits), torch.tensor(labels), torch.from_numpy(genera)).numpy()
    for row, own, label in zip(rows, logits, labels, strict=True):
        left = iter(row.tolist())
        rank, own_logit = next(left), next(left)
        if label >= 0:
            assert own_logit == own[label]
            assert rank == sum(other >= own[label] for other in own) - 1
        kept = sorted(range(len(own)), key=lambda number: (-own[number], number))[:10]
        assert [next(left) for _ in kept] == kept
        assert [next(left) for _ in kept] == [own[number] for number in kept]
        others = [own[number] for number in range(len(own)) if number not in kept]
        for temperature in TEMPERATURES:
            assert next(left) == pytest.approx(summed(others, temperature), abs=1e-9)
        sums = {genus: sum(math.exp(own[n]) for n in np.flatnonzero(genera == genus)) for genus in set(genera.tolist())}
        found = [int(next(left)) for _ in range(min(3, len(sums)))]
        assert [sums[genus] for genus in found] == pytest.approx(sorted(sums.values(), reverse=True)[: len(found)])
        for genus in found:
            of_genus = [own[number] for number in np.flatnonzero(genera == genus) if number not in kept]
            for temperature in GENUS_TEMPERATURES:
                assert next(left) == pytest.approx(summed(of_genus, temperature), abs=1e-9)
        assert list(left) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_the_worst_and_spoil_no_neighbor(bad):
    logits = torch.tensor([[1.0, 2.0, 0.5], [3.0, bad, 1.0]])
    good, spoilt = kept_of(logits, torch.tensor([1, 0]), torch.tensor([0, 0, 1])).numpy()
    alone = kept_of(logits[:1], torch.tensor([1]), torch.tensor([0, 0, 1])).numpy()[0]
    assert good.tolist() == alone.tolist()
    assert spoilt[0] == 2  # the last of three
    assert np.isnan(spoilt[[1, 5, 6, 7]]).all()


def test_what_a_table_of_before_means_stays_what_it_means():
    """A table does not hold its temperatures: with others here, those of before would be read wrongly in silence."""
    spelled = [
        0.125,
        0.16685,
        0.22272,
        0.2973,
        0.39685,
        0.52973,
        0.70711,
        0.94387,
        1.25992,
        1.68179,
        2.24492,
        2.99661,
        4,
    ]
    assert TEMPERATURES.tolist() == pytest.approx(spelled, abs=1e-5)
    assert GENUS_TEMPERATURES.tolist() == TEMPERATURES[::2].tolist()
    assert (TOP_CLASSES, TOP_GENERA) == (10, 3)
    assert {"rest", "genus_rest"} <= PREDICTIONS.keys(), "of other temperatures: spell them here under the new names"


def test_a_table_of_12_000_images_is_small(tmp_path):
    """Some 2 MB of a realistic model of 8,587 classes, all logits in float16 are 206 MB."""
    rng = np.random.default_rng(0)
    images, classes = 600, 8587
    genera = np.sort(rng.integers(0, 2500, classes))
    genera = np.unique(genera, return_inverse=True)[1]
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)).astype(np.float32)
    logits[np.arange(images), labels] += rng.normal(5, 3, images).astype(np.float32)
    kept = kept_of(torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(genera)).numpy()
    parts = np.split(kept, np.cumsum([1, 1, 10, 10, len(TEMPERATURES), 3]), axis=1)
    names = ("rank", "own_logit", "top_classes", "top_logits", "rest", "genus_top", "genus_rest")
    columns = {n: pl.Series(p[:, 0] if p.shape[1] == 1 else p) for n, p in zip(names, parts, strict=True)}
    columns = {n: c if n in names[:2] else c.cast(pl.List(pl.Float64)) for n, c in columns.items()}
    digests = [rng.bytes(32).hex() for _ in range(images)]
    table = pl.DataFrame(
        {"image_name": [f"{d[:32]}.jpg" for d in digests], "sha256": digests, "label": labels} | columns
    )
    table = table.with_columns(pl.col("top_classes", "genus_top").cast(pl.List(pl.Int32)))
    write_table(table, PREDICTIONS, tmp_path / "test.parquet")
    assert (tmp_path / "test.parquet").stat().st_size * 12_000 / images < 3.5e6
