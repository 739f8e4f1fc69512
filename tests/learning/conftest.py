"""Shards to train on, and a training that nobody disturbs."""

from pathlib import Path

import pytest
import torch

from tests.support.packed import write_splits
from tests.support.trainings import run_to_the_end


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws from torch's global generator is the same every time, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_splits(tmp_path / "packed")


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> dict:
    """How a run that nobody disturbs ends, on the same shards."""
    folder = write_splits(tmp_path_factory.mktemp("straight") / "packed")
    return run_to_the_end(folder, folder.with_name("final"))
