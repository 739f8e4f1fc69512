"""The least recently used images go first, never those in use, never while others read."""

from pathlib import Path

import pytest

from stages.cache.directory import File, evicting, list_files, reading
from stages.cache.eviction import Room, evict, images_in_use
from stages.cache.index import ImageIndex, index_row, note_use
from stages.images.measure import Measurement
from stages.runtime.errors import UserError
from tests.support.image_cache import FILE_BYTES, name, names, write_tables


def evict_to(cache: Path, images: int, *, keep: set[str] = frozenset()):
    with ImageIndex(cache) as index:
        return evict(cache, list_files(cache), index, target_bytes=images * FILE_BYTES, keep=keep)


def test_the_oldest_go_first_until_the_rest_fits(cache):
    gone = evict_to(cache, 7)
    assert [leaving.file.image_name for leaving in gone] == [name(number) for number in range(3)]
    assert names(cache) == [name(number) for number in range(3, 10)]
    assert evict_to(cache, 7) == []


def test_use_counts_and_not_age(cache, params):
    with ImageIndex(cache) as index:
        rows = [index_row(file, Measurement("decoded", file.bytes, "d")) for file in list_files(cache)]
        index.remember(rows)
    note_use(cache, [name(0), name(1)])
    evict_to(cache, 8)
    assert names(cache) == sorted([name(0), name(1), *map(name, range(4, 10))])
    with ImageIndex(cache) as index:
        assert index.remembered().height == 8


def test_what_is_to_be_kept_stays_whatever_that_means_for_the_budget(cache):
    keep = {name(number) for number in range(6)}
    evict_to(cache, 2, keep=keep)
    assert names(cache) == sorted(keep)


def test_nothing_goes_while_another_process_reads(cache):
    with reading(cache), pytest.raises(UserError, match="is being read"):
        evict_to(cache, 0)
    assert len(names(cache)) == 10
    with evicting(cache), pytest.raises(UserError, match="is being read"):
        evict_to(cache, 0)
    assert len(evict_to(cache, 0)) == 10


def test_the_tables_say_what_is_in_use(workspace):
    with pytest.raises(UserError, match=r"available\.parquet is missing"):
        images_in_use()
    assert images_in_use(missing_ok=True) == set()
    write_tables(workspace, [name(1), name(2), name(3)])
    assert images_in_use() == {name(1), name(2), name(3)}
    (workspace / "data/splits/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet is missing"):
        images_in_use()


def test_room_is_made_as_often_as_it_is_needed(cache, workspace):
    write_tables(workspace, [name(9)])
    said = []
    with ImageIndex(cache) as index:
        files = list(list_files(cache))
        wanted = [name(8), *(f"new{number}.jpg" for number in range(8))]
        room = Room(cache, files, index, budget_bytes=10_000, wanted=wanted, tell=said.append)
        assert room.has(0)
        assert said == []
        for number in range(8):
            assert room.has(FILE_BYTES)
            room.stored(File(f"new{number}.jpg", FILE_BYTES, 2 * 10**18))
        assert names(cache) == [name(8), name(9)]
        assert not room.has(FILE_BYTES)
        assert len(said) < 10


def test_an_image_in_place_of_another_one_is_counted_once(cache):
    with ImageIndex(cache) as index:
        room = Room(cache, list_files(cache), index, budget_bytes=11_000, wanted=[], tell=lambda _line: None)
        room.stored(File(name(1), FILE_BYTES, 0))
        assert room.has(FILE_BYTES)
        room.gone(name(2))
        room.gone(name(2))
        assert room.has(2 * FILE_BYTES)
