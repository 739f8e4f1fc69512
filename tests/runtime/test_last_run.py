"""What DVC's cache holds of the last run is found, whole or not at all."""

import pytest

from stages.runtime.last_run import GoneError, last_run
from tests.support.stored import init_dvc, object_of, store_run


@pytest.fixture
def repo(workspace):
    init_dvc(workspace)
    return workspace


def test_files_and_folders_of_the_last_run_are_found(repo):
    store_run(repo, {"a.json": b'{"b": [1]}', "folder": {"x/1": b"one", "2": b"two"}})
    with last_run() as last:
        assert last.read("a.json") == b'{"b": [1]}'
        assert last.read_json("a.json") == {"b": [1]}
        files = last.files("folder")
        assert {name: path.read_bytes() for name, path in files.items()} == {"x/1": b"one", "2": b"two"}
        last.place(files["2"], repo / "there/2")
        last.restore("a.json", repo / "models/a.json")
    assert (repo / "there/2").read_bytes() == b"two"
    assert (repo / "models/a.json").read_bytes() == b'{"b": [1]}'


@pytest.mark.parametrize("links", ["copy", "hardlink,symlink", "symlink"])
def test_a_file_is_put_in_place_as_dvc_is_set_to(repo, links):
    stored = store_run(repo, {"a": b"one"})
    with (repo / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    type = '{links}'\n")
    with last_run() as last:
        last.restore("a", repo / "b")
    path = repo / "b"
    assert path.read_bytes() == b"one"
    found = "symlink" if path.is_symlink() else "hardlink" if path.stat().st_nlink > 1 else "copy"
    assert found == links.split(",")[0]
    # What is written there later is another file: the cache stays as it is.
    path.unlink()
    path.write_bytes(b"two")
    assert object_of(repo, stored["a"]).read_bytes() == b"one"


@pytest.mark.parametrize("damage", [b"", b"on", b"oNe"])
def test_what_is_damaged_is_gone(repo, damage):
    stored = store_run(repo, {"a": b"one", "folder": {"1": b"x"}})
    for name in ("a", "folder"):
        object_of(repo, stored[name]).write_bytes(damage)
    with last_run() as last:
        for look in (last.read, lambda name: last.restore(name, repo / "b")):
            with pytest.raises(GoneError, match=r"a is damaged in DVC's cache"):
                look("a")
        with pytest.raises(GoneError, match=r"folder is damaged in DVC's cache"):
            last.files("folder")
    assert not (repo / "b").exists()


def test_what_is_not_there_is_gone_and_it_says_where(repo):
    stored = store_run(repo, {"a": b"one", "list": b"[]", "text": b"{"})
    object_of(repo, stored["a"]).unlink()
    with last_run() as last:
        for look in (last.read, last.read_json, last.files, lambda name: last.restore(name, repo / "b")):
            with pytest.raises(GoneError, match=r"the last run's a is not in DVC's cache$"):
                look("a")
        with pytest.raises(GoneError, match=r"dvc\.lock knows no b"):
            last.read("b")
        for name in ("list", "text"):
            with pytest.raises(GoneError, match=f"{name} is of another version"):
                last.read_json(name)


def test_where_there_is_no_repo_or_no_lock_nothing_is_found(workspace):
    with last_run() as last, pytest.raises(GoneError, match="knows no a"):
        last.read("a")
    init_dvc(workspace)
    with last_run() as last, pytest.raises(GoneError, match="knows no a"):
        last.read("a")
    (workspace / "dvc.lock").write_text("<<<<<<< HEAD")
    with last_run() as last, pytest.raises(GoneError, match="knows no a"):
        last.read("a")
