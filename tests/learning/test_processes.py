"""Several processes rank and train as one does; memory and threads are set as they should be."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

from stages import PASSIVE_WAITING
from stages.learning.model import create_model
from tests.support import ROOT, rank_split
from tests.support.packed import write_split
from tests.support.tiny_training import TRANSFORMER
from tests.support.trainings import assert_alike, final, finish, one_thread, process, run_to_the_end

pytestmark = pytest.mark.slow


def test_processes_rank_a_split_together_as_one_does_alone(tmp_path, monkeypatch):
    """Images that two processes cannot share evenly; of one alone, one process has none."""
    sizes = (31, 1)
    for images in sizes:
        write_split(tmp_path / f"packed{images}", "train", images)
    script, folders = str(ROOT / "tests/support/rank_split.py"), [f"packed{images}" for images in sizes]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, script, "together", *folders]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr
    monkeypatch.chdir(tmp_path)
    with one_thread():
        rank_split.main("alone", *folders)
    of_each = (np.load(tmp_path / f"{name}.npz") for name in ("alone.0", "together.0", "together.1"))
    # Of each split the ranks of validation, and those kept by the stage predict.
    for images, alone, *together in zip(np.repeat(sizes, 2), *(ranks.values() for ranks in of_each), strict=True):
        assert len(alone) == images
        assert images == 1 or len(set(alone.tolist())) > 1
        assert all(np.array_equal(alone, ranks) for ranks in together)


def test_processes_leave_each_other_before_they_end(tmp_path):
    """Else one of them aborts at random, after all is done: three or four of twelve did. What is told last says so."""
    script = tmp_path / "leave.py"
    script.write_text(
        "import atexit, os, torch\n"
        "def last():  # in one piece, as the other process writes to the same pipe\n"
        "    os.write(1, b'together\\n' if torch.distributed.is_initialized() else b'alone\\n')\n"
        "atexit.register(last)\n"
        "from stages.learning.processes import all_reduce_max, make_accelerator\n"
        "assert all_reduce_max(1, make_accelerator()) == 1 and torch.distributed.is_initialized()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["alone", "alone"]


def test_openmp_threads_wait_passively_in_training_and_its_loaders():
    """The runtime itself says so (OMP_DISPLAY_ENV), whatever is imported before the package."""
    environment = {name: value for name, value in os.environ.items() if name not in PASSIVE_WAITING}

    def python(code: str, **extra: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment | extra,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )

    shown = python("import stages.train, torch; torch.ones(10).sum()", OMP_DISPLAY_ENV="TRUE").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown
    own_choice = python("import stages, os; print(os.environ['OMP_WAIT_POLICY'])", OMP_WAIT_POLICY="ACTIVE")
    assert own_choice.stdout.strip() == "ACTIVE"


def test_two_processes_train_as_one_does(folder, tmp_path):
    """The same effective batch, also in a last step of three images, which one process takes; so do 11 of validation.

    A step whose loss is not finite in one of them is skipped by both, who name all of its images.
    """
    write_split(folder, "train", 31)  # the last step has three images: one process has none of them
    write_split(folder, "val", 11, seed=1)
    one = run_to_the_end(folder, tmp_path / "one", "--transformer", "--poison", "--batch", "4")
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    code, said = finish(process(folder, tmp_path / "two", "--transformer", "--poison", "--batch", "4", launch=torchrun))
    assert code == 0, said
    assert "deprecated" not in said
    two = final(tmp_path / "two")
    ((*where, names),), ((*there, others),) = one["skipped"], two["skipped"]
    assert where == there == [0, 1]
    assert sorted(names) == sorted(others)
    assert len(names) == 4
    assert len(one["history"]) == 4
    for row, other in zip(one["history"], two["history"], strict=True):
        assert row == pytest.approx(other, rel=1e-3, abs=1e-6)
    models = [create_model(TRANSFORMER, classes=3, image_px=48, seed=1) for _ in range(2)]
    for model, state in zip(models, (one, two), strict=True):
        model.load_state_dict(state["model"])
    assert_alike(*models)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another malloc, or an old one")
def test_memory_that_is_freed_is_kept_for_the_next_step():
    """Malloc's own books say so: the usual tensors stay with the process when they are freed, the largest do not."""
    code = """
import ctypes, sys, torch
FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
class Books(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]
books = ctypes.CDLL(None).mallinfo2
books.restype = Books
if sys.argv[1] == "keep":
    from stages.learning.processes import keep_freed_memory
    keep_freed_memory()
def held_mb(number, each):
    before = books()
    tensors = [torch.ones(each * 250_000) for _ in range(number)]
    del tensors
    after = books()
    return (after.arena + after.hblkhd - before.arena - before.hblkhd) // 1_000_000
print(held_mb(6, 15), held_mb(1, 400))
"""
    held_mb = {}
    for way in ("plain", "keep"):
        result = subprocess.run([sys.executable, "-c", code, way], cwd=ROOT, capture_output=True, check=True)
        held_mb[way] = [int(number) for number in result.stdout.split()]
    assert held_mb["plain"][0] < 10 < 80 < held_mb["keep"][0]  # of 90 MB in tensors of 15
    assert held_mb["keep"][1] < 10  # of 400 MB in one
