"""A checkpoint is found by its own run alone, and a damaged one costs no whole one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stages.learning.checkpoint import (
    FILE,
    LOCK,
    Checkpointer,
    Stopped,
    checkpoint_folder,
    drop_spare,
    load_checkpoint,
    running_alone,
    save_checkpoint,
)
from stages.learning.loop import train
from stages.runtime.errors import UserError
from stages.runtime.signals import StopRequest
from tests.support import ROOT
from tests.support.tiny_training import make
from tests.support.trainings import assert_same, trained


def test_another_experiment_has_another_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    first = checkpoint_folder({"parameters": {"seed": 1}, "code": "a"})
    assert first.is_relative_to(tmp_path / ".dvc/tmp/checkpoints")
    assert first == checkpoint_folder({"code": "a", "parameters": {"seed": 1}})
    assert first != checkpoint_folder({"parameters": {"seed": 2}, "code": "a"})
    assert first != checkpoint_folder({"parameters": {"seed": 1, "code": "a"}})
    monkeypatch.setenv("CHECKPOINT_DIR", str(tmp_path / "elsewhere"))
    assert checkpoint_folder({"code": "a"}).parent == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file/under", r"no checkpoint can be written to file/under \(Not a directory\): give CHECKPOINT_DIR a folder"),
        ("~nobody-here/x", "~nobody-here/x is in the home of a user who is not known here"),
    ],
)
def test_a_place_that_takes_no_checkpoint_is_one_line(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHECKPOINT_DIR", name)
    with pytest.raises(UserError, match=said):
        checkpoint_folder({})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_damaged_checkpoint_is_none(tmp_path):
    save_checkpoint(tmp_path, {"epoch": 3, "tensor": torch.ones(1000)})
    assert load_checkpoint(tmp_path)["epoch"] == 3
    whole = bytearray((tmp_path / FILE).read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / FILE).write_bytes(whole)
    assert load_checkpoint(tmp_path) is None
    for length in (2000, 100, 0):
        (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:length])
        assert load_checkpoint(tmp_path) is None
    assert load_checkpoint(tmp_path / "none") is None
    # The one before is there for that.
    save_checkpoint(tmp_path, {"epoch": 4})
    save_checkpoint(tmp_path, {"epoch": 5})
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:300])
    assert load_checkpoint(tmp_path)["epoch"] == 4
    # A damaged one never takes the place of a whole one.
    save_checkpoint(tmp_path, {"epoch": 6})
    (tmp_path / FILE).unlink()
    assert load_checkpoint(tmp_path)["epoch"] == 4


def test_what_cannot_be_brought_to_the_disk_takes_no_checkpoint_away(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"epoch": 1})
    save_checkpoint(tmp_path, {"epoch": 2})

    def fail(_number: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        save_checkpoint(tmp_path, {"epoch": 3})
    assert load_checkpoint(tmp_path)["epoch"] == 2
    drop_spare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    (tmp_path / FILE).rename(tmp_path / "before.pt")
    drop_spare(tmp_path)
    assert load_checkpoint(tmp_path)["epoch"] == 2


def test_a_full_disk_keeps_the_last_good_checkpoint_and_the_run_goes_on(folder, tmp_path, monkeypatch, capsys):
    straight = trained(folder)
    state, context = make(folder)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, StopRequest(), every_s=0)
    save, saves = torch.save, 0

    def fill_up(state: dict, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves > 3:
            Path(path).write_bytes(b"as much as fits")
            raise OSError(28, "No space left on device")
        save(state, path)

    monkeypatch.setattr("stages.learning.checkpoint.torch.save", fill_up)
    train(state, context, after_step=checkpointer.after_step)
    assert_same(straight, state)
    said = capsys.readouterr().out
    assert "No space left on device" in said and "): the one before stays" in said
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["before.pt", "last.pt"]
    assert load_checkpoint(tmp_path / "run")["step"] == 3


def test_somebody_who_stops_is_told_where_it_is_saved(folder, tmp_path):
    state, context = make(folder)
    request = StopRequest()
    request.signal_number = signal.SIGTERM
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, request, every_s=1e9)
    with pytest.raises(Stopped, match=f"stopped by SIGTERM after epoch 0, step 1 of the next one; saved in {tmp_path}"):
        train(state, context, after_step=checkpointer.after_step)
    assert load_checkpoint(tmp_path / "run")["step"] == 1


def test_somebody_who_stops_on_a_full_disk_is_not_told_that_it_is_saved(folder, tmp_path, monkeypatch, capsys):
    state, context = make(folder)
    request = StopRequest()
    request.signal_number = signal.SIGTERM

    def fill_up(_: dict, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stages.learning.checkpoint.torch.save", fill_up)
    checkpointer = Checkpointer(tmp_path / "run", context.accelerator, request, every_s=1e9)
    with pytest.raises(Stopped, match="step 1 of the next one; this could not be saved: the same command goes on from"):
        train(state, context, after_step=checkpointer.after_step)
    assert "No space left on device" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "run") is None


def test_a_second_process_does_not_make_the_run_that_another_makes(tmp_path):
    """A killed DVC leaves its training at work; the next one would write over its curves."""
    holding = f"""
import sys
from pathlib import Path
from stages.learning.checkpoint import running_alone
with running_alone(Path({str(tmp_path)!r})):
    print("at work", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "at work\n"
        told = rf"made by another process, {other.pid}, .*`kill {other.pid}`"
        with pytest.raises(UserError, match=told), running_alone(tmp_path):
            pytest.fail("two make one run")
        other.kill()  # without a word: the lock is gone with it
        other.wait()
        with running_alone(tmp_path):
            assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
