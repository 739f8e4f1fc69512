"""The prepared benchmark of a GPU runs from end to end at a tiny size, and what fails in it is a row that says so."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from benchmarks.gpu_training import NO_TIME, Runs, main
from benchmarks.training_jobs import Job, Tell, class_of, draw, run_job, teacher_params
from stages.runtime.errors import UserError
from tests.support import ROOT

TINY = ["--model", "test_vit", "--px", "48", "--steps", "4", "--batch", "2", "--turns", "1"]
ON_A_CPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.fixture(scope="module")
def start():
    return multiprocessing.get_context("fork")  # cheap, for jobs that compute nothing


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(tmp_path, teacher_params(), "test_vit", 48, 56, 2, 4)


def rows_of(said: str, section: str) -> list[list[str]]:
    table = said.partition(f"### {section}")[2].partition("###")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")][2:]


@ON_A_CPU
def test_the_whole_of_it_runs_at_a_tiny_size():
    command = [sys.executable, "-m", "benchmarks.gpu_training", *TINY]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=True).stdout
    assert said.splitlines()[0].endswith("these are NO FIGURES OF A GPU, and show only that the script runs.")
    speed = rows_of(said, "1 Speed")
    assert [row[0] for row in speed] == ["2", "8"]
    assert all(float(row[1]) > 0 and row[3].endswith("%") and row[5] == "–" for row in speed)
    assert [(row[0], row[3]) for row in rows_of(said, "2 DETERMINISTIC")] == [("1", "–"), ("0", "–")]
    assert re.search(r"DETERMINISTIC=1 takes \d+\.\d+ times as long as 0", said)
    fits = rows_of(said, "3 What fits")
    assert [row[:2] for row in fits] == [[one, size] for one in "01" for size in ("2", "4", "8", "more than 8")]
    ((value, digest, equal, resumed),) = rows_of(said, "4 The same bits")
    assert (value, equal, resumed) == ("1", "same", "same")
    assert re.fullmatch(r"[0-9a-f]{16}", digest)
    exact, half = rows_of(said, "5 Precision")
    assert (exact[0], half[0]) == ("float32", "bf16")
    assert float(half[2]) == pytest.approx(float(exact[2]), rel=0.05)
    assert exact[3] == half[3] == "0"
    assert "All of it took" in said


@ON_A_CPU
@pytest.mark.parametrize("words", [[], ["--model", "test_vit"], ["--px", "48", "--steps", "4"]])
def test_on_a_cpu_a_small_size_must_be_named(words):
    with pytest.raises(UserError, match="there is no GPU here: to see that the script runs, name a small size"):
        main(words)


def too_much(_job: Job, tell: Tell) -> None:
    tell(images=2)
    raise torch.OutOfMemoryError("CUDA out of memory | really")


def killed(_job: Job, _tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def endless(_job: Job, tell: Tell) -> None:
    tell(begun=True)
    signal.pause()


def settings_of(_job: Job, tell: Tell) -> None:
    tell(**{name: os.environ[name] for name in ("DETERMINISTIC", "COMPILE")})


@pytest.mark.parametrize(
    ("function", "told", "ended"),
    [
        (too_much, [{"images": 2}], "torch.OutOfMemoryError: CUDA out of memory | really"),
        (killed, [], "SIGKILL"),
        (settings_of, [{"DETERMINISTIC": "0", "COMPILE": "0"}], None),
    ],
)
def test_a_job_that_fails_says_how_and_what_it_told_stays(start, job, function, told, ended):
    outcome = run_job(function, job, start, timeout_s=60, settings={"DETERMINISTIC": "0", "COMPILE": "0"})
    assert (outcome.told, outcome.ended) == (told, ended)


def test_a_job_that_does_not_end_is_ended(start, job):
    assert run_job(endless, job, start, timeout_s=0.5, settings={}).ended == "took longer than 0.5 s"


def test_what_the_minutes_have_no_room_for_is_not_begun(start, job):
    outcome = Runs(job, start, time.monotonic() + 1, on_gpu=False).do(killed)
    assert (outcome.told, outcome.ended) == ([], NO_TIME)


def test_pictures_are_a_function_of_their_names_and_show_their_classes():
    assert (draw("train3", 56) == draw("train3", 56)).all()
    assert (draw("train3", 56) != draw("train11", 56)).any()
    assert class_of("train3") == class_of("train11") == class_of("val19") == 3
