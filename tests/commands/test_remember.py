"""What is remembered is pinned by DVC, and never forgotten without a word."""

import os
import subprocess
import sys

import polars as pl
import pytest
import yaml

from stages.splitting.memory import read_assignments
from stages.tables.classes import SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import read_table
from tests.support import ROOT
from tests.support.running import complaint, run_here, run_stage
from tests.support.splits import where, write_inputs
from tests.support.tables import available_rows


def test_the_commands_way_from_split_to_split(workspace):
    rows = available_rows([{"species": name} for name in "ABCDE" * 40])
    write_inputs(workspace, rows.head(120))
    path = workspace / "data/sources/sample/assignments/assignments.parquet"
    assert run_here("split", workspace).returncode == 0
    result = run_stage("commands.remember", workspace)
    assert result.returncode == 0, result.stderr
    assert "remember: 120 new images, 120 in all" in result.stdout
    assert "dvc add data/sources/sample/assignments/assignments.parquet" in result.stdout
    first = read_assignments(path)
    write_inputs(workspace, rows)
    assert run_here("split", workspace).returncode == 0
    now = pl.concat(
        read_table(workspace / f"data/splits/{name}.parquet", SPLIT).with_columns(split=pl.lit(name)) for name in SPLITS
    )
    assert where(now).items() >= where(first).items()
    assert "80 new images, 200 in all" in run_here("commands.remember", workspace).stdout
    again = path.read_bytes()
    assert "remember: 0 new images" in run_here("commands.remember", workspace).stdout
    assert path.read_bytes() == again


def test_a_damaged_table_of_assignments_stops_the_split(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "AB" * 5]))
    path = workspace / "data/sources/sample/assignments/assignments.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no table")
    assert "assignments.parquet is damaged" in complaint(run_here("split", workspace))


@pytest.mark.slow
def test_dvc_pins_what_is_remembered(workspace):
    """As README says it: DVC must see the table for what it is, or a checkout, push or experiment goes without it."""

    def dvc(*words: str) -> str:
        command = [sys.executable, "-m", "dvc", *words]
        environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
        result = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    subprocess.run(["git", "init", "-q"], cwd=workspace, check=True)
    dvc("init", "-q")
    (workspace / "dvc.yaml").unlink()  # nothing of it has run
    (workspace / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    for name in ("assignments/assignments.parquet", "dump/plants.bson.gz"):
        path = workspace / "data/sources/teacher" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")
        dvc("add", "-q", str(path.relative_to(workspace)))
        assert f"{path.name}.dvc" in dvc("stage", "list", "--all")
        path.unlink()
        dvc("checkout", "-q")
        assert path.read_bytes() == b"content"
    status = subprocess.run(
        ["git", "status", "--short", "-uall"], cwd=workspace, capture_output=True, text=True, check=True
    )
    assert "assignments.parquet.dvc" in status.stdout
    assert "assignments.parquet\n" not in status.stdout


@pytest.mark.parametrize("command", ["split", "commands.remember"])
def test_a_remembered_split_that_is_not_here_is_not_forgotten(workspace, command):
    write_inputs(workspace, available_rows([{"species": name} for name in "AB" * 5]))
    assert run_here("split", workspace).returncode == 0
    pinned = workspace / "data/sources/sample/assignments/assignments.parquet.dvc"
    pinned.parent.mkdir(parents=True, exist_ok=True)
    pinned.write_text("outs: []\n")
    said = complaint(run_here(command, workspace))
    assert "assignments.parquet is missing, and assignments.parquet.dvc says that there is one" in said
    assert "dvc checkout" in said


def test_the_split_of_another_profile_is_not_remembered(workspace):
    write_inputs(workspace, available_rows([{"species": name} for name in "AB" * 5]))
    entry = {"params": {"params.yaml": {"profile": "teacher"}}, "outs": []}
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"split": entry}}))
    assert "is of profile teacher, not sample" in complaint(run_here("commands.remember", workspace))


def test_remember_asks_for_a_split(workspace):
    assert "train.parquet is missing" in complaint(run_here("commands.remember", workspace))


@pytest.mark.parametrize("command", ["commands.remember", "commands.credits", "commands.demo"])
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--bogus", 2)])
def test_whoever_asks_what_a_command_does_has_nothing_done(workspace, command, word, code):
    before = sorted(workspace.rglob("*"))
    assert run_here(command, workspace, word).returncode == code
    assert sorted(workspace.rglob("*")) == before
