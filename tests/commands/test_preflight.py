"""The preflight tells whether the network can learn at all."""

import pytest
import torch

from stages.commands.preflight import steps_to_overfit_a_batch
from stages.runtime.errors import UserError
from tests.support.packed import write_splits
from tests.support.tiny_training import TRANSFORMER, make


@pytest.mark.parametrize("damage", ["none", "labels at random"])
def test_a_batch_is_overfitted_or_that_is_said(tmp_path, damage, monkeypatch):
    """What cannot be: the same picture under other labels."""
    state, context = make(write_splits(tmp_path / "packed"), network=TRANSFORMER)
    if damage != "none":
        monkeypatch.setattr("stages.commands.preflight.OVERFIT_STEPS", 20)
        context.color.register_forward_hook(lambda _module, _inputs, images: torch.zeros_like(images))
        with pytest.raises(UserError, match="one batch of 8 images cannot be overfitted: the loss is"):
            steps_to_overfit_a_batch(state, context)
    else:
        assert 1 < steps_to_overfit_a_batch(state, context) < 200
