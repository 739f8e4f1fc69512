"""The command keeps the budget, spares what is in use unless told otherwise, and says what it did."""

import pytest
import yaml

from tests.support.image_cache import name, names, write_tables
from tests.support.running import complaint, run_here, run_stage


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
