"""The learning rate rises to its peak and falls to nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.schedule import learning_rate
from tests.support.tiny_training import PARAMS


@given(st.integers(1, 9), st.integers(1, 60), st.floats(0, 8), st.integers(0, 3))
def test_the_rate_rises_to_its_peak_and_falls_to_nothing(epochs, steps, warmup_epochs, crt_epochs):
    params = PARAMS.model_copy(
        update={
            "epochs": epochs, "warmup_epochs": min(warmup_epochs, epochs * 0.9), "learning_rate": 0.5,
            "crt_epochs": crt_epochs,
        }
    )  # fmt: skip
    rates = [learning_rate(epoch, step, steps, params) for epoch in range(epochs) for step in range(steps)]
    assert max(rates) == pytest.approx(0.5, rel=0.3 if len(rates) < 9 else 1e-6)
    assert all(0 < rate <= 0.5 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    of_head = [
        learning_rate(epochs + epoch, step, steps, params) for epoch in range(crt_epochs) for step in range(steps)
    ]
    assert of_head == sorted(of_head, reverse=True)
    assert of_head[:1] in ([], [params.crt_learning_rate])
