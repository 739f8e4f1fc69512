"""What DVC's cache holds of the last run is found, whole or not at all."""

import errno

import pytest
import yaml

from stages.runtime.last_run import GoneError, differing, last_run
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
        last.place(last.file("a.json"), repo / "models/a.json")
    assert (repo / "there/2").read_bytes() == b"two"
    assert (repo / "models/a.json").read_bytes() == b'{"b": [1]}'


@pytest.mark.parametrize("links", ["copy", "hardlink,symlink", "symlink"])
def test_a_file_is_put_in_place_as_dvc_is_set_to(repo, links):
    stored = store_run(repo, {"a": b"one"})
    with (repo / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    type = '{links}'\n")
    with last_run() as last:
        last.place(last.file("a"), repo / "b")
    path = repo / "b"
    assert path.read_bytes() == b"one"
    found = "symlink" if path.is_symlink() else "hardlink" if path.stat().st_nlink > 1 else "copy"
    assert found == links.split(",")[0]
    # What is written there later is another file: the cache stays as it is.
    path.unlink()
    path.write_bytes(b"two")
    assert object_of(repo, stored["a"]).read_bytes() == b"one"


def test_where_dvc_may_make_no_link_that_can_be_made_a_file_is_copied(repo, monkeypatch):
    store_run(repo, {"a": b"one"})
    with (repo / ".dvc/config").open("a") as config:
        config.write("[cache]\n    type = 'reflink'\n")

    def no_link(*_words, **_options) -> None:
        raise OSError(errno.ENOTSUP, "no more link types left to try out")

    monkeypatch.setattr("stages.runtime.last_run.transfer", no_link)
    with last_run() as last:
        last.place(last.file("a"), repo / "b")
    assert (repo / "b").read_bytes() == b"one"


@pytest.mark.parametrize("damage", [b"", b"on", b"oNe"])
def test_what_is_damaged_is_gone_and_deleted(repo, damage):
    """DVC would keep it where the right bytes are stored again, and give it out."""
    stored = store_run(repo, {"a": b"one", "folder": {"1": b"x"}})
    for name in ("a", "folder"):
        object_of(repo, stored[name]).write_bytes(damage)
    with last_run() as last:
        with pytest.raises(GoneError, match=r"the last run's a was damaged in DVC's cache, and is deleted there"):
            last.read("a")
        with pytest.raises(GoneError, match=r"the last run's folder was damaged in DVC's cache"):
            last.files("folder")
    assert not any(object_of(repo, digest).exists() for digest in stored.values())


def test_what_is_not_there_is_gone_and_it_says_where(repo):
    stored = store_run(repo, {"a": b"one", "list": b"[]", "text": b"{"})
    object_of(repo, stored["a"]).unlink()
    with last_run() as last:
        for look in (last.read, last.read_json, last.files, last.file):
            with pytest.raises(GoneError, match=r"DVC's cache holds no a of an earlier run$"):
                look("a")
        with pytest.raises(GoneError, match=r"dvc\.lock knows no b"):
            last.read("b")
        for name in ("list", "text"):
            with pytest.raises(GoneError, match=f"{name} is of another version"):
                last.read_json(name)


@pytest.mark.parametrize("digest", [None, 12345, ["a"]])
def test_a_lock_that_was_written_by_hand_is_none(repo, digest):
    store_run(repo, {"a": b"one"})
    lock = yaml.safe_load((repo / "dvc.lock").read_text())
    lock["stages"]["stage"]["outs"][0]["md5"] = digest
    (repo / "dvc.lock").write_text(yaml.safe_dump(lock))
    with pytest.raises(GoneError, match=r"dvc\.lock is no lock of DVC's"), last_run():
        pass


def test_where_there_is_no_repo_or_no_lock_nothing_is_found_and_it_says_why(workspace):
    with pytest.raises(GoneError, match="you are not inside of a DVC repository"), last_run():
        pass
    init_dvc(workspace)
    with last_run() as last, pytest.raises(GoneError, match=r"dvc\.lock knows no a of an earlier run"):
        last.read("a")
    (workspace / "dvc.lock").write_text("<<<<<<< HEAD")
    with pytest.raises(GoneError, match=r"dvc\.lock is no lock of DVC's"), last_run():
        pass


def test_what_differs_is_named_down_to_the_key():
    wanted = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert differing(wanted, {"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == ""
    assert differing(wanted, {"a": {"b": 1, "c": {"d": 3}}, "e": 3}) == "other a.c.d"
    assert differing(wanted, {"a": {"b": 2, "c": 5}}) == "other a.b, a.c, e"
    assert differing(wanted, {"f": 1, "g": 2, "h": 3}) == "other a, e, f, g and 1 more"
    assert differing(wanted, ["something else"]) == "other a, e"
