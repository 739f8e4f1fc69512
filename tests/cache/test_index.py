"""The index is a help and no more: what becomes of it spoils nothing."""

import sqlite3

import pytest

from stages.cache.directory import list_files
from stages.cache.index import INDEX_NAME, REMEMBERED, ImageIndex, note_use
from tests.support.image_cache import name, names
from tests.support.watched import state_of


def test_a_damaged_index_is_made_anew_and_said_when_use_is_noted(cache, capsys):
    before = names(cache)
    with ImageIndex(cache):
        pass
    (cache / INDEX_NAME).write_bytes(b"SQLite format 3\0" + bytes(4000))
    note_use(cache, [name(1)])
    assert "could not be used" in (said := capsys.readouterr().out) and "made anew" in said
    assert names(cache) == before
    with ImageIndex(cache) as index:
        assert index.image_names().is_empty()
    assert capsys.readouterr().out == "", "the new index is sound"


def test_where_there_is_no_index_none_is_made_to_note_use(cache):
    before = names(cache)
    note_use(cache, [name(1)])
    assert not (cache / INDEX_NAME).exists()
    (cache / INDEX_NAME).mkdir()
    note_use(cache, [name(1)])
    assert (cache / INDEX_NAME).is_dir() and not list((cache / INDEX_NAME).iterdir())
    assert names(cache) == before


def fill_index(cache) -> None:
    with ImageIndex(cache) as index:
        rows = [(file.image_name, file.bytes, *[None] * (len(REMEMBERED) - 2)) for file in list_files(cache)]
        index.remember(rows, used_s=5.0)


@pytest.mark.parametrize("writer", [True, False])
def test_a_look_knows_what_is_in_the_index_and_changes_no_byte(cache, writer):
    fill_index(cache)
    with ImageIndex(cache) as other:
        other.execute("UPDATE images SET used_s = 7.0")
        if not writer:
            other.close()
        before = state_of(cache)
        with ImageIndex(cache, look_only=True) as index:
            assert index.used_s() == {name(number): 7.0 for number in range(10)}
            assert index.remembered().height == 10
            index.forget(names(cache))  # of what is in memory
            assert index.used_s() == {}
        after = state_of(cache)
    # Connections of one process share this memory, whoever opened it.
    shared = str(cache / f"{INDEX_NAME}-shm")
    assert {**after, shared: None} == {**before, shared: None}


def test_a_look_at_no_index_or_a_damaged_one_or_an_older_one_changes_no_byte(cache, capsys):
    before = state_of(cache)
    with ImageIndex(cache, look_only=True) as index:
        assert index.used_s() == {}
    assert state_of(cache) == before
    assert capsys.readouterr().out == ""
    for content in (b"SQLite format 3\0" + bytes(4000), b"x" * 5000):
        (cache / INDEX_NAME).write_bytes(content)
        before = state_of(cache)
        with ImageIndex(cache, look_only=True) as index:
            assert index.used_s() == {}
        assert state_of(cache) == before
        assert f"{cache / INDEX_NAME} could not be read" in capsys.readouterr().out
    (cache / INDEX_NAME).unlink()
    (cache / INDEX_NAME).mkdir()
    with ImageIndex(cache, look_only=True) as index:
        assert index.used_s() == {}
    said = capsys.readouterr().out
    assert f"{cache / INDEX_NAME} could not be read" in said
    assert "None" not in said
    (cache / INDEX_NAME).rmdir()
    fill_index(cache)
    with sqlite3.connect(cache / INDEX_NAME) as older:
        for column in ("banding", "level_peaks", "flatness", "filled_share"):
            older.execute(f"ALTER TABLE images DROP COLUMN {column}")
        older.execute("PRAGMA user_version = 3")
    older.close()
    before = state_of(cache)
    with ImageIndex(cache, look_only=True) as index:
        assert len(index.used_s()) == index.remembered().height == 10
    assert state_of(cache) == before


def test_of_a_cache_that_can_only_be_read_the_index_is_known(cache, monkeypatch):
    fill_index(cache)
    monkeypatch.setattr("os.access", lambda _path, _how: False)
    before = state_of(cache)
    with ImageIndex(cache) as index:
        assert len(index.used_s()) == 10
        index.forget([name(1)])
    assert state_of(cache) == before
