"""What does not fit the device's memory is divided, and nothing is done twice."""

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from stages.commands.preflight import seconds_of_steps
from stages.learning.context import TrainContext
from stages.learning.loop import begin_phase, halve_micro_batches, train
from stages.learning.state import TrainState
from stages.runtime.errors import UserError
from tests.support.tiny_training import PARAMS, RICH, TRANSFORMER, make
from tests.support.trainings import changed, trained


class Small(nn.Module):
    """A device with memory for so many images."""

    def __init__(self, network: nn.Module, images: int) -> None:
        super().__init__()
        self.network = network
        self.images = images

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits = self.network(pixels)
        if self.training and len(pixels) > self.images:
            raise torch.OutOfMemoryError("no memory left")
        return logits


def test_micro_batches_that_are_too_large_are_halved(folder, monkeypatch, capsys):
    plain = trained(folder, network=TRANSFORMER)

    def on_a_device_for(images: int) -> Callable[[TrainState, TrainContext], None]:
        def begin(state: TrainState, context: TrainContext) -> None:
            begin_phase(state, context)
            state.network = Small(state.network, images)

        return begin

    # Three before two, by which one image is left alone of every odd number.
    for images, at_once in ((3, 3), (2, 2)):
        monkeypatch.setattr("stages.learning.loop.begin_phase", on_a_device_for(images))
        state, context = make(folder, network=TRANSFORMER)
        train(state, context)
        assert context.train_loader.batch_sampler.micro_images == at_once
    assert "going on with 4 images at once" in capsys.readouterr().out
    for row, other in zip(plain.history, state.history, strict=True):
        assert row == pytest.approx(other, rel=1e-4)

    monkeypatch.setattr(
        "stages.learning.loop.begin_phase", lambda state, context: setattr(state, "network", Small(state.model, 0))
    )
    state, context = make(folder, network=TRANSFORMER)
    state.model.train()
    with pytest.raises(UserError, match="1 images at once are too much"):
        train(state, context)


class Holding(Small):
    """Such a device, and what the last step on it held."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        activations = pixels * 2
        self.held = weakref.ref(activations)
        return super().forward(activations)


@pytest.mark.parametrize("steps", [train, lambda state, context: seconds_of_steps(state, context, seconds=0)])
def test_what_did_not_fit_is_let_go_before_memory_is_given_back(folder: Path, monkeypatch, steps):
    """The error of a step holds its activations: given back while it is handled, the GPU's memory would stay taken."""
    let_go = []

    def begin(state: TrainState, context: TrainContext) -> None:
        begin_phase(state, context)
        state.network = Holding(state.network, 4)

    def halve(state: TrainState, context: TrainContext) -> None:
        let_go.append(state.network.held() is None)
        halve_micro_batches(state, context)

    monkeypatch.setattr("stages.learning.loop.begin_phase", begin)
    monkeypatch.setattr("stages.learning.loop.halve_micro_batches", halve)
    steps(*make(folder, changed(epochs=1), network=TRANSFORMER))
    assert let_go == [True]


def test_mixed_micro_batches_stay_even(folder, monkeypatch):
    def begin(state: TrainState, context: TrainContext) -> None:
        begin_phase(state, context)
        state.network = Small(state.network, 4)

    monkeypatch.setattr("stages.learning.loop.begin_phase", begin)
    state, context = make(folder, changed(micro_batch_images=6, batch_images=12), RICH, network=TRANSFORMER)
    train(state, context)
    assert context.train_loader.batch_sampler.micro_images == state.micro_images == 4


def test_memory_that_ends_in_the_update_is_not_taken_for_a_step_that_can_be_made_again(folder, monkeypatch):
    state, context = make(folder, changed(ema_decay=0.9), network=TRANSFORMER)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(state.ema, "update", full)
    with pytest.raises(torch.OutOfMemoryError):
        train(state, context)
    assert context.train_loader.batch_sampler.micro_images == PARAMS.micro_batch_images
