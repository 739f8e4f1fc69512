"""The command keeps the budget, spares what is in use unless told otherwise, and says what it did."""

import polars as pl
import pytest
import yaml

from stages.cache.eviction import DRY_RUN_LIST
from stages.cache.index import INDEX_NAME, ImageIndex
from stages.tables.cache_filter import REJECTED
from stages.tables.export import RECORDS
from stages.tables.table import write_table
from tests.support.image_cache import name, names, write_tables
from tests.support.running import complaint, run_here, run_stage
from tests.support.tables import available_rows
from tests.support.watched import state_of


@pytest.fixture
def teacher(workspace):
    content = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8")) | {"profile": "teacher"}
    content["download"]["cache_budget_gb"] = 7e-6
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return workspace


def test_the_command(teacher, cache):
    where = {"IMAGE_CACHE_DIR": str(cache)}
    assert "available.parquet is missing" in complaint(run_here("commands.evict", teacher, **where))
    assert len(names(cache)) == 10
    write_tables(teacher, [name(0), name(1)])
    result = run_stage("commands.evict", teacher, **where)
    assert result.stdout.startswith("evict: 3 of 10 images deleted (0.0 MB); the cache holds 0.0 MB")
    assert "next: `make inventory`" in result.stdout
    assert names(cache)[:3] == [name(0), name(1), name(5)]
    said = run_here("commands.evict", teacher, "--to-gb", "0", **where)
    assert said.returncode == 1
    assert "are in use" in said.stderr
    assert names(cache) == [name(0), name(1)]
    assert run_here("commands.evict", teacher, "--to-gb", "0", "--also-in-use", **where).returncode == 0
    assert names(cache) == []


def test_a_dry_run_lists_and_deletes_nothing(teacher, cache):
    where = {"IMAGE_CACHE_DIR": str(cache)}
    write_tables(teacher, [name(0), name(1)])
    records = available_rows([{"image_name": name(number)} for number in range(5)]).select(RECORDS.keys())
    write_table(records, RECORDS, teacher / "data/records.parquet")
    rejected = pl.DataFrame([{"image_name": name(2), "verdict": "too_blurred"}]).select(
        pl.col(column) if column in ("image_name", "verdict") else pl.lit(None, dtype).alias(column)
        for column, dtype in REJECTED.items()
    )
    write_table(rejected, REJECTED, teacher / "data/rejected.parquet")
    dry = run_here("commands.evict", teacher, "--dry-run", "--to-gb", "0.000002", **where)
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.splitlines() == [
        "evict --dry-run: 8 of 10 images would be deleted (0.0 MB); the cache would hold 0.0 MB",
        "  no_record: 5 images that no record names (0.0 MB)",
        "  not_used: 2 images that a record names and no table uses (0.0 MB)",
        "  limit: 1 photos that only a limit of params.yaml rejected (0.0 MB)",
        f"  each file, and why: {cache / 'evict-dry-run.csv'}",
    ]
    assert len(names(cache)) == 10
    real = run_here("commands.evict", teacher, "--to-gb", "0.000002", **where)
    assert real.stdout.splitlines()[1:4] == dry.stdout.splitlines()[1:4]
    assert f"each file, and why: {cache / 'evicted.csv'}" in real.stdout
    assert names(cache) == [name(0), name(1)]


@pytest.mark.parametrize("index", ["none", "whole", "damaged"])
def test_a_dry_run_changes_nothing_but_its_list(teacher, cache, index):
    write_tables(teacher, [name(0), name(1)])
    if index != "none":
        with ImageIndex(cache):
            pass
    if index == "damaged":
        (cache / INDEX_NAME).write_bytes(b"x" * 5000)
    before = state_of(teacher)
    result = run_here("commands.evict", teacher, "--dry-run", IMAGE_CACHE_DIR=str(cache))
    assert result.returncode == 0, result.stderr
    after = state_of(teacher)
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} <= {
        str(cache), str(cache / DRY_RUN_LIST),
    }  # fmt: skip


def test_a_dry_run_says_what_it_would_do_where_its_list_cannot_be_written(teacher, cache):
    write_tables(teacher, [name(0), name(1)])
    (cache / DRY_RUN_LIST).mkdir()
    result = run_here("commands.evict", teacher, "--dry-run", IMAGE_CACHE_DIR=str(cache))
    assert result.returncode == 0, result.stderr
    assert "3 of 10 images would be deleted" in result.stdout
    assert f"not listed one by one, as {cache / DRY_RUN_LIST} cannot be written: Is a directory" in result.stdout


def test_tables_of_another_profile_say_nothing_of_what_is_in_use(teacher, cache):
    write_tables(teacher, [name(0)])
    lock = {"stages": {"split": {"params": {"params.yaml": {"profile": "sample"}}, "outs": []}}}
    (teacher / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    said = complaint(run_here("commands.evict", teacher, IMAGE_CACHE_DIR=str(cache)))
    assert "the tables in data/ are of another profile than teacher" in said
    assert len(names(cache)) == 10


def test_a_directory_in_the_place_of_an_image_is_named_and_stays(teacher, cache):
    write_tables(teacher, [name(0)])
    (cache / name(30)).mkdir()
    result = run_here("commands.evict", teacher, IMAGE_CACHE_DIR=str(cache))
    assert result.returncode == 0
    assert f"{cache / name(30)} is a directory): move it away" in result.stdout
    assert (cache / name(30)).is_dir()
