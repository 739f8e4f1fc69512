"""Whether results are of the code and parameters beside them is said; a clone without data is not stale."""

import shutil

import pytest
from dvc.repo import Repo

from stages.runtime.freshness import stale_stages
from tests.support.clones import git

PIPELINE = """
stages:
  first: {cmd: "true", params: [size], deps: [code.py], outs: [made]}
  second: {cmd: "true", deps: [made], outs: [after]}
"""


@pytest.fixture
def repo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    for name, text in (
        ("dvc.yaml", PIPELINE),
        ("params.yaml", "size: 1"),
        ("code.py", ""),
        ("made", "1"),
        ("after", "2"),
    ):
        (tmp_path / name).write_text(text)
    Repo.init().close()
    with Repo() as dvc:
        dvc.commit(force=True)
    return tmp_path


def said() -> str:
    with Repo() as dvc:
        return stale_stages(dvc)


def test_nothing_is_said_of_what_was_made_by_what_is_there_nor_of_what_is_not_there(repo):
    assert said() == ""
    (repo / "made").unlink()
    (repo / "after").unlink()
    assert said() == ""
    shutil.rmtree(repo / ".dvc/cache")  # as in a clone
    assert said() == ""


@pytest.mark.parametrize(
    ("name", "text", "stages", "cause"),
    [
        ("code.py", "SIZE = 2", "first", "code.py"),
        ("params.yaml", "size: 2", "first", "size"),
        ("made", "3", "first, second", "made"),
        ("dvc.yaml", PIPELINE.replace('"true", params', '"false", params'), "first", "command"),
    ],
)
def test_what_is_another_one_is_named(repo, name, text, stages, cause):
    (repo / name).write_text(text)
    assert said().startswith(f"Results of {stages} are not of this working tree: they were made with another {cause}")


def test_a_file_that_a_person_gave_to_dvc_is_no_result(repo):
    (repo / "published").write_text("1")
    with Repo() as dvc:
        dvc.add("published")
    (repo / "published").unlink()
    (repo / "published").write_text("2")
    assert said() == ""
