"""Experiments as people use them, by the real DVC and git: each in a repo whose training takes seconds."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.clones import git, own_environment, run_dvc
from tests.support.experiments import Running, copy_of, make_tiny

BASE = "refs/exps/{}/{}/{}"
FIGURES = ("metrics/split.json", "metrics/train.json", "metrics/test.json")


def show(repo: Path, name: str, path: str) -> str:
    """A file as an experiment's commit has it."""
    (ref,) = [ref for ref in git(repo, "for-each-ref", "--format=%(refname)").split() if ref.endswith(f"/{name}")]
    return git(repo, "show", f"{ref}:{path}")


def parameters(text: str) -> dict:
    """A file of parameters or a lock, as DVC reads it."""
    return YAML(typ="safe").load(text)


def locked(text: str, stage: str) -> dict[str, str]:
    """The outputs of a stage in a dvc.lock, MD5 by path."""
    return {out["path"]: out["md5"] for out in parameters(text)["stages"][stage]["outs"]}


def read(repo: Path, path: str) -> str:
    return (repo / path).read_text(encoding="utf-8")


def dvc(repo: Path, *words: str) -> str:
    done = run_dvc(repo, *words, LOKY_MAX_CPU_COUNT="1")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def compare(repo: Path, *words: str) -> str:
    table = Running(repo, "stages.commands.compare", *words)
    assert table.ends() == 0, table.said
    return table.said


@pytest.fixture(scope="module")
def prepared(clone) -> Path:
    """A repo with one committed run of the tiny profile."""
    make_tiny(clone)
    return clone


@dataclass
class Tried:
    """A repo in whose changed working tree two experiments ran at once: one by `make try`, one by `--temp`."""

    repo: Path
    commit: str
    status: str
    said: dict[str, str]


@pytest.fixture(scope="module")
def tried(prepared, tmp_path_factory) -> Tried:
    repo = copy_of(prepared, tmp_path_factory.mktemp("tried"))
    commit = git(repo, "rev-parse", "HEAD").strip()
    edited = read(repo, "params.yaml").replace("drop_rate: 0.2", "drop_rate: 0.5")
    (repo / "params.yaml").write_text(edited, encoding="utf-8")
    (repo / "metrics/test.json").write_text("{}\n", encoding="utf-8")
    (repo / "notes.txt").write_text("mine\n", encoding="utf-8")
    status = git(repo, "status", "--porcelain")
    assert status.split() == ["M", "metrics/test.json", "M", "params.yaml", "??", "notes.txt"]
    limits = ["-S", "split.min_images_per_class=5", "-S", "split.keep_unknown=true"]
    of_commit = Running(repo, "stages.commands.try_out", *limits, "-n", "A")
    of_tree = Running(repo, "dvc", "exp", "run", "--temp", "-S", "train.label_smoothing=0.2", "-n", "smooth")
    assert of_commit.ends() == 0, of_commit.said
    assert of_tree.ends() == 0, of_tree.said
    assert read(repo, "params.yaml") == edited
    assert read(repo, "metrics/test.json") == "{}\n"
    return Tried(repo, commit, status, {"A": of_commit.said, "smooth": of_tree.said})


def test_make_try_is_of_the_commit_and_temp_of_the_working_tree(tried):
    assert git(tried.repo, "status", "--porcelain") == tried.status
    committed = parameters(git(tried.repo, "show", "HEAD:params.yaml"))
    of_commit, of_tree = (parameters(show(tried.repo, name, "params.yaml")) for name in ("A", "smooth"))
    limits = {"min_images_per_class": 5, "keep_unknown": True}
    assert of_commit == committed | {"split": committed["split"] | limits}
    assert of_tree["model"]["drop_rate"] == 0.5
    assert git(tried.repo, "for-each-ref", "--format=%(refname)", "refs/exps").split() == sorted(
        BASE.format(tried.commit[:2], tried.commit[2:], name) for name in ("A", "smooth")
    )
    assert f"try: from commit {tried.commit[:7]}; 3 files that were changed since are left out" in tried.said["A"]
    assert "`make compare` shows A" in tried.said["A"]
    assert json.loads(show(tried.repo, "A", "metrics/split.json"))["classes"] == 3
    assert "Running stage 'train'" in tried.said["A"]
    assert not list((tried.repo / ".dvc/tmp/tries").glob("*/"))


def test_make_try_of_a_name_that_is_taken_runs_nothing(tried):
    again = Running(tried.repo, "stages.commands.try_out", "-n", "A")
    assert again.ends() == 1
    assert again.said.splitlines()[1:] == [
        f"try_out: commit {tried.commit[:7]} has an experiment A: take another name, or `dvc exp remove A`"
    ]


def recipe(heading: str, **names: str) -> str:
    """The last shell commands of a section of docs/experiments.md, with names put into it."""
    text = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[-1]
    for name, value in names.items():
        commands = re.sub(rf"\b{name}\b", value, commands)
    return commands


def follow(repo: Path, commands: str) -> str:
    """Type shell commands."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=repo,
        env=own_environment(repo, LOKY_MAX_CPU_COUNT="1"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def clean(tried, tmp_path) -> Path:
    """A copy of the repo with the two experiments, whose working tree is the commit's."""
    repo = copy_of(tried.repo, tmp_path)
    git(repo, "checkout", "-q", ".")
    git(repo, "clean", "-fdq")
    return repo


def test_an_applied_experiment_is_its_run_and_a_branch_leaves_the_tree_alone(clean):
    dvc(clean, "exp", "branch", "A", "few-classes")
    assert git(clean, "status", "--porcelain") == ""
    dvc(clean, "exp", "apply", "A")
    written = ("dvc.lock", "params.yaml", *FIGURES, "plots/curves.csv")
    for path in written:
        assert read(clean, path) == show(clean, "A", path) == git(clean, "show", f"few-classes:{path}")
    assert set(git(clean, "status", "--porcelain").split()[1::2]) > {"dvc.lock", "params.yaml", "metrics/split.json"}
    assert "up to date" in dvc(clean, "status")
    # The species that the limit leaves out is predicted, too.
    unknown = pl.read_parquet(clean / "data/predictions/unknown.parquet")
    assert (unknown.height, unknown["label"].null_count()) == (3, 3)
    assert json.loads(read(clean, "data/reports/split.json"))["unknown"] == {"images": 3, "species": 1}
    told = json.loads(read(clean, "data/reports/test.json"))["unknown"]
    assert told["images"] == 3


def test_two_branches_are_merged_by_the_recipe_of_the_docs(clean):
    refs = git(clean, "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for name, branch in (("A", "few-classes"), ("smooth", "smoother")):
        git(clean, "branch", branch, next(ref for ref in refs if ref.endswith(f"/{name}")))
    git(clean, "checkout", "-q", "few-classes")
    said = follow(clean, recipe("Merge two branches", OTHER="smoother"))
    assert "Merge conflict in dvc.lock" in said
    assert set(re.findall(r"Running stage '(\w+)'", said)) == {"train", "predict", "evaluate", "mistakes"}
    merged = parameters(read(clean, "params.yaml"))
    assert merged["split"]["min_images_per_class"] == 5
    assert (merged["model"]["drop_rate"], merged["train"]["label_smoothing"]) == (0.5, 0.2)
    assert git(clean, "status", "--porcelain") == ""
    assert len(git(clean, "rev-list", "--parents", "-n1", "HEAD").split()) == 3
    lock = parameters(read(clean, "dvc.lock"))["stages"]["train"]
    assert lock["params"]["params.yaml"]["train"]["label_smoothing"] == 0.2
    assert json.loads(read(clean, "metrics/split.json"))["classes"] == 3
    models = {locked(text, "train")["models/model.safetensors"] for text in (
        read(clean, "dvc.lock"), show(clean, "A", "dvc.lock"), show(clean, "smooth", "dvc.lock")
    )}  # fmt: skip
    assert len(models) == 3
    assert "up to date" in dvc(clean, "status")


def test_an_experiment_goes_to_another_clone_by_git_and_a_remote_of_dvc(clean, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "shared.git")
    git(clean, "remote", "add", "origin", str(tmp_path / "shared.git"))
    git(clean, "push", "-q", "origin", "HEAD:refs/heads/main")
    dvc(clean, "remote", "add", "--local", "-d", "store", str(tmp_path / "store"))
    dvc(clean, "exp", "push", "origin", "A")

    (tmp_path / "elsewhere").mkdir()
    git(tmp_path / "elsewhere", "clone", "-q", "-b", "main", str(tmp_path / "shared.git"), "repo")
    other = tmp_path / "elsewhere/repo"
    shutil.copy(clean / ".dvc/config.local", other / ".dvc")  # the remote
    assert "A" in dvc(other, "exp", "list", "origin", "--all-commits", "--name-only").split()
    dvc(other, "exp", "pull", "origin", "A")
    dvc(other, "exp", "apply", "A")
    for path in ("dvc.lock", *FIGURES):
        assert read(other, path) == show(clean, "A", path)
    model = hashlib.md5((other / "models/model.safetensors").read_bytes(), usedforsecurity=False).hexdigest()
    assert model == locked(read(other, "dvc.lock"), "train")["models/model.safetensors"]
    said = dvc(other, "repro")
    assert "Running stage" not in said
    assert "up to date" in said


def test_compare_shows_experiments_of_former_commits_and_marks_other_classes(clean):
    git(clean, "commit", "-q", "--allow-empty", "-m", "a commit later")
    table = compare(clean, "--md")
    rows = {
        cells[1].replace("&nbsp;", "").strip(): cells[2:-1]
        for line in table.splitlines()
        if (cells := line.split("|"))[1:]
    }
    header = [cell.strip() for cell in rows.pop("")]
    rows = {name: dict(zip(header, map(str.strip, cells), strict=True)) for name, cells in rows.items()}
    tip, before = (git(clean, "log", "-1", "--format=%h %s", rev).strip() for rev in ("HEAD", "HEAD~1"))
    names = [name for name in rows if name != "---"]
    assert names[:3] == ["workspace", tip, before]
    assert set(names[3:5]) == {"smooth", "A \\*"}
    for name, experiment in (("A \\*", "A"), ("smooth", "smooth")):
        test, val = (json.loads(show(clean, experiment, f"metrics/{each}.json")) for each in ("test", "train"))
        assert rows[name]["test_top1"] == f"{test['test_top1']:.3f}"
        assert rows[name]["val_top1"] == f"{val['val_top1']:.3f}"
    assert (rows["A \\*"]["min_images_per_class"], rows["smooth"]["min_images_per_class"]) == ("5", "1")
    assert (rows["A \\*"]["label_smoothing"], rows["smooth"]["label_smoothing"]) == ("0.1", "0.2")
    assert "top1" not in header
    assert len(header) == len(set(header))
    sha = before.split()[0]
    marked = (
        f"* A: other classes (4 -> 3) and other test images (4 -> 3, 3 of them the same) than {sha}, so their figures"
    )
    assert f"{marked} do not compare" in table
    assert "* smooth" not in table

    narrow = compare(clean).splitlines()
    assert max(map(len, narrow)) <= 80
    assert any(line.endswith("…") for line in narrow)
    assert any(re.match(r"… \d+ more columns in a wider terminal or with --md: ", line) for line in narrow)
    assert "A *" not in compare(clean, "-n", "1")


def test_a_queue_runs_a_list_of_values_two_at_once_and_shows_what_failed(prepared, tmp_path):
    """DVC may lose one of two workers that end at once (treeverse/dvc 10398): what is left is started again.

    The stage is one of a second's work: a training in a copy is tried by `--temp`, of which a queue is many.
    """
    repo = copy_of(prepared, tmp_path)
    dvc(repo, "exp", "run", "--queue", "-S", "near_duplicates.max_distance=23,-1", "-n", "pairs")
    queued = compare(repo)
    assert queued.count("queued") == 2
    for _ in range(3):
        Running(repo, "dvc", "exp", "run", "--run-all", "-j", "2").ends()
        if "Queued" not in dvc(repo, "queue", "status"):
            break
    assert git(repo, "status", "--porcelain") == ""
    commit = parameters(git(repo, "show", "HEAD:params.yaml"))
    found = parameters(show(repo, "pairs-1", "params.yaml"))
    assert found == commit | {"near_duplicates": commit["near_duplicates"] | {"max_distance": 23}}
    lock = parameters(show(repo, "pairs-1", "dvc.lock"))["stages"]["near_duplicates"]
    assert lock["params"]["params.yaml"]["near_duplicates"]["max_distance"] == 23
    said = run_dvc(repo, "queue", "logs", "pairs-2").stdout
    assert "near_duplicates.max_distance" in said
    assert "(this ran in a copy: your working tree is as it was)" in said
    assert "git checkout" not in said
    table = compare(repo)
    assert re.search(r"^  pairs-2 +failed", table, re.MULTILINE)
    assert "failed: pairs-2; `dvc queue logs pairs-2` says why" in table
    assert "queued" not in table


def test_what_is_killed_or_stopped_goes_on_and_loses_nothing(prepared, tmp_path):
    """One training, by `dvc exp run` in the working tree and by `make try`: each goes on where the other came to."""
    repo = copy_of(prepared, tmp_path)
    six_epochs = ("-S", "profiles.tiny.train.epochs=6")

    in_tree = Running(repo, "dvc", "exp", "run", *six_epochs)
    in_tree.until("epoch 1:")
    in_tree.kill("stages.train")
    assert in_tree.ends() == 255
    gone = git(repo, "ls-files", "--deleted").split()
    assert set(gone) == {"metrics/train.json", "plots/curves.csv"}
    (repo / "metrics/test.json").write_text("mine\n", encoding="utf-8")
    follow(repo, recipe("After a failure, a kill or Ctrl-C"))
    left = ["M", "metrics/test.json", "M", "params.yaml"]
    assert git(repo, "status", "--porcelain").split() == left
    assert read(repo, "metrics/test.json") == "mine\n"
    assert "up to date" not in dvc(repo, "status")

    in_clone = Running(repo, "stages.commands.try_out", *six_epochs, "-n", "six")
    in_clone.until("resumed after epoch")
    in_clone.press_ctrl_c()
    assert in_clone.ends() == 130
    assert "try_out: stopped; the same line goes on from the last checkpoint" in in_clone.said
    assert not list((repo / ".dvc/tmp/tries").glob("*/"))

    in_clone = Running(repo, "stages.commands.try_out", *six_epochs, "-n", "six")
    in_clone.until("resumed after epoch")
    in_clone.kill("try_out", "dvc", "stages.train")
    in_clone.ends()
    assert list((repo / ".dvc/tmp/tries").glob("*/"))
    assert git(repo, "status", "--porcelain").split() == left
    assert read(repo, "metrics/test.json") == "mine\n"

    in_tree = Running(repo, "dvc", "exp", "run", *six_epochs, "-n", "in-tree")
    assert in_tree.ends() == 0, in_tree.said
    assert re.search(r"resumed after epoch [1-5]", in_tree.said)
    assert len(read(repo, "plots/curves.csv").splitlines()) == 1 + 6
    in_clone = Running(repo, "stages.commands.try_out", *six_epochs, "-n", "six")
    assert in_clone.ends() == 0, in_clone.said
    assert "Stage 'train' is cached - skipping run" in in_clone.said
    for path in ("dvc.lock", "params.yaml", *FIGURES):
        assert read(repo, path) == show(repo, "in-tree", path) == show(repo, "six", path)
    assert not list((repo / ".dvc/tmp/tries").glob("*/"))
