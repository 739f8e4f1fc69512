"""What published.json says of data is all that a model is made of."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.publishing.made_of import data_digests
from stages.runtime.errors import UserError
from tests.support import ROOT


def lock_of(stages: dict[str, tuple[list[str], list[str]]]) -> bytes:
    """A dvc.lock of stages, each with the paths that it reads and writes; an MD5 is the path itself."""
    entries = {
        name: {
            kind: [{"path": path, "md5": path} for path in paths] for kind, paths in (("deps", deps), ("outs", outs))
        }
        for name, (deps, outs) in stages.items()
    }
    return yaml.safe_dump({"schema": "2.0", "stages": entries}).encode()


def test_data_are_followed_to_their_sources_and_nothing_else_is_named():
    lock = lock_of(
        {
            "export": (["data/dump", "stages/export.py"], ["data/records"]),
            "split": (["data/records", "data/remembered"], ["data/splits/train", "data/splits/test"]),
            "pack": (["data/records"], ["data/packed"]),
            "train": (["data/packed/one.arrow", "data/splits", "models/weights"], ["models/model"]),
            "evaluate": (["models/model", "data/splits/test"], ["metrics/test", "models/calibration"]),
            "mistakes": (["data/pictures", "models/model"], ["plots/mistakes"]),
        }
    )
    wanted = {
        "data/dump", "data/records", "data/remembered", "data/packed/one.arrow", "data/splits", "data/splits/test"
    }  # fmt: skip
    assert data_digests(lock) == {path: path for path in wanted}


def test_of_the_repos_own_lock_data_go_back_to_the_dump():
    found = data_digests((ROOT / "dvc.lock").read_bytes())
    assert {"data/sources/sample/dump", "data/records.parquet", "data/packed", "data/splits/train.parquet"} <= set(
        found
    )
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    locked = {
        entry["path"]: entry["md5"] for stage in lock.values() for kind in ("deps", "outs") for entry in stage[kind]
    }
    assert all(locked[path] == digest for path, digest in found.items())
    assert not found.keys() & {"data/model_suspects.parquet", "data/evaluation", "data/reports"}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_stages_in_a_circle_end_the_search(pairs):
    """No lock of DVC's has one, and a broken one must not hang."""
    stages = {f"s{number}": ([f"data/{a}"], [f"data/{b}"]) for number, (a, b) in enumerate(pairs)}
    found = data_digests(lock_of({**stages, "train": (["data/0"], ["models/model"])}))
    reached = {"data/0"}
    while more := {f"data/{a}" for a, b in pairs if f"data/{b}" in reached} - reached:
        reached |= more
    assert found.keys() == reached


@pytest.mark.parametrize(
    "content", [b"", b"stages: 3\n", b"stages:\n  a: 3\n", b"stages:\n  a:\n    outs: [1]\n", b"\xff"]
)
def test_what_is_no_lock_is_said(content):
    with pytest.raises(UserError, match=r"^dvc.lock is no lock of DVC's"):
        data_digests(content)
