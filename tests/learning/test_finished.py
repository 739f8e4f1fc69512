"""A run that has ended comes back as it was, to the bit, and another one or half of one never does."""

import hashlib
import json
import math

import pytest

from stages.learning.finished import FinishedRun, take_over, write_run
from stages.runtime.last_run import GoneError
from tests.support.stored import init_dvc, object_of, store_run

IDENTITY = {
    "parameters": {"train": {"seed": 1, "rate": 0.1}, "model": {"name": "a"}},
    "code": "c",
    "images": {"val": "v"},
}
ROW = {f"{group}_{name}": 0.1 + 0.2 for group in ("train", "val") for name in ("loss", "top1", "top5")}
ROW |= {"val_top1": 1 / 3, "ema_loss": math.inf, "ema_top1": math.nan, "skipped_steps": 1}
FILES = {"model.safetensors": b"weights", "model.json": b"{}"}
DIGESTS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
HISTORY = [ROW, ROW | {"val_top1": 5e-324, "ema_loss": -math.inf}]
RUN = FinishedRun(IDENTITY, HISTORY, 2, "val", [(0, 3, ["a.jpg"])], DIGESTS)


@pytest.fixture
def stored(workspace):
    """A repo whose last run was RUN, and the names of its objects."""
    init_dvc(workspace)
    models = workspace / "models"
    write_run(RUN, models)
    kept = (models / "run.json").read_bytes()
    (models / "run.json").unlink()
    outputs = {"models/run.json": kept} | {f"models/{name}": content for name, content in FILES.items()}
    return store_run(workspace, outputs)


def test_a_run_comes_back_to_the_bit(stored, workspace):
    models = (workspace / "models").relative_to(workspace)
    taken = take_over(IDENTITY, models)
    assert vars(taken) | {"history": HISTORY} == vars(RUN)
    # NaN is not equal to itself, and 1 is equal to 1.0.
    written = [[{name: repr(value) for name, value in row.items()} for row in run.history] for run in (taken, RUN)]
    assert written[0] == written[1]
    assert (models / "model.safetensors").read_bytes() == b"weights"
    assert (models / "model.json").read_bytes() == b"{}"
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


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "run.json"])
@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_run_that_is_not_whole_is_none(stored, workspace, name, damage):
    path = object_of(workspace, stored[f"models/{name}"])
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" + path.read_bytes())
    with pytest.raises(GoneError, match=f"models/{name} (was damaged|of an earlier run)"):
        take_over(IDENTITY, (workspace / "models").relative_to(workspace))


@pytest.mark.parametrize(
    "change",
    [
        {"history": None},
        {"history": [1]},
        {"skipped": [[1]]},
        {"history": [{"val_loss": "much"}]},
        {"best_epoch": 99},
        {"best_epoch": 0},
        {"best_epoch": "x"},
        {"weights": "foo"},
        {"files": None},
    ],
)
def test_a_run_of_another_version_is_none(stored, workspace, change):
    saved = json.loads(object_of(workspace, stored["models/run.json"]).read_text()) | change
    store_run(workspace, {"models/run.json": json.dumps(saved).encode()})
    with pytest.raises(GoneError, match=r"models/run\.json is of another version"):
        take_over(IDENTITY, (workspace / "models").relative_to(workspace))


@pytest.mark.parametrize("name", FILES)
def test_weights_of_another_run_are_none_of_this_one(stored, workspace, name):
    """As after a kill between the weights and run.json, and a `dvc commit`: nothing is damaged, and nothing fits."""
    kept = object_of(workspace, stored["models/run.json"]).read_bytes()
    outputs = {f"models/{each}": content for each, content in (FILES | {name: b"others"}).items()}
    store_run(workspace, outputs | {"models/run.json": kept})
    models = (workspace / "models").relative_to(workspace)
    with pytest.raises(GoneError, match=f"the last run's models/{name} is not that of its run.json"):
        take_over(IDENTITY, models)
    assert list(models.iterdir()) == []
