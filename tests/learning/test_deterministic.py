"""Where torch has no deterministic algorithm for a network, the line that says so names a way that works."""

from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from stages.learning.loop import train
from stages.runtime.errors import UserError
from tests.support.tiny_training import TRANSFORMER, make
from tests.support.trainings import changed


class Unpooling(nn.Module):
    """A network that first does what torch can do in no fixed order, on a CPU either."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        pooled, places = nn.functional.max_pool2d(pixels, 2, return_indices=True)
        return self.network(nn.functional.max_unpool2d(pooled, places, 2))


@pytest.mark.parametrize("setting", [None, "1", "0"])
def test_a_network_without_deterministic_algorithms_is_trained_where_that_is_asked_for(
    folder: Path, monkeypatch, setting
):
    monkeypatch.delenv("DETERMINISTIC", raising=False)
    if setting:
        monkeypatch.setenv("DETERMINISTIC", setting)
    AcceleratorState._reset_state(reset_partial_state=True)
    params = changed(epochs=1)
    state, context = make(folder, params, network=TRANSFORMER)
    monkeypatch.setattr(
        "stages.learning.loop.begin_phase",
        lambda state, _context: setattr(state, "network", Unpooling(state.model)),
    )
    if setting == "0":
        train(state, context)
        assert state.epoch == 1
    else:
        with pytest.raises(UserError, match="have a deterministic implementation: set DETERMINISTIC=0, and the same"):
            train(state, context)
    # Whatever comes next in this process is deterministic again.
    monkeypatch.delenv("DETERMINISTIC", raising=False)
    make(folder, params, network=TRANSFORMER)
    assert torch.are_deterministic_algorithms_enabled()
