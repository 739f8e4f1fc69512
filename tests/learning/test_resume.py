"""A training that goes on from a checkpoint ends as an undisturbed one, to the bit."""

import random

import pytest
import torch

from stages.learning.checkpoint import Checkpointer, load_checkpoint
from stages.learning.loop import train
from stages.learning.state import TrainState
from stages.runtime.signals import StopRequest
from tests.support.packed import write_splits
from tests.support.tiny_training import RICH, make
from tests.support.trainings import assert_same, changed, trained


class Killed(BaseException):
    """Stands for the end of the process."""


EVERYTHING = changed(ema_decay=0.9, frozen_epochs=1, crt_epochs=1, sampling="square_root", micro_batch_images=4)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> TrainState:
    """A run of all phases, on the same shards."""
    return trained(write_splits(tmp_path_factory.mktemp("undisturbed") / "packed"), EVERYTHING, RICH)


@pytest.mark.parametrize("steps", [1, 3, 4, 6, 11, 12, 13, 15])
def test_a_resumed_run_ends_as_an_undisturbed_one(folder, tmp_path, undisturbed, steps):
    """Killed after so many of 16 steps: in the middle and at the end of epochs, before and in the last phase."""
    killed, context = make(folder, EVERYTHING, RICH)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    done = 0

    def save_then_die(state: TrainState) -> None:
        nonlocal done
        done += 1
        checkpointer.after_step(state)
        if done == steps:
            raise Killed

    with pytest.raises(Killed):
        train(killed, context, after_step=save_then_die)
    random.seed(0)
    torch.manual_seed(0)  # whatever the generators hold
    resumed, context = make(folder, EVERYTHING, RICH)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(undisturbed, resumed)


@pytest.mark.slow
def test_the_number_of_loader_processes_changes_nothing(folder, tmp_path):
    """Also not for a run that goes on with another one."""
    params = changed(epochs=2)
    straight = trained(folder, params, RICH)
    state, context = make(folder, params, RICH, workers=2)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)

    def stop_in_the_middle(state: TrainState) -> None:
        checkpointer.after_step(state)
        if (state.epoch, state.step) == (0, 2):
            raise Killed

    with pytest.raises(Killed):
        train(state, context, after_step=stop_in_the_middle)
    resumed, context = make(folder, params, RICH, workers=1)
    resumed.load_state_dict(load_checkpoint(tmp_path / "run"))
    train(resumed, context)
    assert_same(straight, resumed)
