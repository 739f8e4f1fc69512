"""Predictions are taken over only where the code that made them is the same."""

import inspect
from pathlib import Path

from stages import predict
from stages.learning.precision import head_in_float32
from stages.predicting import previous
from stages.predicting.answers import kept_of, predict_answers, predict_splits


def test_all_that_asks_the_network_is_among_the_code_that_makes_predictions():
    """The stage's own file is not: what it says to people costs no inference, so it may not decide what is said."""
    for made_by in (predict_splits, predict_answers, kept_of, head_in_float32):
        assert Path(inspect.getfile(inspect.unwrap(made_by))) in previous._CODE
    of_stage = {name for name, value in vars(predict).items() if getattr(value, "__module__", "") == predict.__name__}
    assert of_stage == {"main", "check_size", "check_numbers", "find_predictions"}
