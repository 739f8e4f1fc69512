"""The inventory says what the cache holds, reads only what changed, and is the same however it is taken."""

import os
import shutil
import sqlite3

import pytest

from stages.cache.directory import list_files
from stages.cache.index import INDEX_NAME, ImageIndex, note_use
from stages.commands import inventory
from stages.commands.inventory import take_inventory
from stages.images.verdict import verdict
from stages.tables.inventory import INVENTORY, SOUND
from tests.support import SAMPLE
from tests.support.pictures import jpeg, picture
from tests.support.running import complaint, run_here


def name(number: int) -> str:
    return f"{number:032x}.jpg"


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    for number in range(70):
        (folder / name(number)).write_bytes(jpeg(picture(seed=number)) if number % 10 else b"<html>")
    (folder / "notes.txt").write_text("no image")
    (folder / f"{name(1)}.part").write_bytes(b"a download under way")
    return folder


def take(cache, params, **options):
    with ImageIndex(cache) as index:
        return take_inventory(
            cache, list(list_files(cache)), index, max_megapixels=params.inventory.max_megapixels, **options
        )


def test_it_judges_what_is_named_like_an_image(cache, params):
    table = take(cache, params)
    assert table.height == 70
    assert table.filter(verdict(params.inventory) == SOUND).height == 63
    assert table["image_name"].is_sorted()
    assert dict(table.schema) == INVENTORY


def test_the_number_of_workers_and_the_index_change_nothing(cache, params):
    one = take(cache, params, workers=0)
    again = take(cache, params, workers=2)
    (cache / INDEX_NAME).unlink()
    two = take(cache, params, workers=2)
    assert one.equals(two)
    assert one.equals(again)


def test_only_what_changed_is_read_again(cache, params, monkeypatch):
    take(cache, params)
    (cache / name(1)).write_bytes(jpeg(picture(seed=999)))
    (cache / name(2)).unlink()
    (cache / name(100)).write_bytes(jpeg(picture(seed=100)))
    same_size = (cache / name(3)).read_bytes()[::-1]
    (cache / name(3)).write_bytes(same_size)
    os.utime(cache / name(3), ns=(1, 1))
    read = []
    measure_files = inventory._measure_files

    def spy(directory, max_megapixels, files):
        read.extend(file.image_name for file in files)
        return measure_files(directory, max_megapixels, files)

    monkeypatch.setattr(inventory, "_measure_files", spy)
    table = take(cache, params, workers=0)
    assert sorted(read) == [name(1), name(3), name(100)]
    states = dict(table.select("image_name", "state").iter_rows())
    assert (states[name(100)], states[name(3)]) == ("decoded", "not_an_image")
    assert name(2) not in states


def test_a_stopped_inventory_goes_on_where_it_was(cache, params, monkeypatch):
    monkeypatch.setattr(inventory, "FILES_A_SAVE", 32)
    measure_files = inventory._measure_files
    calls = []

    def stopped(directory, max_megapixels, files):
        calls.append(len(files))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure_files(directory, max_megapixels, files)

    monkeypatch.setattr(inventory, "_measure_files", stopped)
    with pytest.raises(KeyboardInterrupt):
        take(cache, params, workers=0)
    assert take(cache, params, workers=0).height == 70
    assert calls == [32, 32, 32, 6]


def test_an_image_evicted_meanwhile_is_not_listed(cache, params):
    listed = list(list_files(cache))
    (cache / name(5)).unlink()
    with ImageIndex(cache) as index:
        table = take_inventory(cache, listed, index, max_megapixels=200, workers=0)
    assert table.height == 69
    assert name(5) not in table["image_name"]


def test_a_cache_that_is_not_mounted_costs_neither_inventory_nor_index(workspace, cache):
    environment = {"IMAGE_CACHE_DIR": str(cache)}
    table = workspace / "data/sources/sample/inventory.parquet"
    assert run_here("commands.inventory", workspace, **environment).returncode == 0
    before = table.read_bytes()
    cache.rename(cache.with_name("away"))
    cache.mkdir()
    assert "is it mounted?" in complaint(run_here("commands.inventory", workspace, **environment))
    assert table.read_bytes() == before
    cache.rmdir()  # nothing was left in the mount point
    cache.with_name("away").rename(cache)
    with ImageIndex(cache) as index:
        assert index.execute("SELECT count(*) FROM images") == [(70,)]


def test_a_raised_limit_of_pixels_has_the_larger_images_read_again(cache, params, monkeypatch):
    (cache / name(200)).write_bytes(jpeg(picture(1600, 1200)))

    def states(max_megapixels: float) -> dict[str, str]:
        with ImageIndex(cache) as index:
            table = take_inventory(cache, list(list_files(cache)), index, max_megapixels=max_megapixels, workers=0)
        return dict(table.select("image_name", "state").iter_rows())

    assert states(1)[name(200)] == "not_decoded"
    assert states(2)[name(200)] == "decoded"
    # Measured is measured: under a lower limit, the verdict follows without another look.
    monkeypatch.setattr(inventory, "_measure_files", lambda *_: 1 / 0)
    assert states(1)[name(200)] == "decoded"


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"x" * 5000, None])
def test_a_damaged_index_costs_time_and_nothing_else(cache, params, content):
    expected = take(cache, params)
    whole = (cache / INDEX_NAME).read_bytes()
    (cache / INDEX_NAME).write_bytes(whole[:3000] if content is None else content)
    assert take(cache, params).equals(expected)


OLDER = {
    2: ["ALTER TABLE images RENAME COLUMN gray_std TO grey_std"],
    3: [],
}


@pytest.mark.parametrize("version", OLDER)
def test_an_index_of_an_earlier_version_is_brought_up_to_date(cache, params, version, monkeypatch, capsys):
    """What has measures now that it had not is read again, and said; what has none is not, nor is its use forgotten."""
    (cache / name(200)).write_bytes(b"")
    (cache / name(201)).write_bytes(jpeg(picture(1600, 1200)))
    with ImageIndex(cache) as index:
        first = take_inventory(cache, list(list_files(cache)), index, max_megapixels=1, workers=0)
    note_use(cache, [name(1)])
    with sqlite3.connect(cache / INDEX_NAME) as older:
        for column in ("banding", "level_peaks", "flatness", "filled_share"):
            older.execute(f"ALTER TABLE images DROP COLUMN {column}")
        older.execute("ALTER TABLE images ADD COLUMN entropy_bits REAL")
        for statement in OLDER[version]:
            older.execute(statement)
        older.execute(f"PRAGMA user_version = {version}")
    older.close()
    read, measure_files = [], inventory._measure_files

    def spy(directory, max_megapixels, files):
        read.extend(file.image_name for file in files)
        return measure_files(directory, max_megapixels, files)

    monkeypatch.setattr(inventory, "_measure_files", spy)
    with ImageIndex(cache) as index:
        again = take_inventory(cache, list(list_files(cache)), index, max_megapixels=1, workers=0)
        assert list(index.used_s()) == [name(1)]
    assert again.equals(first)
    assert sorted(read) == [name(number) for number in range(70)]
    assert "70 files are read again" in capsys.readouterr().out
    read.clear()
    assert take(cache, params, workers=0).height == 72
    assert read == [name(201)], "it was too large before"


def test_a_cache_that_can_only_be_read_is_judged_too(cache, params, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert take(cache, params).height == 70
    assert not (cache / INDEX_NAME).exists()


def test_the_use_of_an_image_outlives_a_second_judging(cache, params):
    take(cache, params)
    note_use(cache, [name(1)])
    os.utime(cache / name(1), ns=(1, 1))
    take(cache, params)
    with ImageIndex(cache) as index:
        assert list(index.used_s()) == [name(1)]


def test_the_samples_inventory_is_true_to_the_bit(workspace):
    sample = workspace / "data/sources/sample"
    sample.mkdir(parents=True)
    shutil.copytree(SAMPLE / "images", sample / "images", ignore=shutil.ignore_patterns(".*"))
    result = run_here("commands.inventory", workspace)
    assert result.returncode == 0, result.stderr
    assert (sample / "inventory.parquet").read_bytes() == (SAMPLE / "inventory.parquet").read_bytes()


def test_bytes_that_rotted_in_secret_are_found_on_request(workspace, cache):
    """Same size, same time, other bytes: only ``--all`` reads such a file again."""
    run_here("commands.inventory", workspace, IMAGE_CACHE_DIR=str(cache))
    table = workspace / "data/sources/sample/inventory.parquet"
    before, image = table.read_bytes(), cache / name(1)
    times, content = image.stat(), image.read_bytes()
    image.write_bytes(content[::-1])
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    run_here("commands.inventory", workspace, IMAGE_CACHE_DIR=str(cache))
    assert table.read_bytes() == before
    result = run_here("commands.inventory", workspace, "--all", IMAGE_CACHE_DIR=str(cache))
    assert "sound 62, not_an_image 8" in result.stdout


def test_it_asks_where_the_images_are(workspace):
    assert "Set IMAGE_CACHE_DIR" in complaint(run_here("commands.inventory", workspace, IMAGE_CACHE_DIR=""))
    said = complaint(run_here("commands.inventory", workspace, IMAGE_CACHE_DIR="/nowhere"))
    assert said.startswith("inventory: IMAGE_CACHE_DIR: /nowhere is no directory")


def test_a_dot_env_file_names_the_cache(workspace, cache):
    (workspace / ".env").write_text(f"IMAGE_CACHE_DIR={cache}\n")
    result = run_here("commands.inventory", workspace)
    assert "70 files (sound 63, not_an_image 7)" in result.stdout
