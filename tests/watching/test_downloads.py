"""The books beside the images are looked into without a lock, a byte or a file of ours."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from stages.cache import looking
from stages.cache.index import INDEX_NAME, REMEMBERED, ImageIndex
from stages.cache.looking import looking_into
from stages.download.ledger import LEDGER_NAME, Ledger
from stages.watching import image_cache
from stages.watching.downloads import HostTraffic, read_ledger
from stages.watching.image_cache import measure_cache
from tests.support import ROOT
from tests.support.image_cache import FILE_BYTES, name
from tests.support.watched import state_of

NOW_S = 1_800_000_000.0


def fill_ledger(ledger: Ledger) -> None:
    ledger.count_traffic("a.example", NOW_S - 86_000, 4000)
    ledger.count_traffic("a.example", NOW_S - 3000, 300)
    ledger.count_traffic("a.example", NOW_S, 20)
    ledger.count_traffic("old.example", NOW_S - 90_000, 1)
    ledger.count_image("a.example", 20, "https://h.example/1.jpg")
    ledger.pause("b.example", NOW_S + 60, 2, "http_429")
    ledger.pause("c.example", NOW_S - 60, 0, "")
    for number, (reason, refused) in enumerate(
        [("http_404", True), ("http_404", True), ("blank", True), ("timeout", False)]
    ):
        ledger.leave(name(number), "own", 1, reason, refused=refused)
    ledger.ask(name(9), "own", "a.example")


def test_traffic_pauses_and_refusals_are_those_of_the_ledger(tmp_path):
    assert read_ledger(tmp_path, NOW_S) is None
    with Ledger(tmp_path) as ledger:
        fill_ledger(ledger)
        seen = read_ledger(tmp_path, NOW_S)
    assert seen.hosts == [
        HostTraffic("a.example", 0.0, "", 1, 20, 320, 4320),
        HostTraffic("b.example", NOW_S + 60, "http_429", 0, 0, 0, 0),
    ]
    assert (seen.refused, seen.to_try_again) == ({"http_404": 2, "blank": 1}, 1)
    assert read_ledger(tmp_path, NOW_S) == seen


KILLED = """
import sys, time
from pathlib import Path
from stages.download.ledger import Ledger
from stages.cache.index import REMEMBERED, ImageIndex
ledger, index = Ledger(Path(sys.argv[1])), ImageIndex(Path(sys.argv[1]))
ledger.count_image("a.example", 5, "https://h.example/1.jpg")
ledger.pause("b.example", 9e9, 1, "http_503")
index.remember([("0" * 32 + ".jpg", 7, *[None] * (len(REMEMBERED) - 2))])
print("written", flush=True)
time.sleep(600)
"""


def test_looking_changes_nothing_whether_a_writer_is_there_was_killed_or_has_ended(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    for after in (lambda: None, process.kill, lambda: (Ledger(tmp_path).close(), ImageIndex(tmp_path).close())):
        after()
        if after == process.kill:
            assert process.wait() == -signal.SIGKILL
        before = state_of(tmp_path)
        assert [(host.host, host.why) for host in read_ledger(tmp_path, NOW_S).hosts] == [("b.example", "http_503")]
        assert measure_cache(tmp_path)[:2] == (1, 7)
        assert state_of(tmp_path) == before
    process.stdout.close()


def test_a_writer_writes_checkpoints_and_ends_while_somebody_looks(tmp_path):
    ledger = Ledger(tmp_path)
    fill_ledger(ledger)
    ledger.execute("PRAGMA busy_timeout = 0")  # it would not wait for anybody
    with looking_into(tmp_path / LEDGER_NAME) as connection:
        rows = connection.execute("SELECT host FROM hosts")
        rows.fetchone()
        ledger.count_image("d.example", 5, "https://h.example/1.jpg")
        assert ledger.execute("PRAGMA wal_checkpoint(PASSIVE)")[0][0] == 0
        with ledger.transaction():
            ledger.count_image("e.example", 5, "https://h.example/1.jpg")
        ledger.close()
        assert len(rows.fetchall()) == 2  # as it was when the look began
    with Ledger(tmp_path) as ledger:
        assert ledger.hosts().keys() >= {"a.example", "d.example", "e.example"}
    assert not (tmp_path / f"{LEDGER_NAME}-wal").exists()


def test_a_writer_in_the_middle_of_a_transaction_keeps_nobody_waiting(tmp_path):
    with Ledger(tmp_path) as ledger:
        fill_ledger(ledger)
        with ledger.transaction():
            ledger.pause("a.example", NOW_S + 99, 1, "http_429")
            assert read_ledger(tmp_path, NOW_S).hosts[0].paused_until_s == 0
        assert read_ledger(tmp_path, NOW_S).hosts[0].paused_until_s == NOW_S + 99


def test_a_look_that_takes_too_long_ends(tmp_path, monkeypatch):
    with Ledger(tmp_path) as ledger, ledger.transaction():
        ledger.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO images SELECT printf('%032x.jpg', i), 'own', 1, 0, 'http_' || (i % 9), 1, NULL FROM n"
        )
    assert sum(read_ledger(tmp_path, NOW_S).refused.values()) == 100_000
    monkeypatch.setattr(looking, "AT_MOST_S", -1.0)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        read_ledger(tmp_path, NOW_S)


@pytest.mark.parametrize("content", [b"", b"no database " * 500])
def test_a_ledger_that_is_none_is_an_error_of_sqlites(tmp_path, content):
    (tmp_path / LEDGER_NAME).write_bytes(content)
    with pytest.raises(sqlite3.Error):
        read_ledger(tmp_path, NOW_S)


def test_a_pipe_in_the_ledgers_place_is_none(tmp_path):
    os.mkfifo(tmp_path / LEDGER_NAME)
    os.mkfifo(tmp_path / INDEX_NAME)
    assert read_ledger(tmp_path, NOW_S) is None
    assert measure_cache(tmp_path).images == 0


def test_a_cache_is_measured_by_its_index_else_by_its_files_if_they_are_few(cache, monkeypatch):
    assert measure_cache(cache)[:2] == (10, 10 * FILE_BYTES)
    monkeypatch.setattr(image_cache, "MOST_COUNTED", 9)
    assert measure_cache(cache).images is None
    with ImageIndex(cache) as index:
        index.remember([(name(number), 500, *[None] * (len(REMEMBERED) - 2)) for number in range(3)])
        assert measure_cache(cache)[:2] == (3, 1500)
    with pytest.raises(FileNotFoundError):
        measure_cache(cache / "gone")
