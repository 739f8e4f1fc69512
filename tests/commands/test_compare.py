"""`make compare` where there is nothing to compare; with real experiments: tests/pipeline/test_experiments.py."""

import sys

import polars as pl
import pytest
from dvc.repo import Repo

from stages.commands import compare
from stages.evaluation.experiments import SCORED
from stages.runtime.errors import UserError


def test_outside_a_repo_of_dvcs_it_is_a_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare"])
    with pytest.raises(UserError, match=r"^DVC cannot show experiments: .*; `dvc doctor` may say more$") as refused:
        compare.main()
    assert "\n" not in str(refused.value)


def test_test_images_are_read_where_dvcs_cache_has_their_table(tmp_path):
    table = pl.DataFrame({"image_name": ["a.jpg"], "sha256": ["0" * 64], "license": ["cc0"], "species": ["Zea mays"]})
    table.write_parquet(tmp_path / "test.parquet")
    (tmp_path / "no_table").write_bytes(b"another's")
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        (of_table,), (of_another,) = (repo.add(str(tmp_path / name)) for name in ("test.parquet", "no_table"))
        found = compare.test_images(repo, of_table.outs[0].hash_info.value)
        assert found is not None
        assert found.equals(table.select(SCORED))
        assert compare.test_images(repo, of_another.outs[0].hash_info.value) is None
        assert compare.test_images(repo, "0" * 32) is None
