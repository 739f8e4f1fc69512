"""A training process that is killed or asked to stop leaves nothing behind but what it goes on from."""

import os
import random
import signal

import pytest

from stages.learning.checkpoint import FILE
from tests.support.trainings import assert_same_state, finish, process, run_to_the_end

pytestmark = pytest.mark.slow


def test_loader_processes_end_with_the_training(folder, tmp_path):
    """Killed, it cannot tell them; they hold its output open as long as they live."""
    running = process(folder, tmp_path / "never", "--workers", "2", "--kill-at", "2")
    assert finish(running)[0] == -signal.SIGKILL


def test_a_process_that_ends_by_an_error_does_not_wait_for_its_loaders(folder, tmp_path):
    code, said = finish(process(folder, tmp_path / "never", "--workers", "2", "--fail-at", "2"))
    assert code == 1
    assert said.strip().splitlines()[-1] == "tiny_training: that is enough"


def test_a_process_that_is_killed_again_and_again_ends_as_an_undisturbed_one(folder, tmp_path, straight, capsys):
    """SIGKILL at drawn steps and in the middle of checkpoints, and a last checkpoint that is cut."""
    draw = random.Random(7)
    for options in (
        ["--kill-at", str(draw.randint(1, 5))],
        ["--kill-in-save", str(draw.randint(2, 4))],
        ["--kill-at", str(draw.randint(1, 4)), "--workers", "1"],
    ):
        code, said = finish(process(folder, tmp_path / "never", *options))
        assert code == -signal.SIGKILL, said
    last = folder / "checkpoints" / FILE
    os.truncate(last, last.stat().st_size - 1000)
    resumed = run_to_the_end(folder, tmp_path / "resumed")
    assert "last.pt is damaged" in capsys.readouterr().out
    assert not (tmp_path / "never").exists()
    assert_same_state(straight, resumed)


@pytest.mark.parametrize(("number", "whom", "workers"), [(signal.SIGTERM, os.kill, 0), (signal.SIGINT, os.killpg, 1)])
def test_a_signal_saves_and_leaves_with_a_word(folder, tmp_path, straight, number, whom, workers):
    """Also Ctrl-C of a terminal, which goes to the loader processes as well."""
    running = process(folder, tmp_path / "never", "--stop-at", "5", "--workers", str(workers))
    for line in running.stdout:
        if line == "step 5\n":
            whom(running.pid, number)
            break
    code, said = finish(running)
    assert code == 130, said
    last = said.strip().splitlines()[-1]
    assert f"stopped by {number.name} after epoch 1, step" in last
    assert "the same command goes on from there" in last
    assert "Traceback" not in said
    assert not (tmp_path / "never").exists()
    assert_same_state(straight, run_to_the_end(folder, tmp_path / "resumed"))
