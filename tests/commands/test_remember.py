"""What is remembered is pinned by DVC, and never forgotten without a word."""

import json
import os
import subprocess
import sys

import polars as pl
import pytest
import yaml

from stages.records.shapes import image_name
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


@pytest.mark.parametrize("command", ["commands.remember", "commands.credits", "commands.synonyms", "commands.demo"])
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--bogus", 2)])
def test_whoever_asks_what_a_command_does_has_nothing_done(workspace, command, word, code):
    before = sorted(workspace.rglob("*"))
    assert run_here(command, workspace, word).returncode == code
    assert sorted(workspace.rglob("*")) == before


def write_given(folder, **splits: list[int]) -> None:
    """The old system's split: three files of records, as JSON lines."""
    folder.mkdir()
    for split, numbers in splits.items():
        lines = [
            json.dumps(
                {"image_url": f"https://host.example/{n}.jpg", "species": "ABCDE"[n % 5], "observation_id": n // 2}
            )
            for n in numbers
        ]
        (folder / f"dataset_{split}_stratified.jsonl").write_text("\n".join(lines) + "\n")


def test_a_split_that_was_made_elsewhere_is_remembered(workspace):
    """Its images stay where they were, whatever the seed; new ones of their observations go with them."""
    given = {"train": [*range(60)], "val": [*range(60, 80)], "test": [*range(80, 100)]}
    write_given(workspace / "old", **given)
    (workspace / "old/dataset_raw.jsonl").write_text("no split\n")
    result = run_stage("commands.remember", workspace, "--from", "old")
    assert result.returncode == 0, result.stderr
    assert "remember: 100 new images, 100 in all" in result.stdout
    urls = [f"https://host.example/{n}.jpg" for n in range(104)]
    rows = [
        {"species": "ABCDE"[n % 5], "image_url": url, "image_name": image_name(url)} for n, url in enumerate(urls[:100])
    ]
    # Of an observation of val, under another address.
    rows += [{"species": "A", "image_name": "new.jpg", "observation_id": "jsonl:35"}]
    write_inputs(workspace, available_rows(rows))
    assert run_here("split", workspace).returncode == 0
    now = pl.concat(
        read_table(workspace / f"data/splits/{name}.parquet", SPLIT).with_columns(split=pl.lit(name)) for name in SPLITS
    )
    expected = {image_name(urls[n]): split for split, numbers in given.items() for n in numbers}
    assert where(now) == expected | {"new.jpg": "val"}


def test_what_a_given_split_has_in_two_parts_is_said(workspace):
    write_given(workspace / "old", train=[0, 1, 2], val=[2, 3], test=[5])
    said = run_stage("commands.remember", workspace, "--from", "old").stdout
    assert "remember: 1 images stand in two of its splits: they count as of train" in said
    assert "images of one thing stand in two parts (observation_id 1)" in said
    again = run_stage("commands.remember", workspace, "--from", "old").stdout
    assert "remember: 0 new images, 5 in all" in again


def test_what_is_remembered_already_stays_where_it_is(workspace):
    write_given(workspace / "old", train=[0, 1], val=[2], test=[3])
    write_given(workspace / "older", train=[0, 2], val=[1], test=[3])
    assert run_stage("commands.remember", workspace, "--from", "old").returncode == 0
    said = run_stage("commands.remember", workspace, "--from", "older").stdout
    assert "2 images are remembered in another split already, and stay there" in said
    assert "warning: 1 images that this split trained on are remembered as of val or test" in said


@pytest.mark.parametrize("name", ["holdover.jsonl", "dataset_train_val.jsonl", "part-3.bson.gz"])
def test_a_file_that_does_not_say_its_split_is_not_passed_over(workspace, name):
    write_given(workspace / "old", train=[0, 1], val=[2], testing=[3])
    (workspace / "old" / name).write_text("{}\n")
    assert f"old/{name}: its name does not say which split" in complaint(
        run_here("commands.remember", workspace, "--from", "old")
    )
    (workspace / "old" / name).unlink()
    (workspace / "old/dataset_train_stratified.jsonl.dvc").write_text("outs: []\n")
    (workspace / "old/train.metadata.json").write_text("{}\n")  # as mongodump writes it
    (workspace / "old/._train.jsonl").write_text("not read\n")
    (workspace / "old/dataset_val_stratified.jsonl").rename(workspace / "old/VAL.JSONL")
    result = run_stage("commands.remember", workspace, "--from", "old")
    assert "remember: 4 new images, 4 in all" in result.stdout


def test_a_split_without_a_test_is_said(workspace):
    write_given(workspace / "old", training=[0, 1], dev=[2])
    assert "remember: there is no file of test\n" in run_stage("commands.remember", workspace, "--from", "old").stdout


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["nowhere"], "nowhere is missing"),
        (["params.yaml"], "params.yaml: its name must say one of train, val, test"),
        (["empty"], "no file of train among them"),
        (["odd"], "none of its 1 documents names an image (unknown_shape 1)"),
    ],
)
def test_a_given_split_that_is_none_is_one_line(workspace, places, said):
    (workspace / "odd").mkdir()
    (workspace / "empty").mkdir()
    (workspace / "odd/train.jsonl").write_text('{"a": 1}\n')
    assert said in complaint(run_here("commands.remember", workspace, "--from", *places))
    assert not (workspace / "data/sources/sample/assignments/assignments.parquet").exists()
