"""Shards to train on."""

from pathlib import Path

import pytest

from tests.support.packed import write_splits


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_splits(tmp_path / "packed")
