"""Epochs come from dvclive's own files, whatever state they are in, and the time left from notes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.learning.summary import name_epoch
from stages.runtime.notes import Note
from stages.train import live_log
from stages.watching.training import FIGURES, LIVE, read_epochs, time_left
from tests.support.tiny_training import make
from tests.support.trainings import changed

ROW = {
    "train_loss": 2.5, "train_top1": 0.25, "train_top5": 0.5, "val_loss": 2.0, "val_top1": 0.125, "val_top5": 0.375,
    "learning_rate": 1e-05,
}  # fmt: skip


def noted(**values) -> Note:
    return Note("host", 1, 1.0, 0, "python -m stages.train", "/repo", **values)


def test_epochs_are_those_that_dvclive_has_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_epochs(tmp_path) == []
    history = [ROW, ROW | {"val_top1": 0.75}]
    with live_log(history):
        pass
    rows = read_epochs(tmp_path)
    assert [row["val/top1"] for row in rows] == [0.125, 0.75]
    assert rows[0] == {
        "train/loss": 2.5, "train/top1": 0.25, "val/loss": 2.0, "val/top1": 0.125, "val/top5": 0.375,
        "learning_rate": 1e-05,
    }  # fmt: skip


@given(st.data())
def test_files_that_are_half_written_or_gone_or_odd_show_whole_epochs_alone(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run")
    whole = []
    for name in FIGURES:
        content = f"step\t{name}\n" + "".join(f"{step}\t{0.5 + step}\n" for step in range(4))
        size = data.draw(st.integers(0, len(content)))
        path = folder / LIVE / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = data.draw(st.sampled_from(["file", "file", "file", "gone", "pipe", "bytes"]))
        if kind == "file":
            path.write_text(content[:size])
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "bytes":
            path.write_bytes(b"step\tx\n\xff\xfe\x00\t1\n0\tnan\n-1\t\n")
        whole.append(max(0, content[:size].count("\n") - 1) if kind == "file" else 1 if kind == "bytes" else 0)
    rows = read_epochs(folder)
    assert len(rows) == min(whole)
    assert all(value != value or value == 0.5 + epoch for epoch, row in enumerate(rows) for value in row.values())


def test_the_name_of_an_epoch_tells_where_it_began(folder):
    """The loop hands over the steps that are left; time is told by all of them."""
    params = changed(epochs=5, crt_epochs=1)
    state, _ = make(folder, params)
    state.epoch, state.step = 1, 0
    whole = noted(what=name_epoch(state, params), unit="steps", done=1, total=4, elapsed_s=2.0)
    assert time_left(whole) == (6.0, 6.0 + 4 * 8.0)
    state.step = 2
    resumed = noted(what=name_epoch(state, params), unit="steps", done=1, total=2, elapsed_s=2.0)
    assert time_left(resumed) == (2.0, 2.0 + 4 * 8.0)


def test_what_comes_after_each_epoch_counts_as_long_as_it_took_the_last_time():
    ended = (("check shards", 1.0), ("epoch 1 of 3", 30.0), ("score train_eval", 5.0), ("validate", 7.0))
    note = noted(what="epoch 2 of 3", unit="steps", done=5, total=10, elapsed_s=15.0, ended=ended)
    assert time_left(note) == (15.0, 15.0 + 30.0 + 2 * 12.0)


@pytest.mark.parametrize("values", [{}, {"done": 3, "elapsed_s": 2.0}, {"total": 9}, {"done": 0, "total": 0}])
def test_no_time_is_told_where_nobody_can(values):
    assert time_left(noted(what="export", **values)) == (None, None)


def test_a_work_that_is_no_training_has_no_more_than_its_own_time():
    assert time_left(noted(what="pack", done=10, total=40, elapsed_s=5.0)) == (15.0, None)
    assert time_left(noted(what="pack", done=50, total=40, elapsed_s=5.0)) == (0.0, None)


def test_a_work_that_stands_still_has_no_time_left_by_its_pace():
    assert time_left(noted(what="fetch", done=10, total=40, elapsed_s=5.0, waits="paused")) == (None, None)
