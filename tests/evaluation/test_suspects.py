"""A suspect is an image of which a model is sure that its label is wrong."""

import numpy as np
import pytest

from stages.evaluation.suspects import model_suspects
from stages.tables.evaluate import MODEL_SUSPECTS
from tests.support.predictions import evaluated_of, example

MADE = example(seed=3, classes=6, val=40, test=10)


def test_suspects_are_confident_contradictions_the_surest_first():
    labels = MADE.labels("val")
    logits = np.eye(6)[labels] * 9.0  # sure, and right
    for image, sure in ((4, 6.0), (9, 9.0), (20, 1.0)):
        logits[image] = np.eye(6)[(labels[image] + 1) % 6] * sure
    logits[30] = np.nan
    val = evaluated_of(MADE.with_logits("val", logits), "val")
    found = model_suspects(val, 1.0, MADE.species, confident=0.9)
    table = MADE.splits["val"]
    assert found["image_name"].to_list() == table["image_name"][[9, 4]].to_list()
    assert found["group"].to_list() == table["group"][[9, 4]].to_list()
    assert found["sha256"].to_list() == table["sha256"][[9, 4]].to_list()
    assert found["species"].to_list() == table["species"][[9, 4]].to_list()
    assert found["said"].to_list() == [MADE.species[(labels[image] + 1) % 6] for image in (9, 4)]
    powers = np.exp([9.0, 6.0])
    assert found["probability"].to_list() == pytest.approx((powers / (powers + 5)).tolist(), abs=1e-5)
    assert found["own_probability"].to_list() == pytest.approx((1 / (powers + 5)).tolist(), rel=1e-3)
    assert set(found["split"]) == {"val"}
    assert dict(found.schema) == dict(MODEL_SUSPECTS)
    assert model_suspects(val, 3.0, MADE.species, confident=0.9).height == 0  # less sure at a temperature
    assert model_suspects(val, 1.0, MADE.species, confident=0.0).height == 3


def test_suspects_of_one_probability_stand_by_their_names():
    labels = MADE.labels("val")
    val = evaluated_of(MADE.with_logits("val", np.eye(6)[(labels + 1) % 6] * 20.0), "val")
    found = model_suspects(val.take(np.arange(40)[::-1]), 1.0, MADE.species, confident=0.9)
    assert found["image_name"].is_sorted()
    assert found.height == 40
