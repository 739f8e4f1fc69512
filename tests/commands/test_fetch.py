"""The command can be killed at any moment, stopped with a word, and says what it needs."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading

import polars as pl
import pytest
import yaml

from stages.download.ledger import LEDGER_NAME
from stages.records.shapes import image_name
from stages.tables.export import RECORDS
from stages.tables.table import write_table
from tests.support import ROOT
from tests.support.bench import PHOTO, allow, black, numbered, records_of
from tests.support.image_server import dripping, image, status
from tests.support.pictures import jpeg, picture
from tests.support.running import complaint, run_here
from tests.support.watched import state_of

PATIENCE_S = 120.0  # for what comes at once, but on a busy machine


@pytest.fixture
def command(bench, workspace):
    """What starts the command in a process of its own for given records, and what runs it to its end in this one."""
    bench.content |= {"profile": "teacher"}

    def prepare(records: pl.DataFrame | None) -> None:
        (workspace / "params.yaml").write_text(yaml.safe_dump(bench.content), encoding="utf-8")
        if records is not None:
            write_table(records, RECORDS, workspace / "data/records.parquet")

    def start(*words: str, records: pl.DataFrame | None = None) -> subprocess.Popen:
        prepare(records)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(workspace)}
        return subprocess.Popen(
            [sys.executable, "-m", "stages.commands.fetch", *words],
            cwd=workspace,
            env=environment | {"IMAGE_CACHE_DIR": str(bench.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(*words: str, records: pl.DataFrame | None = None, cache: str = "") -> subprocess.CompletedProcess:
        prepare(records)
        return run_here("commands.fetch", workspace, *words, IMAGE_CACHE_DIR=cache or str(bench.directory))

    return start, finish


class _Moment:
    """Says when so many requests have come; lets some more pass, and holds all others until it is over."""

    def __init__(self, *, requests: int, more: int) -> None:
        self.left, self.more = requests, more
        self.reached, self.over, self.lock = threading.Event(), threading.Event(), threading.Lock()

    def pass_or_hold(self, _handler) -> None:
        with self.lock:
            self.left -= 1
            left = self.left
        if left <= 0:
            self.reached.set()
        if left <= -self.more:
            self.over.wait(PATIENCE_S)


@pytest.mark.slow
def test_kill_9_at_twenty_random_moments(bench, command):
    start, finish = command
    draw = random.Random(5)
    photos = {}
    for number in range(420):
        content = jpeg(picture(96, 80, seed=number))
        photos[bench.server.script(f"/{number}.jpg", image(content))] = content
    broken = [bench.server.script(f"/broken{n}.jpg", image(black(n))) for n in range(5)]
    # Rare species come first, so the order is not that of the names.
    records = records_of(*photos, *broken, species=[f"S{n % 17}" for n in range(425)])
    for _ in range(20):
        moment = _Moment(requests=draw.randrange(1, 16), more=draw.choice([0, 0, 3, 8]))
        bench.server.before_reply = moment.pass_or_hold
        process = start(records=records)
        assert moment.reached.wait(PATIENCE_S)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGKILL
        moment.over.set()
    killed = len(bench.stored())
    assert 40 <= killed < 400
    bench.server.before_reply = lambda _handler: None
    result = finish(records=records)
    assert result.returncode == 0, result.stderr
    assert bench.stored() == {image_name(url): content for url, content in photos.items()}
    assert set(bench.reasons()) == {image_name(url) for url in broken}
    assert max(bench.server.asked.values()) <= 2
    assert not list(bench.directory.glob(".*.tmp"))


@pytest.mark.slow
def test_ctrl_c_says_what_was_done_and_goes_on_later(bench, command):
    start, finish = command
    photos = numbered(bench.server, 40)
    held = threading.Event()
    bench.host["concurrent"] = 1

    def hold(handler):
        if bench.server.asked.total() == 10:
            held.set()
            handler.server.closing.wait(PATIENCE_S)

    bench.server.before_reply = hold
    process = start(records=records_of(*photos))
    assert held.wait(PATIENCE_S)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "9 images stored" in out
    assert "the same command goes on" in err
    bench.server.before_reply = lambda _handler: None
    assert "31 images stored" in finish().stdout


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_has_come_when_it_is_stopped_is_kept(bench, command, how):
    """A 429 whose host pauses, and images that came while another answer was awaited."""
    start, _ = command
    bench.host.update({"concurrent": 4})
    bench.content["download"]["timeout_s"] = 2 * PATIENCE_S
    photos = numbered(bench.server, 6)
    all_asked = threading.Event()

    def drip(handler):
        all_asked.set()
        dripping(PHOTO, from_byte=10, last=True)(handler)

    slow = bench.server.script("/slow.jpg", drip)
    process = start(records=records_of(*photos, slow))
    assert all_asked.wait(PATIENCE_S)
    process.send_signal(how)
    process.communicate(timeout=PATIENCE_S)  # it does not wait for what drips, which it would for twice as long
    assert process.returncode == 130
    with bench.ledger() as ledger:
        assert ledger.execute("SELECT count(*) FROM images WHERE asking IS NOT NULL") == [(0,)]
        assert ledger.execute("SELECT sum(interrupted), sum(failures) FROM images WHERE refused = 0") in (
            [(0, 0)],
            [(None, None)],
        )
    assert not list(bench.directory.glob(".*.tmp"))


@pytest.mark.slow
def test_two_at_once_are_one_too_many(bench, command):
    start, finish = command
    held = threading.Event()

    def hold(handler):
        held.set()
        handler.server.closing.wait(PATIENCE_S)

    bench.server.before_reply = hold
    process = start(records=records_of(*numbered(bench.server, 2)))
    try:
        assert held.wait(PATIENCE_S)
        assert "another fetch fills" in complaint(finish())
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def test_it_asks_for_what_it_needs(bench, command, workspace):
    _, finish = command
    records = records_of(*numbered(bench.server, 1))
    bench.content["download"]["contact"] = None
    assert "download.contact is empty" in complaint(finish(records=records))
    bench.content["download"]["contact"] = "test@host.example"
    bench.content["download"]["mirror"] = "https://bucket.example/plants"
    assert "its host bucket.example is not in download.hosts" in complaint(finish())
    bench.content["download"]["mirror"] = None
    lock = {"stages": {"export": {"params": {"params.yaml": {"profile": "sample"}}, "outs": []}}}
    (workspace / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert "is of profile sample, not teacher: run `dvc repro export`" in complaint(finish())
    (workspace / "dvc.lock").unlink()
    (workspace / "data/records.parquet").unlink()
    assert "data/records.parquet is missing" in complaint(finish())
    assert bench.server.asked.total() == 0


def test_the_plan_downloads_nothing(bench, command):
    _, finish = command
    bench.content["download"]["contact"] = None
    result = finish("--plan", records=records_of(*numbered(bench.server, 7), "https://elsewhere.example/a.jpg"))
    assert result.returncode == 0, result.stderr
    assert bench.server.asked.total() == 0
    assert any(line.split()[:2] == [bench.server.host, "7"] for line in result.stdout.splitlines())
    assert "not in download.hosts" in result.stdout
    assert not (bench.directory / LEDGER_NAME).exists()


def test_the_plan_changes_no_byte_of_the_cache(bench, command):
    photos = numbered(bench.server, 7)
    bench.fetch(*list(photos)[:2])
    with sqlite3.connect(bench.directory / LEDGER_NAME) as older:
        older.execute("ALTER TABLE hosts DROP COLUMN sent_url")
        older.execute("PRAGMA user_version = 1")
    older.close()
    before = state_of(bench.directory)
    _, finish = command
    assert "in the cache: 2 images" in finish("--plan", records=records_of(*photos)).stdout
    assert state_of(bench.directory) == before


def test_the_plan_shows_sizes_and_one_host_alone(bench, command):
    _, finish = command
    bench.content["download"]["hosts"] |= allow("inaturalist-open-data.s3.amazonaws.com")
    urls = [f"https://inaturalist-open-data.s3.amazonaws.com/photos/{n}/original.jpg" for n in range(1, 4)]
    result = finish("--plan", records=records_of(*urls, *numbered(bench.server, 2)))
    lines = result.stdout.splitlines()
    assert "inaturalist-open-data.s3.amazonaws.com by download.inaturalist_size, which is large:" in lines
    assert [line.split()[:3] for line in lines if " px " in line] == [
        ["original", "2048", "px"], ["large", "1024", "px"], ["medium", "500", "px"],
    ]  # fmt: skip
    alone = finish("--plan", "--host", bench.server.host).stdout
    assert "inaturalist" not in alone
    assert any(line.split()[:2] == [bench.server.host, "2"] for line in alone.splitlines())


def test_one_host_is_asked_by_the_name_that_params_have(bench, command):
    _, finish = command
    bench.content["download"]["hosts"] |= allow("static.inaturalist.org")
    records = records_of(*numbered(bench.server, 3), "https://static.inaturalist.org/photos/1/original.jpg")
    said = complaint(finish("--host", "static.inaturalist.com", records=records))
    assert "--host static.inaturalist.com: did you mean static.inaturalist.org? download.hosts in params.yaml" in said
    assert bench.server.host in said
    assert "did you mean" not in complaint(finish("--host", "zzz"))
    result = finish("--host", bench.server.host)
    assert result.returncode == 0, result.stderr
    assert len(bench.stored()) == 3
    assert "1 more images are missing, which this run was not to ask for" in result.stdout


def test_the_probe_is_a_command_with_an_exit_code(bench, command):
    _, finish = command
    photos = numbered(bench.server, 5)
    result = finish("--probe", "3", records=records_of(*photos))
    assert result.returncode == 0, result.stderr
    assert "probe: 3 of 3 succeeded; no 429 came" in result.stdout
    gone = bench.server.script("/gone.jpg", status(410))
    result = finish("--probe", "50", records=records_of(*photos, gone))
    assert result.returncode == 1
    assert "fetch: the probe failed: 2 of 3 images succeeded" in result.stderr


def test_embedded_images_are_left_alone(workspace):
    (workspace / "data/sources/sample/images").mkdir(parents=True)
    for what in ("fetch", "evict"):
        assert "are part of the repo" in complaint(run_here(f"commands.{what}", workspace))


@pytest.mark.parametrize("folder", ["/sys/kernel", "/proc/self"])
def test_a_cache_that_cannot_be_written_to_is_one_line(command, folder):
    """Folders in which nobody may make a file, whoever runs the tests."""
    _, finish = command
    result = finish(records=records_of("https://static.inaturalist.org/photos/1/original.jpg"), cache=folder)
    assert folder in complaint(result)
