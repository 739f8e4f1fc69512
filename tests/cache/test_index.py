"""The index is a help and no more: what becomes of it spoils nothing."""

from stages.cache.index import INDEX_NAME, ImageIndex, note_use
from tests.support.image_cache import name


def test_use_that_cannot_be_noted_spoils_nothing(cache, capsys):
    with ImageIndex(cache):
        pass
    (cache / INDEX_NAME).write_bytes(b"SQLite format 3\0" + bytes(4000))
    note_use(cache, [name(1)])
    (cache / INDEX_NAME).unlink()
    (cache / INDEX_NAME).mkdir()
    note_use(cache, [name(1)])
