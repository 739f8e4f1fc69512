"""A process at work leaves a note that says how far it is, and never fails for want of it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime import notes
from stages.runtime.notes import FOLDER, Note, NotedWork, process_of, read_note, read_notes, write_note
from stages.runtime.progress import ProgressLine, progress, say
from tests.support import ROOT

WORDS = st.text(max_size=40)
PLAIN = st.text("aZ09 .,:;/-_é中", max_size=30)
SECONDS = st.floats(0, 1e10, allow_nan=False).map(lambda number: round(number, 3))
COUNTS = st.integers(0, 10**12)


def made(words: st.SearchStrategy[str]) -> st.SearchStrategy[Note]:
    return st.builds(
        Note, host=words, pid=COUNTS, born_s=SECONDS, rank=COUNTS, command=words, folder=words, what=words, unit=words,
        done=COUNTS, total=st.none() | COUNTS, elapsed_s=SECONDS, also=words, said=words, heard_s=SECONDS,
        ended=st.lists(st.tuples(words, SECONDS), max_size=3).map(tuple),
    )  # fmt: skip


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repo of DVC's in which this process has not worked yet."""
    (tmp_path / ".dvc").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(notes._Notebook, "own", None)
    yield tmp_path
    if own := notes._Notebook.own:
        own.remove()


@given(made(PLAIN))
def test_a_note_comes_back(note):
    assert read_note(write_note(note)) == note


@given(made(WORDS), st.data())
def test_whatever_words_are_in_it_a_note_is_whole_lines_and_one_that_is_cut_off_is_none(note, data):
    text = write_note(note)
    text.encode()
    assert len(text.splitlines()) == len(fields(Note)) + len(note.ended)  # one for each value but `ended`, and the end
    read = read_note(text)
    assert read is not None
    assert (read.pid, read.done, read.total, read.elapsed_s) == (note.pid, note.done, note.total, note.elapsed_s)
    assert read_note(text[: data.draw(st.integers(0, len(text) - 1))]) is None


@given(WORDS)
def test_what_is_no_note_is_none(text):
    assert read_note(text) is None
    assert read_note(f"{text}\nend\n") is None


def test_a_work_notes_what_it_does_how_far_it_is_and_what_it_did_before(repo, monkeypatch):
    monkeypatch.setattr(notes, "EVERY_S", 0.0)
    seen = []
    for _ in progress("abc", what="letters", total=3, unit="letters", also=lambda: "loss 1.5"):
        (note,) = read_notes(repo)
        seen.append((note.what, note.done, note.total, note.unit, note.also))
    assert seen == [("letters", done, 3, "letters", "loss 1.5" if done else "") for done in range(3)]
    say("three letters\nare read")
    for _ in progress("a", what="more", unit="letters"):
        (note,) = read_notes(repo)
    assert (note.what, note.total, note.said) == ("more", None, "three letters are read")
    assert [what for what, _ in note.ended] == ["letters"]
    assert process_of(note).pid == os.getpid()
    (note,) = read_notes(repo)
    assert note.what == ""


def test_it_is_written_about_once_a_second_and_what_the_work_says_is_asked_no_more_often(repo, monkeypatch):
    now_s, asked, written = 1000.0, [], set()
    monkeypatch.setattr("stages.runtime.notes.time.monotonic", lambda: now_s)
    path = None
    for _ in range(40):  # works of a tenth of a second ...
        work = NotedWork("letters", "letters", None)
        path = path or next((repo / FOLDER).glob("*.txt"))
        for done in range(100):
            now_s += 0.001
            work.show(done, lambda: asked.append(1) or "")
            written.add(path.stat().st_mtime_ns)
        work.close()
    assert len(asked) <= 4
    assert len(written) <= notes.IN_A_ROW + 4
    work = NotedWork("more", "letters", None)  # ... and one of a minute
    before = len(asked)
    for done in range(600):
        now_s += 0.1
        work.show(done, lambda: asked.append(1) or "")
    assert 50 <= len(asked) - before <= 60


def test_a_work_that_begins_is_noted_at_once_also_behind_one_that_was_noted_just_now(repo, monkeypatch):
    """Its first piece may take an hour."""
    monkeypatch.setattr("stages.runtime.notes.time.monotonic", lambda: now_s)
    now_s = 1000.0
    for what in ("epoch 1", "score", "validate", "epoch 2"):
        work = NotedWork(what, "steps", None)
        (note,) = read_notes(repo)
        assert note.what == what
        now_s += 60
        work.show(1)
        work.close()


def test_where_nothing_can_be_written_the_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(notes._Notebook, "own", None)
    monkeypatch.setattr(notes, "EVERY_S", 0.0)
    assert list(progress("abc", what="letters")) == list("abc")  # no repo of DVC's
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/tmp").write_text("a file in the folder's place")
    assert list(progress("abc", what="letters")) == list("abc")
    monkeypatch.setattr(notes._Notebook, "own", None)


ONE_WORK = """
import os, resource, sys
from stages.runtime.progress import progress
if sys.argv[1] == "lost":  # in a folder that is no more
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")
for number in progress(range(3), what="numbers", total=3):
    if number == 1:
        print("half", flush=True)
        if sys.argv[1] == "wait":
            sys.stdin.read()
        if sys.argv[1] == "fail":
            raise ValueError
        if sys.argv[1] == "full":  # a file may have no byte more
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


def one_work(how: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ONE_WORK, how],
        cwd=os.environ["DVC_ROOT"], env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(("how", "code"), [("end", 0), ("fail", 1), ("full", 0), ("lost", 0)])
def test_a_note_goes_with_its_process_and_a_full_disk_ends_no_work(repo, how, code):
    process = one_work(how)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert list(read_notes(repo)) == []


def test_the_note_of_a_killed_process_says_so_until_the_same_work_begins_again(repo):
    process = one_work("wait")
    assert process.stdout.readline() == "half\n"
    (note,) = read_notes(repo)
    assert process_of(note).pid == process.pid
    process.kill()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while process_of(note) and time.monotonic() < deadline:  # until it is a zombie: nobody has waited for it yet
        os.sched_yield()
    assert process_of(note) is None
    assert process.wait() == -signal.SIGKILL
    assert [one.pid for one in read_notes(repo)] == [process.pid]
    another = one_work("wait")
    another.stdout.readline()
    assert [one.pid for one in read_notes(repo)] == [another.pid]
    another.communicate("", timeout=60)


def test_what_killed_processes_left_goes_with_time_or_with_the_same_work_in_a_place_that_is_no_more(repo):
    folder = repo / FOLDER
    folder.mkdir(parents=True)
    own = notes._Notebook(repo)._process
    kept = {
        "other command": {"command": "python -m stages.pack"},
        "other place": {"folder": str(repo)},
        "host": {"host": "b"},
    }
    swept = {"own": {}, "copy": {"folder": str(repo / ".dvc/tmp/exps/gone")}}
    for number, values in enumerate((kept | swept).values()):
        note = Note(**own | {"pid": 4_000_000 + number} | values)
        (folder / notes._file_name(note.host, note.pid)).write_text(write_note(note))
    old = folder / "old.txt"
    old.write_text("whatever")
    os.utime(old, (0, 0))
    NotedWork("letters", "letters", None)
    assert not old.exists()
    assert {note.pid for note in read_notes(repo)} == {os.getpid(), 4_000_000, 4_000_001, 4_000_002}


def test_a_process_id_that_another_process_has_by_now_names_nobody(repo):
    NotedWork("letters", "letters", None)
    (note,) = read_notes(repo)
    values = {one.name: getattr(note, one.name) for one in fields(note)}
    assert process_of(Note(**values)) is not None
    assert process_of(Note(**values | {"born_s": note.born_s - 1})) is None
    assert process_of(Note(**values | {"host": "elsewhere"})) is None
    assert process_of(Note(**values | {"heard_s": 1.0})) is None  # of before this host was started


def test_a_line_of_progress_is_noted_whatever_clock_it_has(repo):
    line = ProgressLine("fetch", total=3, unit="images", start_s=1_800_000_000.0)
    line.show(1, 1_800_000_500.0)
    line.close()
    assert len(list(read_notes(repo))) == 1


def test_why_a_work_stands_still_is_noted(repo, monkeypatch):
    monkeypatch.setattr(notes, "EVERY_S", 0.0)
    ProgressLine("fetch", total=3, unit="images", start_s=0.0).show(1, 5.0, lambda: "a.example", lambda: "paused")
    (note,) = read_notes(repo)
    assert (note.also, note.waits) == ("a.example", "paused")


def test_a_pipe_or_a_folder_in_a_notes_place_keeps_nobody_waiting(repo):
    folder = repo / FOLDER
    folder.mkdir(parents=True)
    os.mkfifo(folder / "a.txt")
    (folder / "b.txt").mkdir()
    (folder / "c.txt").write_bytes(b"\xff\xfe half of")
    (folder / "d.txt").symlink_to("nowhere")
    assert list(read_notes(repo)) == []


SAYS_SECRETS = """
import sys, time
from stages.runtime.notes import EVERY_S, said
from stages.runtime.progress import ProgressLine
said("from mongodb://ann:PASSWORD@h/db?key=PASSWORD")
line = ProgressLine("https://ann:PASSWORD@h/", total=None, unit="images", start_s=0.0)
time.sleep(EVERY_S)
line.show(1, 0.0, lambda: "https://h/a.jpg?token=PASSWORD")
print("noted", flush=True)
time.sleep(60)
"""


def test_no_note_holds_a_password(repo):
    """A note outlives a killed process, and others may read it."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAYS_SECRETS, "--from", "mongodb://ann:PASSWORD@h/db"], cwd=repo, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(repo)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "noted\n"
        (note,) = (repo / FOLDER).glob("*.txt")
        text = note.read_text(encoding="utf-8")
        assert "done: 1\n" in text
        assert "PASSWORD" not in text
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
