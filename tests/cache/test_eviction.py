"""What is worth least goes first, then the least recently used; never what is in use, never while others read."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.cache.directory import File, evicting, list_files, reading
from stages.cache.eviction import (
    BATCH,
    DRY_RUN_LIST,
    EVICTED_LOG,
    IN_SPLIT,
    LEFT_OUT,
    LIMIT,
    NO_IMAGE,
    NO_RECORD,
    NOT_USED,
    WHY,
    Room,
    Standing,
    choose,
    counts_in_words,
    evict,
    images_in_use,
    images_of_splits,
    list_dry_run,
)
from stages.cache.index import ImageIndex, index_row, note_use
from stages.images.measure import Measurement
from stages.runtime.errors import UserError
from tests.support import ROOT
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


# By age the wrong way round: what is worth most is the oldest.
STANDING = Standing(
    no_image={name(8), name(9)},
    limited={name(2), name(3), name(9)},
    recorded={name(number) for number in range(10)} - {name(6), name(7)},
    available={name(0), name(1)},
    in_split={name(0)},
)
IN_ORDER = [8, 9, 6, 7, 4, 5, 2, 3, 1, 0]
REASONS = [NO_IMAGE] * 2 + [NO_RECORD] * 2 + [NOT_USED] * 2 + [LIMIT] * 2 + [LEFT_OUT, IN_SPLIT]


@pytest.mark.parametrize("left", range(11))
def test_what_is_worth_least_goes_first(cache, left):
    with ImageIndex(cache) as index:
        gone = evict(
            cache, list_files(cache), index, target_bytes=left * FILE_BYTES, keep=frozenset(), standing=STANDING
        )
    assert [leaving.file.image_name for leaving in gone] == [name(number) for number in IN_ORDER[: 10 - left]]
    assert [leaving.why for leaving in gone] == REASONS[: 10 - left]
    assert names(cache) == sorted(map(name, IN_ORDER[10 - left :]))


def test_a_use_counts_among_equals_alone():
    files = [File(name(number), FILE_BYTES, number * 10**9) for number in range(10)]
    used_s = {name(8): 100.0, name(4): 90.0, name(2): 80.0}
    chosen = choose(files, used_s, target_bytes=0, keep=frozenset(), standing=STANDING)
    assert [leaving.file.image_name for leaving in chosen] == list(map(name, [9, 8, 6, 7, 5, 4, 3, 2, 1, 0]))


sets_of_names = st.sets(st.integers(0, 9).map(name))


@given(sets_of_names, sets_of_names, st.none() | sets_of_names, sets_of_names, sets_of_names, st.integers(0, 10_000))
def test_the_choice_is_enough_and_no_more_and_spares_what_is_to_be_kept(none, limited, recorded, in_use, keep, target):
    files = [File(name(number), 1000 + number, number) for number in range(10)]
    standing = Standing(none, limited, recorded, in_use, frozenset())
    chosen = choose(files, {}, target_bytes=target, keep=keep, standing=standing)
    gone = {leaving.file.image_name for leaving in chosen}
    left = [file for file in files if file.image_name not in gone]
    left_bytes = sum(file.bytes for file in left)
    assert not gone & keep
    assert left_bytes <= target or {file.image_name for file in left} <= keep
    assert not chosen or left_bytes + chosen[-1].file.bytes > target
    places = [list(WHY).index(leaving.why) for leaving in chosen]
    assert places == sorted(places)
    staying = [list(WHY).index(standing.why(file.image_name)) for file in left if file.image_name not in keep]
    assert not places or not staying or max(places) <= min(staying)


def test_every_file_that_goes_is_listed_and_a_dry_run_takes_none(cache):
    with ImageIndex(cache) as index:
        would_go = choose(list_files(cache), {}, target_bytes=7_000, keep=frozenset(), standing=STANDING)
        path = list_dry_run(cache, would_go)
        assert (path, len(names(cache))) == (cache / DRY_RUN_LIST, 10)
        for target_bytes in (7_000, 5_000):
            evict(cache, list_files(cache), index, target_bytes=target_bytes, keep=frozenset(), standing=STANDING)
    dry, real = (path.read_text(encoding="utf-8").splitlines() for path in (path, cache / EVICTED_LOG))
    assert dry[0] == real[0] == "at,image_name,bytes,last_used,why"
    assert [line.split(",")[1:] for line in dry] == [line.split(",")[1:] for line in real[:4]]
    assert real[1].endswith(f",{name(8)},1000,2023-11-14T22:13:28Z,no_image")
    assert [line.split(",")[1] for line in real[1:]] == [name(number) for number in IN_ORDER[:5]]


KILLED = """
import os, signal, sys
from pathlib import Path
from stages.cache.directory import list_files
from stages.cache.eviction import BATCH, evict
from stages.cache.index import ImageIndex
cache, unlink, left = Path(sys.argv[1]), os.unlink, [2 * BATCH + 3]
def one_less(path, **words):
    if str(path).endswith(".jpg"):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    unlink(path, **words)
os.unlink = one_less
with ImageIndex(cache) as index:
    evict(cache, list_files(cache), index, target_bytes=0, keep=frozenset())
"""


def test_an_eviction_that_is_killed_has_listed_all_but_the_last_files(cache):
    for number in range(10, 3 * BATCH):
        (cache / name(number)).write_bytes(b"x")
    process = subprocess.run([sys.executable, "-c", KILLED, str(cache)], cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL
    listed = {line.split(",")[1] for line in (cache / EVICTED_LOG).read_text(encoding="utf-8").splitlines()[1:]}
    went = {name(number) for number in range(3 * BATCH)} - set(names(cache))
    assert len(went) == 2 * BATCH + 2
    assert listed < went
    assert len(listed) == 2 * BATCH
    with ImageIndex(cache) as index:
        evict(cache, list_files(cache), index, target_bytes=0, keep=frozenset())
    assert names(cache) == []


def test_what_another_process_has_put_there_meanwhile_stays(cache):
    files = list(list_files(cache))
    (cache / name(0)).write_bytes(b"a whole image, in place of a broken one")
    with ImageIndex(cache) as index:
        gone = evict(cache, files, index, target_bytes=0, keep=frozenset())
    assert names(cache) == [name(0)]
    assert len(gone) == 9


def test_a_list_that_cannot_be_written_stops_no_eviction(cache, capsys):
    (cache / EVICTED_LOG).mkdir()
    evict_to(cache, 4)
    assert len(names(cache)) == 4
    assert f"{cache / EVICTED_LOG}: Is a directory: what was evicted is not listed there" in capsys.readouterr().out


def test_what_went_is_counted_by_reason():
    files = [File(name(number), FILE_BYTES, number) for number in range(10)]
    chosen = choose(files, {}, target_bytes=5_000, keep=frozenset(), standing=STANDING)
    assert counts_in_words(chosen) == [
        "no_image: 2 files that are no image (0.0 MB)",
        "no_record: 2 images that no record names (0.0 MB)",
        "not_used: 1 images that a record names and no table uses (0.0 MB)",
    ]


def test_room_is_made_in_the_same_order_and_of_no_image_that_a_record_names(cache, workspace):
    write_tables(workspace, [name(0)])
    said = []
    with ImageIndex(cache) as index:
        files = list(list_files(cache))
        room = Room(
            cache,
            files,
            index,
            budget_bytes=10_000,
            wanted=STANDING.recorded,
            tell=said.append,
            standing=lambda: STANDING,
        )
        assert room.has(FILE_BYTES)
        assert names(cache) == [*map(name, range(8))]  # both files that are no image: a hundredth more than needed
        assert room.has(3 * FILE_BYTES)
        assert names(cache) == [*map(name, range(6))]
        assert not room.has(9 * FILE_BYTES)
        assert names(cache) == [*map(name, range(6))]
    assert said[0] == f"2 images evicted (no_image 2), 0.0 MB, listed in {cache / EVICTED_LOG}"


def test_the_images_of_the_splits_are_those_of_the_tables_that_are_there(workspace):
    assert images_of_splits() == set()
    write_tables(workspace, [name(1), name(2), name(3)])
    assert images_of_splits() == {name(1), name(2), name(3)}
