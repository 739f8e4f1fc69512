"""A download fills the cache to the bit, within its budget, and loses nothing."""

import hashlib
import os

import pytest

from stages.cache.index import INDEX_NAME, ImageIndex
from stages.download.ledger import LEDGER_NAME
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from tests.support.bench import numbered, records_of
from tests.support.image_cache import write_tables
from tests.support.image_server import image, page, status
from tests.support.pictures import jpeg, picture


def test_it_fills_the_cache_to_the_bit_and_asks_for_nothing_twice(bench):
    photos = numbered(bench.server, 30)
    assert bench.fetch(*photos).counts["stored"] == 30
    assert bench.stored() == {image_name(url): content for url, content in photos.items()}
    assert bench.fetch(*photos).counts["stored"] == 0
    assert set(bench.server.asked.values()) == {1}
    assert bench.server.agents == {"plant-teacher/0.1 (test@host.example)"}
    assert {path.name for path in bench.directory.iterdir()} - bench.stored().keys() <= {
        f"{name}{suffix}" for name in (INDEX_NAME, LEDGER_NAME) for suffix in ("", "-wal", "-shm")
    }


def test_the_budget_of_the_cache_is_kept_and_what_nothing_names_makes_room(bench, workspace, capsys):
    bench.content["download"] |= {"max_image_mb": 0.02, "cache_budget_gb": 0.0002}
    for number in range(15):
        (bench.directory / f"{number:032x}.jpg").write_bytes(b"x" * 10_000)
    photos = numbered(bench.server, 12)
    with pytest.raises(UserError, match="no room for another image"):
        bench.fetch(*photos)
    assert "nothing is evicted: data/available.parquet is missing" in capsys.readouterr().err
    in_use = [f"{number:032x}.jpg" for number in range(5)]
    write_tables(workspace, in_use)
    with pytest.raises(UserError, match="no room for another image"):
        bench.fetch(*photos)
    assert set(in_use) <= bench.stored().keys()
    assert sum(map(len, bench.stored().values())) <= 200_000
    assert len(bench.stored().keys() & {image_name(url) for url in photos}) >= 8


def test_a_probe_says_whether_all_came(bench, capsys):
    photos = numbered(bench.server, 50)
    bench.fetch(*photos, images=50, probe=True)
    assert "probe: 50 of 50 succeeded; no 429 came" in capsys.readouterr().out
    missing = bench.server.script("/none.jpg", status(404))
    limited = bench.server.script("/limited.jpg", status(429), image(jpeg(picture(seed=77))))
    broken = bench.server.script("/broken.jpg", page(b"<html>"))
    with pytest.raises(UserError, match="the probe failed: 1 of 3 images succeeded"):
        bench.fetch(missing, limited, broken, images=50, probe=True)
    assert bench.server.asked["/broken.jpg"] == 1  # a probe does not wait for another try
    said = capsys.readouterr()
    assert "probe: 1 of 3 succeeded; a 429 or 503 came 1 times" in said.out
    assert f"{bench.server.host}: paused 60 s for http_429; now running" in said.out
    assert "http_429, pauses 60 s" in said.err


def test_a_full_disk_is_one_line_and_loses_nothing(bench, monkeypatch):
    photos = numbered(bench.server, 4)
    bench.fetch(*list(photos)[:2])
    before = bench.stored()
    fsync = os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        bench.fetch(*photos)
    assert error.value.filename == str(bench.directory)
    assert bench.stored() == before
    assert not list(bench.directory.glob(".*.tmp"))
    monkeypatch.setattr(os, "fsync", fsync)
    bench.fetch(*photos)
    assert len(bench.stored()) == 4


def test_a_damaged_ledger_is_not_made_anew_unasked(bench):
    (bench.directory / LEDGER_NAME).write_bytes(b"no database at all")
    with pytest.raises(UserError, match="delete it a day from now"):
        bench.fetch(bench.server.url("/a.jpg"))


def test_the_index_can_be_deleted_at_any_time(bench):
    photos = numbered(bench.server, 5)
    bench.fetch(*photos)
    (bench.directory / INDEX_NAME).unlink()
    bench.fetch(*photos)
    assert bench.server.asked.total() == 5


def test_nothing_to_probe_is_no_success(bench):
    with pytest.raises(UserError, match="there is nothing to ask for"):
        bench.fetch(records=records_of(), images=5, probe=True)


def test_digests_in_the_index_are_those_of_the_files(bench):
    bench.fetch(*numbered(bench.server, 5))
    with ImageIndex(bench.directory) as index:
        known = index.remembered()
    for row in known.iter_rows(named=True):
        path = bench.directory / row["image_name"]
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (row["bytes"], row["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert (row["state"], len(row["phash"])) == ("decoded", 32)


def test_only_images_under_an_allowed_license_are_asked_for(bench):
    free, reserved = numbered(bench.server, 2)
    bench.content["licenses"] = {"allowed": ["cc0", "cc-by"]}
    bench.fetch(records=records_of(free, reserved, license=["CC BY 4.0", None]))
    assert list(bench.stored()) == [image_name(free)]
    assert bench.server.asked.total() == 1
