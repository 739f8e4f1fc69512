"""What git and DVC have of a commit is found: by whatever it is called, in the cache or the remote, or not at all."""

import os
import shutil
import socket
import subprocess
import sys

import psutil
import pytest
from dvc.repo import Repo

from stages.runtime.errors import UserError
from stages.runtime.trees import TrackedFiles, Tree, changed_files, find_tree, said_of
from tests.support import ROOT
from tests.support.clones import git
from tests.support.stored import object_of, store_run

OUTPUTS = {"model.bin": b"weights", "tables": {"a.csv": b"1", "deep/b.csv": b"2"}}
PIPELINE = "stages: {stage: {cmd: make, outs: [model.bin, tables]}}\n"
NAMES = ["model.bin", "tables/a.csv", "tables/deep/b.csv", "tables/c.csv", "other"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repo of two commits, whose outputs are in DVC's cache alone."""
    folder = tmp_path_factory.mktemp("trees") / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    Repo.init(str(folder)).close()
    (folder / "dvc.yaml").write_text(PIPELINE)
    store_run(folder, OUTPUTS)
    (folder / "metrics").mkdir()
    (folder / "metrics/a b.json").write_text("{}")
    (folder / "metrics/ä.json").write_text("1")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "the first")
    (folder / "metrics/ä.json").write_text("2")
    git(folder, "commit", "-qam", "the second")
    git(folder, "tag", "v1", "HEAD~1")
    return folder


@pytest.fixture
def repo(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "repo")
    monkeypatch.chdir(tmp_path / "repo")
    return tmp_path / "repo"


def experiment(repo, name: str, of: str, commit: str) -> None:
    sha = git(repo, "rev-parse", of).strip()
    git(repo, "update-ref", f"refs/exps/{sha[:2]}/{sha[2:]}/{name}", commit)


def test_a_commit_is_found_by_every_name_that_git_and_dvc_have_for_it(repo):
    first, second = (git(repo, "rev-parse", name).strip() for name in ("HEAD~1", "HEAD"))
    experiment(repo, "pale-moon", "HEAD", first)
    for name in (first, first[:8], "HEAD~1", "v1", "main~1", "pale-moon", "HEAD^{/first}"):
        assert find_tree(name) == Tree(name, first)
    assert find_tree("main") == Tree("main", second)
    assert said_of(find_tree("v1")).endswith(": the first")


def test_what_is_no_commit_is_one_line(repo):
    for name in ("", " ", "nowhere", "-n", "--all", "HEAD:dvc.yaml", "HEAD~7", "a\nb", "refs/exps", "@{u}"):
        with pytest.raises(UserError, match="is no commit, branch, tag or experiment here"):
            find_tree(name)


def test_in_a_shallow_clone_it_is_said_what_brings_older_commits(repo, tmp_path, monkeypatch):
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    with pytest.raises(UserError, match=r"clone has only the last commits: `git fetch --unshallow` brings the others$"):
        find_tree("HEAD~1")


def test_the_index_of_git_is_left_to_others(repo):
    """Who commits meanwhile finds no lock."""
    (repo / ".git/index.lock").write_text("")  # as of a commit that is under way
    os.utime(repo / "metrics/ä.json", (1, 1))
    before = (repo / ".git/index").read_bytes()
    assert said_of(Tree("working tree")).endswith(": the second")
    (repo / ".git/index.lock").unlink()
    said_of(Tree("working tree"))
    assert (repo / ".git/index").read_bytes() == before


def test_a_branch_that_only_the_origin_has_is_named(repo):
    git(repo, "update-ref", "refs/remotes/origin/theirs", "HEAD")
    with pytest.raises(UserError, match=r"^theirs is no .* here, but origin/theirs is one: name that$"):
        find_tree("theirs")


def test_of_experiments_with_one_name_that_of_the_last_commit_is_meant(repo):
    first, second = (git(repo, "rev-parse", name).strip() for name in ("HEAD~1", "HEAD"))
    experiment(repo, "decay-1", "HEAD~1", first)
    experiment(repo, "decay-1", "HEAD", second)
    assert find_tree("decay-1").commit == second
    git(repo, "commit", "-q", "--allow-empty", "-m", "the third")
    with pytest.raises(UserError, match=rf"2 experiments have this name: .*({first[:10]}|{second[:10]})"):
        find_tree("decay-1")


def test_files_of_git_are_read_at_a_commit_and_in_the_working_tree(repo):
    (repo / "metrics/new.json").write_text("3")
    (repo / "metrics/left.json").write_text("4")
    (repo / ".gitignore").write_text("left.json\n")
    (repo / "metrics/a b.json").unlink()
    first, working = find_tree("HEAD~1"), Tree("working tree")
    assert first.files("metrics") == ["metrics/a b.json", "metrics/ä.json"]
    assert working.files("metrics") == ["metrics/new.json", "metrics/ä.json"]
    assert (first.read("metrics/ä.json"), working.read("metrics/ä.json")) == (b"1", b"2")
    assert (first.read("metrics/new.json"), working.read("metrics/new.json")) == (None, b"3")
    assert (first.read("metrics"), working.read("metrics")) == (None, None)
    assert changed_files(first, ["metrics"]) == ["metrics/a b.json", "metrics/new.json", "metrics/ä.json"]
    assert "with 3 files changed since" in said_of(working)


def test_three_dots_mean_the_commit_at_which_a_branch_was_left(repo):
    left_at = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "branch", "before")
    git(repo, "checkout", "-q", "-b", "other")
    git(repo, "commit", "-q", "--allow-empty", "-m", "what the other branch got since")
    git(repo, "checkout", "-q", "before")
    git(repo, "commit", "-q", "--allow-empty", "-m", "mine")
    assert find_tree("other").commit == git(repo, "rev-parse", "other").strip()
    assert find_tree("other...").commit == left_at
    with pytest.raises(UserError, match="gone is no commit"):
        find_tree("gone...")
    git(repo, "checkout", "-q", "--orphan", "alone")
    git(repo, "commit", "-q", "--allow-empty", "-m", "of its own")
    with pytest.raises(UserError, match="no commit in common"):
        find_tree("other...")


def test_outputs_come_from_the_cache_and_what_the_lock_does_not_know_is_said(repo):
    with Repo() as dvc:
        found = TrackedFiles(dvc, wait_s=1).find(find_tree("HEAD~1"), NAMES)
    assert {name: path.read_bytes() for name, path in found.paths.items()} == {
        "model.bin": b"weights", "tables/a.csv": b"1", "tables/deep/b.csv": b"2",
    }  # fmt: skip
    assert found.missing["other"] == "its pipeline does not write it"
    assert found.missing["tables/c.csv"].startswith("not in DVC's cache, and there is no remote: ")


def test_of_the_working_tree_what_lies_there_is_taken_and_else_what_its_lock_names(repo):
    (repo / "model.bin").write_bytes(b"others")
    with Repo() as dvc:
        found = TrackedFiles(dvc, wait_s=1).find(Tree("working tree"), NAMES[:2])
    assert [path.read_bytes() for path in found.paths.values()] == [b"others", b"1"]


def test_a_damaged_object_is_not_taken(repo):
    object_of(repo, store_run(repo, OUTPUTS)["model.bin"]).write_bytes(b"weight!")
    with Repo() as dvc:
        found = TrackedFiles(dvc, wait_s=1).find(find_tree("HEAD"), ["model.bin"])
    assert found.missing["model.bin"].startswith(
        "was damaged in DVC's cache, and is deleted there, and there is no remote"
    )


def test_a_lock_that_is_none_is_said(repo):
    for lock in (b"", b"stages: 7\n", b"<<<<<<< HEAD\n", b"\xff", b"stages: {a: {outs: [{path: 1}]}}\n"):
        (repo / "dvc.lock").write_bytes(lock)
        with Repo() as dvc:
            found = TrackedFiles(dvc, wait_s=1).find(Tree("working tree"), ["model.bin"])
        assert found.missing == {"model.bin": "its dvc.lock is none of DVC's"}


@pytest.mark.slow
def test_what_the_cache_lacks_comes_from_the_remote_which_is_not_waited_for_without_end(repo, tmp_path):
    shutil.move(repo / ".dvc/cache", tmp_path / "remote")

    def found(url: str, wait_s: float) -> tuple[set[str], str]:
        with Repo() as dvc, dvc.config.edit("local") as config:
            config["core"] = {"remote": "store"}
            config["remote"] = {"store": {"url": url}}
        with Repo() as dvc:
            both = TrackedFiles(dvc, wait_s=wait_s).find(find_tree("HEAD"), NAMES[:2])
        return set(both.paths), next(iter(both.missing.values()), "")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        names, said = found(f"http://ann:secret@127.0.0.1:{silent.getsockname()[1]}/", 0.6)
    assert names == set()
    assert "/) does not answer within 1 s: " in said
    assert "secret" not in said
    names, said = found("http://127.0.0.1:9/", 60)
    assert names == set()
    assert "the remote store (http://127.0.0.1:9/) does not have it or does not answer: " in said
    assert found(str(tmp_path / "remote"), 60) == ({"model.bin", "tables/a.csv"}, "")


_FIND = """
from dvc.repo import Repo
from stages.runtime.trees import TrackedFiles, find_tree
if __name__ == "__main__":
    with Repo() as dvc:
        TrackedFiles(dvc, wait_s=300).find(find_tree("HEAD"), ["model.bin"])
"""


def test_who_is_killed_while_a_remote_is_silent_leaves_no_process_that_holds_dvc_s_lock(repo, tmp_path):
    shutil.rmtree(repo / ".dvc/cache")
    (tmp_path / "finds.py").write_text(_FIND)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        with Repo() as dvc, dvc.config.edit("local") as config:
            config["core"] = {"remote": "store"}
            config["remote"] = {"store": {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/"}}
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        finding = subprocess.Popen([sys.executable, tmp_path / "finds.py"], env=environment)
        asked, _ = silent.accept()  # so it waits now, and DVC is locked
        with asked:
            left = psutil.Process(finding.pid).children(recursive=True)
            finding.kill()
            finding.wait()
            _, alive = psutil.wait_procs(left, timeout=20)
            for process in alive:
                process.kill()
    assert left
    assert alive == []
