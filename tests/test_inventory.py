"""The inventory says what the cache holds, reads only what changed, and is the same however it is taken."""

import os
import shutil

import polars as pl
import pytest

from stages.cache_filter import join_verdicts, summarise
from stages.download import inventory
from stages.download.cache import list_files
from stages.download.index import INDEX_NAME, ImageIndex, note_use
from stages.download.inventory import take_inventory
from stages.tables import INVENTORY, RECORDS, SOUND, read_table
from tests.conftest import ROOT, available_rows, complaint, jpeg, picture, run_stage


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
        return take_inventory(cache, list(list_files(cache)), params.inventory, index, **options)


def test_it_judges_what_is_named_like_an_image(cache, params):
    table = take(cache, params)
    assert table.height == 70
    assert table.filter(pl.col("verdict") == SOUND).height == 63
    assert table["image_name"].is_sorted()
    assert dict(table.schema) == INVENTORY


def test_the_number_of_workers_and_the_index_change_nothing(cache, params):
    one = take(cache, params, workers=1)
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
    judge_files = inventory._judge_files

    def spy(directory, limits, files):
        read.extend(file.image_name for file in files)
        return judge_files(directory, limits, files)

    monkeypatch.setattr(inventory, "_judge_files", spy)
    table = take(cache, params, workers=1)
    assert sorted(read) == [name(1), name(3), name(100)]
    verdicts = dict(table.select("image_name", "verdict").iter_rows())
    assert (verdicts[name(100)], verdicts[name(3)]) == (SOUND, "not_an_image")
    assert name(2) not in verdicts


def test_a_stopped_inventory_goes_on_where_it_was(cache, params, monkeypatch):
    monkeypatch.setattr(inventory, "FILES_A_SAVE", 32)
    judge_files = inventory._judge_files
    calls = []

    def stopped(directory, limits, files):
        calls.append(len(files))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return judge_files(directory, limits, files)

    monkeypatch.setattr(inventory, "_judge_files", stopped)
    with pytest.raises(KeyboardInterrupt):
        take(cache, params, workers=1)
    assert take(cache, params, workers=1).height == 70
    assert calls == [32, 32, 32, 6]


def test_an_image_evicted_meanwhile_is_not_listed(cache, params):
    listed = list(list_files(cache))
    (cache / name(5)).unlink()
    with ImageIndex(cache) as index:
        table = take_inventory(cache, listed, params.inventory, index, workers=1)
    assert table.height == 69
    assert name(5) not in table["image_name"]


def test_a_cache_that_is_not_mounted_costs_neither_inventory_nor_index(workspace, cache):
    environment = {"IMAGE_CACHE_DIR": str(cache)}
    table = workspace / "data/sources/sample/inventory.parquet"
    assert run_stage("download.inventory", workspace, **environment).returncode == 0
    before = table.read_bytes()
    cache.rename(cache.with_name("away"))
    cache.mkdir()
    assert "is it mounted?" in complaint(run_stage("download.inventory", workspace, **environment))
    assert table.read_bytes() == before
    cache.rmdir()  # nothing was left in the mount point
    cache.with_name("away").rename(cache)
    with ImageIndex(cache) as index:
        assert index.execute("SELECT count(*) FROM images") == [(70,)]


def test_other_limits_judge_anew(cache, params):
    assert take(cache, params).filter(pl.col("verdict") == SOUND).height == 63
    strict = params.model_copy(update={"inventory": params.inventory.model_copy(update={"min_side_px": 4096})})
    assert take(cache, strict).filter(pl.col("verdict") == "too_small").height == 63


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"x" * 5000, None])
def test_a_damaged_index_costs_time_and_nothing_else(cache, params, content):
    expected = take(cache, params)
    whole = (cache / INDEX_NAME).read_bytes()
    (cache / INDEX_NAME).write_bytes(whole[:3000] if content is None else content)
    assert take(cache, params).equals(expected)


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
    shutil.copytree(ROOT / "data/sources/sample/images", sample / "images", ignore=shutil.ignore_patterns(".*"))
    result = run_stage("download.inventory", workspace)
    assert result.returncode == 0, result.stderr
    assert (sample / "inventory.parquet").read_bytes() == (ROOT / "data/sources/sample/inventory.parquet").read_bytes()


def test_bytes_that_rotted_in_secret_are_found_on_request(workspace, cache):
    """Same size, same time, other bytes: only ``--all`` reads such a file again."""
    run_stage("download.inventory", workspace, IMAGE_CACHE_DIR=str(cache))
    table = workspace / "data/sources/sample/inventory.parquet"
    before, image = table.read_bytes(), cache / name(1)
    times, content = image.stat(), image.read_bytes()
    image.write_bytes(content[::-1])
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    run_stage("download.inventory", workspace, IMAGE_CACHE_DIR=str(cache))
    assert table.read_bytes() == before
    result = run_stage("download.inventory", workspace, "--all", IMAGE_CACHE_DIR=str(cache))
    assert "sound 62, not_an_image 8" in result.stdout


def test_it_asks_where_the_images_are(workspace):
    assert "Set IMAGE_CACHE_DIR" in complaint(run_stage("download.inventory", workspace, IMAGE_CACHE_DIR=""))
    said = complaint(run_stage("download.inventory", workspace, IMAGE_CACHE_DIR="/nowhere"))
    assert said.startswith("inventory: IMAGE_CACHE_DIR: /nowhere is no directory")


def test_a_dot_env_file_names_the_cache(workspace, cache):
    (workspace / ".env").write_text(f"IMAGE_CACHE_DIR={cache}\n")
    result = run_stage("download.inventory", workspace)
    assert "70 files (sound 63, not_an_image 7)" in result.stdout


def test_every_record_has_a_verdict():
    records = available_rows([{}, {}, {}]).select(RECORDS.keys())
    rows = [(name(0), "sound", 1, "a" * 64, 9, 9), (name(1), "blank", 1, "b" * 64, 9, 9)]
    judged = join_verdicts(records, pl.DataFrame(rows, schema=INVENTORY, orient="row"))
    assert judged["verdict"].to_list() == ["sound", "blank", "not_in_cache"]
    figures = summarise(judged, judged.filter(pl.col("verdict") == SOUND))
    assert figures["by_verdict"] == {"blank": 1, "not_in_cache": 1, "sound": 1}


def test_a_cache_without_a_sound_image_stops_the_filter(workspace):
    from stages.tables import write_table

    records = available_rows([{}]).select(RECORDS.keys())
    write_table(records, RECORDS, workspace / "data/records.parquet")
    write_table(pl.DataFrame(schema=INVENTORY), INVENTORY, workspace / "data/sources/sample/inventory.parquet")
    assert "no record's image is sound" in complaint(run_stage("cache_filter", workspace))
    (workspace / "data/sources/sample/inventory.parquet").unlink()
    assert "inventory.parquet is missing" in complaint(run_stage("cache_filter", workspace))
    assert read_table(workspace / "data/records.parquet", RECORDS).height == 1
