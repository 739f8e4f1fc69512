"""The budget of the image cache, and what is never evicted."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from stages.cache.database import Database
from stages.cache.directory import File, evicting, list_files, reading
from stages.cache.eviction import Room, evict, images_in_use
from stages.cache.index import INDEX_NAME, ImageIndex, index_row, note_use
from stages.images.measure import Measurement
from stages.runtime.errors import UserError
from stages.splitting.figures import number_classes
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import CLASSES, SPLITS
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.conftest import ROOT, available_rows, complaint, run_stage

FILE_BYTES = 1_000


def name(number: int) -> str:
    return f"{number:032x}.jpg"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Ten images, the first the oldest."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        (folder / name(number)).write_bytes(bytes(FILE_BYTES))
        os.utime(folder / name(number), (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def names(cache: Path) -> list[str]:
    return sorted(file.image_name for file in list_files(cache))


def evict_to(cache: Path, images: int, *, keep: set[str] = frozenset()):
    with ImageIndex(cache) as index:
        return evict(cache, list_files(cache), index, target_bytes=images * FILE_BYTES, keep=keep)


def test_the_oldest_go_first_until_the_rest_fits(cache):
    gone = evict_to(cache, 7)
    assert [file.image_name for file in gone] == [name(number) for number in range(3)]
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


def test_pack_holds_the_cache_while_it_reads(workspace, tmp_path):
    """The stage itself: its first worker finds the lock taken, as an eviction would."""
    code = (
        "import sys; from pathlib import Path; import stages.pack as pack\n"
        "from stages.cache.directory import evicting\n"
        "def write(*_words, **_options):\n"
        "    try:\n"
        "        with evicting(Path(sys.argv[1])): print('free')\n"
        "    except BlockingIOError: print('held')\n"
        "    return iter(())\n"
        "pack.write_shards = write; pack.main()"
    )
    images = tmp_path / "held"
    images.mkdir()
    rows = available_rows([{}, {}]).with_columns(group=pl.lit("g"))
    for split in SPLITS:
        write_table(rows, SPLIT, workspace / f"data/splits/{split}.parquet")
    write_table(
        number_classes(rows.with_columns(split=pl.lit("train"))), CLASSES, workspace / "data/splits/classes.csv"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "IMAGE_CACHE_DIR": str(images)}
    result = subprocess.run(
        [sys.executable, "-c", code, str(images)],
        cwd=workspace, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.stdout.splitlines()[:3] == ["held"] * 3, result.stderr
    with evicting(images):
        pass


def write_tables(workspace: Path, in_use: list[str]) -> None:
    rows = available_rows([{"image_name": image} for image in in_use])
    write_table(rows.head(2), AVAILABLE, workspace / "data/available.parquet")
    for split in SPLITS:
        write_table(rows.with_columns(group=pl.lit("g")), SPLIT, workspace / f"data/splits/{split}.parquet")


def test_the_tables_say_what_is_in_use(workspace):
    with pytest.raises(UserError, match=r"available\.parquet is missing"):
        images_in_use()
    assert images_in_use(missing_ok=True) == set()
    write_tables(workspace, [name(1), name(2), name(3)])
    assert images_in_use() == {name(1), name(2), name(3)}
    (workspace / "data/splits/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet is missing"):
        images_in_use()


@pytest.fixture
def teacher(workspace):
    content = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8")) | {"profile": "teacher"}
    content["download"]["cache_budget_gb"] = 7e-6
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return workspace


def test_the_command(teacher, cache):
    where = {"IMAGE_CACHE_DIR": str(cache)}
    assert "available.parquet is missing" in complaint(run_stage("commands.evict", teacher, **where))
    assert len(names(cache)) == 10
    write_tables(teacher, [name(0), name(1)])
    result = run_stage("commands.evict", teacher, **where)
    assert result.stdout.startswith("evict: 3 of 10 images deleted (0.0 MB); the cache holds 0.0 MB")
    assert "next: `make inventory`" in result.stdout
    assert names(cache)[:3] == [name(0), name(1), name(5)]
    said = run_stage("commands.evict", teacher, "--to-gb", "0", **where)
    assert said.returncode == 1
    assert "are in use" in said.stderr
    assert names(cache) == [name(0), name(1)]
    assert run_stage("commands.evict", teacher, "--to-gb", "0", "--also-in-use", **where).returncode == 0
    assert names(cache) == []


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


def test_use_that_cannot_be_noted_spoils_nothing(cache, capsys):
    with ImageIndex(cache):
        pass
    (cache / INDEX_NAME).write_bytes(b"SQLite format 3\0" + bytes(4000))
    note_use(cache, [name(1)])
    (cache / INDEX_NAME).unlink()
    (cache / INDEX_NAME).mkdir()
    note_use(cache, [name(1)])


def test_a_full_disk_is_an_error_of_the_disk(tmp_path):
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE a (b TEXT);", 1)
    database.execute("PRAGMA max_page_count = 4")
    with pytest.raises(OSError, match="No space left on device") as error:
        for _ in range(100):
            database.execute("INSERT INTO a VALUES (?)", ["x" * 4000])
    assert error.value.filename == str(tmp_path / "a.sqlite")


def test_a_transaction_is_whole_or_not_at_all(tmp_path):
    with Database(tmp_path / "a.sqlite", "CREATE TABLE a (b TEXT UNIQUE);", 1) as database:
        with pytest.raises(ZeroDivisionError), database.transaction():
            database.execute("INSERT INTO a VALUES ('x')")
            raise ZeroDivisionError
        assert database.execute("SELECT * FROM a") == []
        with pytest.raises(UserError, match="UNIQUE"):
            database.execute_many("INSERT INTO a VALUES (?)", [["x"], ["y"], ["x"]])
        assert database.execute("SELECT * FROM a") == []
