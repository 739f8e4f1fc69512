"""`make try` with the real DVC and git, of a pipeline of one small stage."""

import os
from pathlib import Path

import psutil
import pytest
import yaml

from stages.commands.try_out import sweep
from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.clones import git, run_dvc
from tests.support.experiments import Running

STAGE = """
import os, pathlib, yaml
values = yaml.safe_load(pathlib.Path("params.yaml").read_text())
if "GATE" in os.environ:
    print("the stage waits", flush=True)
    pathlib.Path(os.environ["GATE"]).read_text()
if values["a"] < 0:
    raise SystemExit("a is below zero")
pathlib.Path("out.txt").write_text(f"{values} {os.environ['TRY_OF']}")
"""
RUNS = {"cmd": "python stage.py", "params": ["a", "b"], "deps": ["stage.py"], "outs": ["out.txt"]}


@pytest.fixture
def repo(tmp_path) -> Path:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "somebody")
    git(repo, "config", "user.email", "some@body.example")
    assert run_dvc(repo, "init", "-q").returncode == 0
    (repo / "stage.py").write_text(STAGE, encoding="utf-8")
    (repo / "params.yaml").write_text("a: 1\nb: 1\n", encoding="utf-8")
    (repo / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"s": RUNS}}), encoding="utf-8")
    (repo / ".gitignore").write_text("/out.txt\n", encoding="utf-8")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "one")
    return repo


def start(repo: Path, *words: str, **settings: str) -> Running:
    return Running(repo, "stages.commands.try_out", *words, PYTHONPATH=str(ROOT), **settings)


def experiments(repo: Path) -> dict[str, dict]:
    """The parameters of each experiment of a repo."""
    refs = git(repo, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return {ref.split("/")[-1]: yaml.safe_load(git(repo, "show", f"{ref}:params.yaml")) for ref in refs}


def tidy(repo: Path) -> bool:
    return not list((repo / ".dvc/tmp/tries").glob("*/"))


def test_lists_of_values_are_an_experiment_each_of_the_commit_and_what_was_made_is_not_made_again(repo):
    (repo / "params.yaml").write_text("a: 1\nb: 7\n", encoding="utf-8")
    git(repo, "add", "params.yaml")  # staged is not committed, either
    (repo / "params.yaml").write_text("a: broken: yaml\n", encoding="utf-8")
    status = git(repo, "status", "--porcelain")
    tries = start(repo, "-S", "a=2,3", "-n", "of")
    assert tries.ends() == 0, tries.said
    assert experiments(repo) == {"of-1": {"a": 2, "b": 1}, "of-2": {"a": 3, "b": 1}}
    assert git(repo, "status", "--porcelain") == status
    assert git(repo, "stash", "list") == ""
    first, _ = git(repo, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert git(repo, "log", "-1", "--format=%an", first) == "somebody\n"
    assert tidy(repo)

    again = start(repo, "-S", "a=2", "-n", "again")
    assert again.ends() == 0, again.said
    assert "is cached - skipping run" in again.said
    git(repo, "reset", "-q", "--hard")
    assert run_dvc(repo, "exp", "apply", "again").returncode == 0
    assert (repo / "out.txt").read_text() == f"{{'a': 2, 'b': 1}} {repo}"


def test_a_failure_is_a_line_and_leaves_nothing(repo):
    (repo / ".dvc/tmp/tries/killed-while-it-was-cloned/.git").mkdir(parents=True)
    tries = start(repo, "-S", "a=-1")
    assert tries.ends() == 1
    last = tries.said.splitlines()[-1]
    assert last == "try_out: the experiment failed (code 255), as said above; the working tree is as it was"
    assert experiments(repo) == {}
    assert tidy(repo)
    assert git(repo, "status", "--porcelain") == ""


def test_what_was_done_when_make_try_was_killed_is_not_lost_and_runs_once(repo, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = start(repo, "-S", "a=2", "-n", "killed", GATE=str(gate))
    first.until("the stage waits")
    dvc = first.processes("-m dvc")
    first.kill("try_out")
    for value in ("a=2", "a=3"):
        again = start(repo, "-S", value, "-n", "killed")
        assert again.ends() == 1
        assert "an experiment killed is running" in again.said
    gate.write_text("go on", encoding="utf-8")
    psutil.wait_procs(dvc)
    other = start(repo, "-S", "a=4", "-n", "other")
    assert other.ends() == 0, other.said
    assert "try: killed had come to its end when it was killed; `make compare` shows it" in other.said
    assert experiments(repo) == {"killed": {"a": 2, "b": 1}, "other": {"a": 4, "b": 1}}
    assert tidy(repo)


def test_a_kill_of_make_try_alone_stops_its_stage_too(repo, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    tries = start(repo, "-S", "a=2", GATE=str(gate))
    tries.until("the stage waits")
    (stage,) = tries.processes("python stage.py")[-1:]
    tries.processes("try_out")[0].terminate()
    assert tries.ends() == 130
    assert not stage.is_running()
    assert tries.said.splitlines()[-1] == "try_out: stopped; the same line goes on from the last checkpoint"
    assert tidy(repo)


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([], [[]]),
        (["a=1"], [["params.yaml:a=1"]]),
        (["a=1,2", "b=[x,y]"], [[f"params.yaml:a={value}", "params.yaml:b=[x,y]"] for value in (1, 2)]),
        (["libraries.yaml:torch=2"], [["libraries.yaml:torch=2"]]),
    ],
)
def test_overrides_are_read_as_dvc_reads_them(overrides, wanted):
    assert sweep(overrides) == wanted


@pytest.mark.parametrize("override", ["a", "a=[", ""])
def test_an_override_that_is_none_is_refused(override):
    with pytest.raises(UserError, match="each -S is KEY=VALUE") as refused:
        sweep([override])
    assert "\n" not in str(refused.value)


def test_a_repo_without_a_commit_is_told(tmp_path):
    git(tmp_path, "init", "-q")
    tries = start(tmp_path)
    assert tries.ends() == 1
    assert tries.said == f"try_out: {tmp_path} has no commit yet, and experiments start from one: `git commit`\n"
