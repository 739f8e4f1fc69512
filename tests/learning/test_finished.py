"""A run that has ended comes back as it was, to the bit, and another one or half of one never does."""

import hashlib
import json
import math
from pathlib import Path

import polars as pl
import pytest

from stages.learning.finished import FinishedRun, take_over, write_run
from stages.learning.saved_model import save_model
from stages.runtime.last_run import GoneError
from tests.support.saved import SEEN, tiny_model
from tests.support.stored import init_dvc, object_of, store_run

IDENTITY = {
    "parameters": {"train": {"seed": 1, "rate": 0.1}, "model": {"name": "a"}},
    "code": "c",
    "images": {"val": "v"},
}
ROW = {f"{group}_{name}": 0.1 + 0.2 for group in ("train", "val") for name in ("loss", "top1", "top5")}
ROW |= {"val_top1": 1 / 3, "ema_loss": math.inf, "ema_top1": math.nan, "skipped_steps": 1}
HISTORY = [ROW, ROW | {"val_top1": 5e-324, "ema_loss": -math.inf}]
FILES = ("model.safetensors", "model.json", "trained_on.parquet")


def make_files(folder: Path, seed: int, seen: pl.DataFrame = SEEN) -> dict[str, bytes]:
    model, description = tiny_model(seed)
    save_model(folder, model.state_dict(), description, seen)
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """A small model's files, by name."""
    return make_files(tmp_path_factory.mktemp("model"), 1)


@pytest.fixture(scope="module")
def run(files) -> FinishedRun:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return FinishedRun(IDENTITY, HISTORY, 2, "val", [(0, 3, ["a.jpg"])], digests)


@pytest.fixture
def stored(workspace, run, files):
    """A repo whose last run was this one, and the names of its objects."""
    init_dvc(workspace)
    models = workspace / "models"
    write_run(run, models)
    kept = (models / "run.json").read_bytes()
    (models / "run.json").unlink()
    outputs = {"models/run.json": kept} | {f"models/{name}": content for name, content in files.items()}
    return store_run(workspace, outputs)


def test_a_run_comes_back_to_the_bit(stored, workspace, run, files):
    models = (workspace / "models").relative_to(workspace)
    taken = take_over(IDENTITY, models)
    assert vars(taken) | {"history": HISTORY} == vars(run)
    # NaN is not equal to itself, and 1 is equal to 1.0.
    written = [[{name: repr(value) for name, value in row.items()} for row in each.history] for each in (taken, run)]
    assert written[0] == written[1]
    assert {name: (models / name).read_bytes() for name in FILES} == files
    write_run(taken, models)
    assert (models / "run.json").read_bytes() == object_of(workspace, stored["models/run.json"]).read_bytes()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (IDENTITY | {"code": "d"}, "the last run had other code$"),
        (IDENTITY | {"parameters": {"train": {"seed": 2}, "model": {"name": "a"}}},
         r"other parameters\.train\.rate, parameters\.train\.seed$"),
        (IDENTITY | {"images": {"val": "w"}, "libraries": {"torch": "1"}}, r"other images\.val, libraries$"),
        ({"a": 1, "b": 2, "code": "x"}, r"other a, b, code, images and 1 more$"),
    ],
)  # fmt: skip
def test_another_run_is_none_and_what_differs_is_said(stored, workspace, other, said):
    models = (workspace / "models").relative_to(workspace)
    with pytest.raises(GoneError, match=said):
        take_over(other, models)
    assert list(models.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, "run.json"])
@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_run_that_is_not_whole_is_none(stored, workspace, name, damage):
    path = object_of(workspace, stored[f"models/{name}"])
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" + path.read_bytes())
    with pytest.raises(GoneError, match=f"models/{name} (was damaged|of an earlier run)"):
        take_over(IDENTITY, (workspace / "models").relative_to(workspace))


def test_a_run_of_another_version_is_none(stored, workspace):
    saved = json.loads(object_of(workspace, stored["models/run.json"]).read_text())
    for change in (
        {"history": None},
        {"history": [1]},
        {"history": []},
        {"history": [{"val_loss": "much"}]},
        {"history": [saved["history"][0] | {"val_top1": True}]},
        {"history": [saved["history"][0] | {"val_top1": None}]},
        {"skipped": [[1]]},
        {"skipped": [["0", 1, []]]},
        {"skipped": [[0, 1, [2]]]},
        {"skipped": {}},
        {"best_epoch": 99},
        {"best_epoch": 0},
        {"best_epoch": "x"},
        {"best_epoch": True},
        {"best_epoch": 1.0},
        {"weights": "foo"},
        {"files": None},
        {"files": {}},
        {"files": {"model.safetensors": "0" * 64}},
        {"files": dict.fromkeys(FILES, 1)},
        {"files": dict.fromkeys(FILES, "0" * 63)},
        {"more": 1},
    ):
        store_run(workspace, {"models/run.json": json.dumps(saved | change).encode()})
        with pytest.raises(GoneError, match=r"models/run\.json is of another version$"):
            take_over(IDENTITY, (workspace / "models").relative_to(workspace))


def test_a_run_json_that_is_none_is_no_run(stored, workspace):
    twice = b'{"identity": {}, "identity": {}}'
    for content in (b"", b"[]", b"\xff", b'{"identity": NaN}', twice, b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"):
        store_run(workspace, {"models/run.json": content})
        with pytest.raises(GoneError, match=r"models/run\.json is of another version \("):
            take_over(IDENTITY, (workspace / "models").relative_to(workspace))


@pytest.mark.parametrize("name", FILES)
def test_weights_of_another_run_are_none_of_this_one(stored, workspace, files, name):
    """As after a kill between the weights and run.json, and a `dvc commit`: nothing is damaged, and nothing fits."""
    kept = object_of(workspace, stored["models/run.json"]).read_bytes()
    outputs = {f"models/{each}": content for each, content in (files | {name: b"others"}).items()}
    store_run(workspace, outputs | {"models/run.json": kept})
    models = (workspace / "models").relative_to(workspace)
    with pytest.raises(GoneError, match=f"the last run's models/{name} is not that of its run.json"):
        take_over(IDENTITY, models)
    assert list(models.iterdir()) == []


def test_a_run_of_a_version_that_did_not_say_what_it_was_trained_on_is_none(stored, workspace, run, files):
    """Its weights would be refused by the test, and `dvc repro train` would bring them back for ever."""
    before = json.loads(files["model.json"])
    del before["trained_on_sha256"], before["tensors_sha256"]
    older = files | {"model.json": json.dumps(before).encode()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in older.items()}
    saved = json.loads(object_of(workspace, stored["models/run.json"]).read_text()) | {"files": digests}
    outputs = {f"models/{name}": content for name, content in older.items()}
    store_run(workspace, outputs | {"models/run.json": json.dumps(saved).encode()})
    models = (workspace / "models").relative_to(workspace)
    with pytest.raises(GoneError, match="the last run's model is of another version"):
        take_over(IDENTITY, models)
    assert list(models.iterdir()) == []
