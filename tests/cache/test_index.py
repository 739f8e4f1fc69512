"""The index is a help and no more: what becomes of it spoils nothing."""

from stages.cache.index import INDEX_NAME, ImageIndex, note_use
from tests.support.image_cache import name, names


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
