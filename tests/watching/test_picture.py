"""Real work is watched from outside: what it does is seen, its end too, and nothing is disturbed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.cache.index import ImageIndex
from stages.download.ledger import Ledger
from stages.records.shapes import image_name
from stages.runtime.notes import FOLDER
from stages.tables.export import RECORDS
from stages.tables.table import write_table
from stages.watching.look import Look
from stages.watching.picture import Observer, Picture
from tests.support import ROOT
from tests.support.bench import numbered, records_of
from tests.support.image_server import status
from tests.support.packed import write_splits
from tests.support.trainings import finish, process
from tests.support.watched import state_of

PATIENCE_S = 120.0  # for what comes at once, but on a busy machine


@pytest.fixture
def repo(workspace) -> Path:
    """A folder as a clone of this repo is, without data."""
    (workspace / ".dvc").mkdir()
    return workspace


def look(root: Path, until: Callable[[Picture], object] = lambda _: True) -> Picture:
    """Look, again where what is waited for is not to be seen yet."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        picture = Observer(root).look(PATIENCE_S)
        if until(picture) or time.monotonic() > deadline:
            return picture


def test_where_nothing_was_ever_done_nothing_is_told_but_the_machine(repo):
    before = state_of(repo)
    picture = look(repo)
    assert (picture.profile, picture.works, picture.killed, picture.downloads) == ("sample", [], [], None)
    assert picture.machine.total_bytes > 0
    assert picture.past.locked_s is picture.past.trained_s is picture.past.checkpoint_s is None
    # The workspace has no images of the sample.
    assert [complaint for complaint in picture.complaints if "IMAGE_CACHE_DIR" not in complaint] == []
    assert state_of(repo) == before


@pytest.mark.slow
def test_a_training_is_seen_as_long_as_it_lives_and_told_as_killed_after_it(repo):
    folder = write_splits(repo / "packed")
    training = process(folder, repo / "never", "--stop-at", "6")
    for line in training.stdout:
        if line == "step 6\n":
            break
    picture = look(repo, lambda picture: picture.works and picture.works[0].work.notes[0].what.startswith("epoch 2"))
    (seen,) = picture.works
    note = seen.work.notes[0]
    assert (seen.work.name, note.what, note.total, note.pid) == ("tiny_training", "epoch 2 of 4", 4, training.pid)
    assert [what for what, _ in note.ended][-3:] == ["score train_eval", "validate", "validate"]
    training.kill()
    assert finish(training)[0] == -signal.SIGKILL
    picture = look(repo)
    assert picture.works == []
    assert [killed.pid for killed in picture.killed] == [training.pid]
    assert picture.killed[0].what == note.what


@pytest.fixture
def download(bench, repo):
    """Starts `fetch` in a process of its own."""
    bench.content |= {"profile": "teacher"}
    (repo / "params.yaml").write_text(yaml.safe_dump(bench.content), encoding="utf-8")
    started = []

    def start(*urls: str) -> subprocess.Popen:
        write_table(records_of(*urls), RECORDS, repo / "data/records.parquet")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "IMAGE_CACHE_DIR": str(bench.directory)}
        command = [sys.executable, "-m", "stages.commands.fetch"]
        log = (repo / "fetch.log").open("w")
        started.append(subprocess.Popen(command, cwd=repo, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


@pytest.mark.slow
def test_a_download_is_seen_with_its_pause_and_is_not_disturbed(bench, repo, download, monkeypatch):
    """A host wants a pause, another one holds its answer: the books are written to meanwhile."""
    monkeypatch.setenv("IMAGE_CACHE_DIR", str(bench.directory))
    photos = numbered(bench.server, 3)
    wants_a_pause = bench.server.script("/later.jpg", status(429, Retry_After="3600"))
    running = download(*photos, wants_a_pause)
    picture = look(repo, lambda seen: seen.downloads and any(host.paused_until_s for host in seen.downloads.hosts))
    (seen,) = picture.works
    assert seen.work.name == "fetch"
    assert seen.work.notes[0].what == "fetch"
    assert seen.work.notes[0].total == 4
    (host,) = picture.downloads.hosts
    assert (host.host, host.why) == (bench.server.host, "http_429")
    assert host.paused_until_s > picture.now_s + 3000
    # What is under way still comes in. Then it waits for an hour, and whatever changes there, a look has changed.
    deadline, before = time.monotonic() + PATIENCE_S, {}
    while before != state_of(bench.directory) and time.monotonic() < deadline:
        before = state_of(bench.directory)
        assert look(repo).complaints == []
    assert state_of(bench.directory) == before
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE_S) == 130
    picture = look(repo)
    assert (picture.works, picture.killed) == ([], [])
    assert picture.cache.size.images == len(bench.stored())


def test_a_download_is_not_kept_waiting_by_looks(bench, repo, monkeypatch):
    """In this process, without a wait for others in the books: every image comes while somebody looks all the time."""
    monkeypatch.setattr("stages.cache.database.WAITS_S", 0.0)
    monkeypatch.setenv("IMAGE_CACHE_DIR", str(bench.directory))
    bench.content |= {"profile": "teacher"}
    (repo / "params.yaml").write_text(yaml.safe_dump(bench.content), encoding="utf-8")
    photos = numbered(bench.server, 20)
    over, pictures = threading.Event(), []

    def watch() -> None:
        while not over.is_set():
            pictures.append(Observer(repo).look(PATIENCE_S))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        bench.fetch(*photos)
    finally:
        over.set()
        watching.join()
    assert bench.stored() == {image_name(url): content for url, content in photos.items()}
    assert pictures


@pytest.mark.parametrize("missing", ["params.yaml", "dvc.yaml"])
def test_what_is_broken_or_gone_is_said_and_the_rest_is_shown(repo, missing):
    (repo / missing).unlink()
    (repo / "dvc.lock").write_bytes(b"\xff half of a")
    (repo / "models").mkdir()
    (repo / "models/run.json").write_text('{"history": [{"val_top1": 0.5')
    (repo / FOLDER).mkdir(parents=True)
    (repo / FOLDER / "x.txt").write_text("host: a\npid: 1")
    picture = look(repo)
    assert picture.works == []
    assert picture.past.locked_s is not None
    assert picture.past.trained_s is None
    assert ("params.yaml" in "".join(picture.complaints)) == (missing == "params.yaml")


def test_a_file_system_that_hangs_keeps_nobody_waiting(repo):
    """A pipe in the place of params.yaml, which waits for a writer that never comes."""
    (repo / "params.yaml").unlink()
    os.mkfifo(repo / "params.yaml")
    observer = Observer(repo)
    start_s = time.monotonic()
    picture = observer.look(0.5)
    assert time.monotonic() - start_s < 5
    assert picture.works == [] or picture.works is None
    while picture.works is None:  # of a busy machine
        picture = observer.look(0.5)
    assert picture.machine is not None
    descriptor = os.open(repo / "params.yaml", os.O_WRONLY)  # lets the reader go
    os.close(descriptor)


def test_a_folder_that_cannot_be_written_to_is_watched_too(repo, bench, monkeypatch):
    monkeypatch.setenv("IMAGE_CACHE_DIR", str(bench.directory))
    bench.content |= {"profile": "teacher"}
    (repo / "params.yaml").write_text(yaml.safe_dump(bench.content), encoding="utf-8")
    Ledger(bench.directory).close()
    ImageIndex(bench.directory).close()
    for folder in (repo, bench.directory):
        folder.chmod(0o555)
    try:
        assert look(repo).complaints == []
    finally:
        for folder in (repo, bench.directory):
            folder.chmod(0o755)


def test_what_was_done_last_is_told_by_the_runs_own_files(repo):
    run = '{"best_epoch": 2, "history": [{}, {"val_top1": 0.5, "val_top5": 0.75}]}'
    checkpoint = repo / ".dvc/tmp/checkpoints/ab12/last.pt"
    for path, content in ((repo / "models/run.json", run), (repo / "dvc.lock", "stages: {}"), (checkpoint, "")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    past = look(repo).past
    assert past == (
        1_700_000_000,
        1_700_000_000,
        2,
        2,
        {"val_top1": 0.5, "val_top5": 0.75},
        1_700_000_000,
        checkpoint.parent,
    )


def test_a_look_that_takes_long_is_told_and_not_repeated_at_once():
    gate, looks = threading.Event(), []

    def see() -> int:
        looks.append(1)
        gate.wait(PATIENCE_S)
        return len(looks)

    one = Look("a disk", see)
    one.begin()
    one.begin()
    one.wait(time.monotonic())
    assert (one.seen, one.complaint(), looks) == (None, "", [1])
    one._began_s -= 60
    assert one.complaint() == "a disk: no answer for 60 s"
    gate.set()
    one.wait(time.monotonic() + PATIENCE_S)
    assert (one.seen, one.complaint()) == (1, "")
    one.begin()  # it took a minute, so the next one is far off
    assert looks == [1]


def test_a_look_that_fails_says_why_and_keeps_what_was_seen():
    answers = iter([1, OSError(5, "Input/output error", "x")])

    def see() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    one = Look("a disk", see)
    for _ in range(2):
        one._next_s = 0.0
        one.begin()
        one.wait(time.monotonic() + PATIENCE_S)
    assert (one.seen, one.complaint()) == (1, "a disk: Input/output error")
