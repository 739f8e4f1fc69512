"""Shards to train on, and a training that nobody disturbs."""

from pathlib import Path

import pytest

from tests.support.packed import write_splits
from tests.support.trainings import final, finish, process


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_splits(tmp_path / "packed")


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> dict:
    """How a process that nobody disturbs ends, on the same shards."""
    folder = write_splits(tmp_path_factory.mktemp("straight") / "packed")
    code, said = finish(process(folder, folder.with_name("final")))
    assert code == 0, said
    return final(folder.with_name("final"))
