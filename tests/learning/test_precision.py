"""Half precision learns the same but for rounding, with its loss scale."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from stages.learning.checkpoint import Checkpointer, load_checkpoint
from stages.learning.loop import train
from stages.learning.state import TrainState
from stages.runtime.signals import StopRequest
from tests.support.tiny_training import TRANSFORMER, make
from tests.support.trainings import assert_same, changed, trained


@pytest.fixture
def in_precision(monkeypatch) -> Iterator[Callable[..., None]]:
    """Gives what lets runs use another precision. Float16 is for GPUs in accelerate, but a CPU can do it, if slowly."""

    def use(precision: str, **scaler: float) -> None:
        def make_accelerator() -> Accelerator:
            AcceleratorState._reset_state(reset_partial_state=True)
            if precision != "fp16":
                return Accelerator(cpu=True, mixed_precision=precision)
            accelerator = Accelerator(cpu=True)
            accelerator.state._mixed_precision, accelerator.native_amp = "fp16", True
            accelerator.scaler = torch.amp.GradScaler("cpu", **scaler)
            return accelerator

        monkeypatch.setattr("tests.support.tiny_training.make_accelerator", make_accelerator)

    yield use
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_the_same_but_for_rounding(folder, in_precision, precision):
    params = changed(ema_decay=0.9, micro_batch_images=3)
    exact = trained(folder, params, network=TRANSFORMER)
    in_precision(precision, init_scale=1024.0)
    state, context = make(folder, params, network=TRANSFORMER)
    dtypes: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    state.model.register_forward_hook(lambda module, _images, logits: dtypes[module.training].add(logits.dtype))
    train(state, context)
    # In training; where images are scored, logits of so few bits would tie.
    assert dtypes == {True: {torch.bfloat16 if precision == "bf16" else torch.float16}, False: {torch.float32}}
    for row, other in zip(exact.history, state.history, strict=True):
        for name in ("train_loss", "val_loss", "ema_loss"):
            assert row[name] == pytest.approx(other[name], rel=0.02)


def test_a_loss_scale_that_is_too_large_costs_updates_until_it_is_small_enough(folder, tmp_path, in_precision):
    """Also the average of weights waits; and a run that goes on has the scale that it had."""
    in_precision("fp16", init_scale=2.0**20, growth_interval=4)
    params = changed(ema_decay=0.9)
    state, context = make(folder, params, network=TRANSFORMER)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    begins = {name: value.clone() for name, value in state.model.named_parameters()}
    scales = []

    def after_step(state: TrainState) -> None:
        scales.append(state.scaler.get_scale())
        if len(scales) == 1:
            weights = dict(state.model.named_parameters())
            assert all(torch.equal(value, weights[name]) for name, value in begins.items())
        if len(scales) == 7:
            checkpointer.save(state)

    train(state, context, after_step=after_step)
    halved = int(np.log2(2**20 / min(scales)))
    assert halved > 1
    assert scales[0] == 2.0**19
    assert (state.updates, state.skipped) == (12 - halved, [])
    assert state.history[-1]["train_loss"] < state.history[0]["train_loss"]
    resumed, context = make(folder, params, network=TRANSFORMER)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(state, resumed)


def test_a_run_goes_on_where_precision_is_another(folder):
    state, _ = make(folder)
    saved = state.state_dict(state.meter)
    state.scaler = torch.amp.GradScaler("cpu")
    state.load_state_dict(saved)
    scale = state.scaler.get_scale()
    assert scale > 1
