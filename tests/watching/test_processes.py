"""What is at work in a repo is told by command lines and notes, once each, and nothing of elsewhere is."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.notes import Note
from stages.watching.processes import Process, dvc_in, find_works, list_processes, stage_in

ROOT = Path("/repo")
COPY = ROOT / ".dvc/tmp/exps/tmp1"
PYTHON = "/venv/bin/python3.11"
TRAIN = (PYTHON, "-m", "stages.train")
REPRO = (PYTHON, "/venv/bin/dvc", "repro")


@pytest.mark.parametrize(
    ("command", "stage", "of_dvc"),
    [
        ("python -m stages.train", "train", ""),
        ("python -u -m stages.commands.fetch --probe 50", "commands.fetch", ""),
        ("/venv/bin/torchrun --nproc-per-node 4 -m stages.train", "train", ""),
        ("/venv/bin/accelerate launch --module stages.train", "train", ""),
        ("vim stages/train.py", "", ""),
        ("python /venv/bin/dvc repro train", "", "dvc repro train"),
        ("dvc exp run --temp -S train.epochs=3", "", "dvc exp run --temp -S train.epochs=3"),
        ("python3.11 -m dvc -v pull", "", "dvc -v pull"),
        ("dvc exp show", "", ""),
        ("dvc exp", "", ""),
        ("dvc plots diff", "", ""),
        ("dvc", "", ""),
        ("git add dvc repro", "", ""),
        ("", "", ""),
    ],
)
def test_what_a_command_line_runs(command, stage, of_dvc):
    words = tuple(command.split())
    assert (stage_in(words), dvc_in(words)) == (stage, of_dvc)


def process(pid: int, parent: int = 1, command=TRAIN, folder: Path | None = ROOT, state: str = "running") -> Process:
    return Process(pid, parent, 1000.0 + pid, tuple(command), folder, state)


def note(pid: int, host: str | None = None, **values) -> Note:
    words = {"command": "python -m stages.train", "folder": str(ROOT), "heard_s": 5000.0, "rank": 0} | values
    return Note(host=host or socket.gethostname(), pid=pid, born_s=1.0, **words)


def works_of(processes, notes=(), alive=None, now_s=5000.0):
    alive = {one.pid for one in processes} if alive is None else alive
    return find_works(processes, notes, ROOT, pid_of=lambda one: one.pid if one.pid in alive else None, now_s=now_s)


def names(works) -> list[tuple[str, str]]:
    return [(work.name, work.inside) for work in works]


def test_a_stage_is_shown_with_the_run_of_dvc_that_it_is_of():
    shell = process(3, 2, ("/bin/bash", "-c", "python -m stages.train"), None)
    works, _ = works_of([process(2, 1, REPRO), shell, process(4, 3)])
    assert names(works) == [("train", "dvc repro")]
    works, _ = works_of([process(2, 1, REPRO)])
    assert names(works) == [("dvc repro", "")]


def test_several_works_are_shown_at_once_the_oldest_first():
    fetch = process(9, 1, ("python", "-m", "stages.commands.fetch"))
    experiment = process(5, 1, ("dvc", "exp", "run", "--temp"))
    works, _ = works_of([fetch, experiment, process(6, 5, folder=COPY), process(7, 1, REPRO)])
    assert names(works) == [("train", "dvc exp run --temp"), ("dvc repro", ""), ("fetch", "")]
    assert works[0].folder == COPY


@pytest.mark.parametrize(
    "launcher", [("torchrun", "-m", "stages.train"), ("accelerate", "launch", "-m", "stages.train")]
)
def test_processes_that_train_together_and_their_loaders_are_one_work(launcher):
    """Loaders are forks, with the command line of their parent."""
    family = [process(2, 1, launcher), process(3, 2), process(4, 2), process(5, 3), process(6, 4)]
    works, _ = works_of(family, [note(4, rank=1), note(3, rank=0)])
    assert names(works) == [("train", "")]
    assert [one.pid for one in works[0].notes] == [3, 4]


def test_what_runs_in_another_repo_or_nobody_knows_where_is_not_shown():
    elsewhere = process(2, folder=Path("/repository"))
    within = process(3, folder=ROOT / "sub/clone")
    unknown = process(4, folder=None)
    watching = process(5, command=("python", "-m", "stages.commands.watch"))
    assert works_of([elsewhere, within, unknown, watching]) == ([], [])


def test_a_note_alone_shows_a_script_and_another_host_for_as_long_as_it_is_heard_of():
    script = process(2, command=("python", "/x/tiny.py"), folder=None, state="stopped")
    works, killed = works_of([script], [note(2, command="python -u /x/tiny.py a"), note(7, "gpu1", heard_s=4500.0)])
    assert [(work.name, work.host, work.state) for work in works] == [("tiny", "", "stopped"), ("train", "gpu1", "")]
    assert killed == []
    works, killed = works_of([], [note(7, "gpu1", heard_s=4000.0)])
    assert (works, [one.host for one in killed]) == ([], ["gpu1"])


def test_a_killed_one_is_not_at_work_though_another_process_has_its_number():
    works, killed = works_of([process(2, command=("sleep", "9"), folder=None)], [note(2)], alive=set())
    assert works == []
    assert [one.pid for one in killed] == [2]


TREES = st.lists(
    st.tuples(
        st.integers(1, 9), st.integers(0, 9), st.sampled_from([TRAIN, REPRO, ("sleep", "9")]),
        st.sampled_from([ROOT, COPY, Path("/other"), None]),
    ),
    unique_by=lambda row: row[0],
)  # fmt: skip


@given(TREES, st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)))
def test_whatever_the_tree_each_note_is_shown_once(rows, noted, alive):
    """Also where processes are each other's parents, as when one goes and another gets its number meanwhile."""
    works, killed = works_of([process(*row) for row in rows], [note(pid) for pid in noted], alive)
    assert sorted([one.pid for work in works for one in work.notes] + [one.pid for one in killed]) == sorted(noted)
    assert {one.pid for one in killed} == noted - alive
    assert all(work.folder != Path("/other") for work in works)


def test_this_process_is_among_those_of_this_machine():
    (own,) = [one for one in list_processes() if one.pid == os.getpid()]
    assert own.parent == os.getppid()
    assert own.state in ("running", "sleeping")
