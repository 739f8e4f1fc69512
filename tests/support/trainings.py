"""Trainings that tests disturb: in this process, as processes of their own, and what makes two of them the same."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from stages.learning.loop import train
from stages.learning.state import TrainState
from tests.support import ROOT
from tests.support.tiny_training import PARAMS, main, make

SCRIPT = ROOT / "tests/support/tiny_training.py"


def changed(**values: object):
    return PARAMS.model_copy(update=values)


def trained(folder: Path, *args: object, **options: object) -> TrainState:
    state, context = make(folder, *args, **options)
    train(state, context)
    return state


def assert_same(one: TrainState, other: TrainState) -> None:
    """To the bit: weights, average, moments, history, what is kept."""
    assert_same_state(one.state_dict(one.meter), other.state_dict(other.meter))


def assert_same_state(one: object, other: object, where: str = "state") -> None:
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same_state(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same_state(a, b, f"{where}[{number}]")
    else:
        assert one == other, where


def assert_alike(one: nn.Module, other: nn.Module) -> None:
    """By what they say: a bias without a gradient, as keys have it, is moved by Adam for rounding alone."""
    images = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(one.eval()(images), other.eval()(images), atol=1e-3)


def process(folder: Path, out: Path, *options: str, launch: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [*launch, str(SCRIPT), str(folder), str(out), *options]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def run_to_the_end(folder: Path, out: Path, *options: str) -> dict:
    """What ``process`` does, in this one, which has imported all of it; gives the final state."""
    with one_thread():
        main([str(folder), str(out), *options])
    return final(out)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work with one thread, as processes of tests do: sums of more than one are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def finish(running: subprocess.Popen) -> tuple[int, str]:
    said, errors = running.communicate(timeout=600)
    return running.returncode, said + errors


def final(path: Path) -> dict:
    return torch.load(path, weights_only=True)
