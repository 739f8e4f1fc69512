"""A screen fits its terminal and says what was seen."""

import re
import socket
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import HostLimits
from stages.runtime.notes import Note, process_of, read_note, write_note
from stages.watching.downloads import Downloads, HostTraffic
from stages.watching.image_cache import CacheSize
from stages.watching.machine import Gpu, Machine
from stages.watching.past import Past
from stages.watching.picture import CachePicture, Picture, WorkPicture
from stages.watching.processes import Work, find_works
from stages.watching.screen import draw
from stages.watching.terminal_text import cells
from stages.watching.training import FIGURES, Left, time_left

NOW_S = 1_800_000_000.0
ROOT = Path("/repo/plants")
EPOCHS = [dict.fromkeys(FIGURES, 0.1 * epoch) for epoch in (3, 9, 4, 5)]
NOTE = Note(
    "host", 5, 1.0, 0, "python -m stages.train", str(ROOT), what="epoch 5 of 15", unit="steps", done=1200, total=4800,
    elapsed_s=600.0, also="loss 3.2, top-1 0.112, learning rate 2.9e-05", said="train: WARNING: at chance",
    heard_s=NOW_S,
)  # fmt: skip
WORK = Work("train", "dvc repro", ROOT, NOW_S - 3600, notes=(NOTE,))
TRAINING = WorkPicture(WORK, "teacher", Left(1800, 40_000), EPOCHS)
LIMITS = HostLimits(requests_per_s=1.0, concurrent=1, gb_an_hour=5.0, gb_a_day=24.0, private=False)
FULL = Picture(
    NOW_S,
    ROOT,
    profile="teacher",
    works=[TRAINING],
    downloads=Downloads(
        [
            HostTraffic("slow.example", NOW_S + 300, "http_429", 70, 0, 10**9, 2 * 10**9),
            HostTraffic("quick.example", 0.0, "", 1234, 600_000_000, 3 * 10**9, 5 * 10**9),
        ],
        {"http_404": 1200, "blank": 4},
        17,
    ),
    limits={"slow.example": LIMITS},
    cache=CachePicture(CacheSize(62_821, 91_930_000_000, 10**12, True), 220e9),
    machine=Machine(0.5, 16, 10**10, 10**11, 5 * 10**11),
    gpus=[Gpu(0, "NVIDIA H200", 0.98, 45 * 10**9, 140 * 10**9, 61), Gpu(1, "NVIDIA H200", None, None, None, None)],
    past=Past(NOW_S - 60, NOW_S - 90, 6, 4, {"val_top1": 0.925, "val_top5": 1.0}, NOW_S - 100, Path("/c/ab")),
)
IDLE = replace(FULL, works=[], downloads=None, gpus=[])


def text_of(picture: Picture, width: int = 100, height: int | None = None) -> str:
    return "\n".join(draw(picture, width, height))


@pytest.mark.parametrize(
    "words",
    [
        "train for 60.0 min, of dvc repro", "epoch 5 of 15 ████████", "25%, 30.0 min left, about 11.1 h of the run",
        "1,200 of 4,800 steps, 2.00 steps/s", "learning rate 2.9e-05", "train: WARNING: at chance",
        "epoch  train loss  top-1  val loss  top-1  top-5  learning rate", "0.900            0.9  best",
        "slow.example: paused until", "(http_429), 1.00 GB of 5 GB in an hour, 2.00 GB of 24 GB in a day",
        "quick.example: 600.0 MB in 5 minutes, 3.00 GB in an hour, 5.00 GB in a day",
        "1,204 refused (http_404 1,200, blank 4), 17 to try again",
        "91.93 GB of 220 GB (42%), 62,821 images", "GPU 0    NVIDIA H200, 98% busy, memory 45.0 of 140.0 GB, 61 °C",
        "GPU 1    NVIDIA H200\n", "50% of 16 cores",
    ],
)  # fmt: skip
def test_what_a_full_screen_says(words):
    assert words in text_of(FULL, 120)


def test_an_idle_screen_says_what_was_done_last():
    text = text_of(IDLE)
    assert "nothing is at work here" in text
    assert "top-1 0.925, top-5 1.000 in validation, epoch 4 of 6" in text
    assert "last checkpoint 100 s ago" in text
    assert "trained" not in text_of(FULL)
    never = replace(IDLE, past=Past(None, None, 0, 0, {}, None, None), cache=None, machine=None)
    assert "make demo" in text_of(never)
    assert "nothing is at work" not in text_of(Picture(NOW_S, ROOT))  # nobody knows yet


def test_a_process_that_was_killed_is_told_for_a_day():
    text = text_of(replace(IDLE, killed=[replace(NOTE, heard_s=NOW_S - 300)]))
    assert "killed, or cut short, 5.0 min ago: python -m stages.train, at epoch 5 of 15: 1,200 of 4,800 steps" in text
    assert "killed" not in text_of(replace(IDLE, killed=[replace(NOTE, heard_s=NOW_S - 90_000)]))


def work(**values) -> Picture:
    return replace(FULL, works=[replace(TRAINING, work=replace(WORK, **values))])


def test_what_is_odd_about_a_work_is_said():
    assert "4.0 min ago" not in text_of(FULL)
    assert "said 4.0 min ago" in text_of(work(notes=(replace(NOTE, heard_s=NOW_S - 240),)))
    still = replace(
        FULL,
        works=[replace(TRAINING, work=replace(WORK, notes=(replace(NOTE, waits="paused"),)), left=Left(None, None))],
    )
    assert "25%, paused\n" in text_of(still)
    assert "kill -CONT" in text_of(work(state="stopped"))
    assert "train, 2 processes, for" in text_of(work(notes=(NOTE, NOTE)))
    assert "train on gpu7 for 60.0 min" in text_of(work(host="gpu7"))
    assert "in tmp123" in text_of(work(folder=ROOT / ".dvc/tmp/exps/tmp123"))
    assert "no word of it yet" in text_of(work(notes=()))
    assert "between two stages" in text_of(work(name="dvc repro", inside="", notes=()))
    assert "profile sample" in text_of(replace(FULL, works=[replace(TRAINING, profile="sample")]))


WORDS = st.text(max_size=60)
NUMBERS = st.integers(0, 10**15)
MOMENTS = st.floats(0, 4e9)
NOTES = st.builds(
    Note, host=WORDS, pid=NUMBERS, born_s=MOMENTS, rank=NUMBERS, command=WORDS, folder=WORDS, what=WORDS, unit=WORDS,
    done=NUMBERS, total=st.none() | NUMBERS, elapsed_s=MOMENTS, also=WORDS, said=WORDS, heard_s=MOMENTS,
)  # fmt: skip
WORKS = st.builds(
    WorkPicture,
    st.builds(
        Work, name=WORDS, inside=WORDS, folder=st.just(ROOT), since_s=MOMENTS, host=WORDS, notes=st.tuples(NOTES)
    ),
    WORDS,
    st.builds(Left, st.none() | MOMENTS, st.none() | MOMENTS),
    st.lists(st.fixed_dictionaries(dict.fromkeys(FIGURES, st.floats())), max_size=20),
)
PICTURES = st.builds(
    Picture,
    MOMENTS,
    st.just(ROOT),
    profile=WORDS,
    works=st.none() | st.lists(WORKS, max_size=3),
    killed=st.lists(NOTES, max_size=2),
    downloads=st.none()
    | st.builds(
        Downloads,
        st.lists(st.builds(HostTraffic, WORDS, MOMENTS, WORDS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=3),
        st.dictionaries(WORDS, NUMBERS, max_size=3),
        NUMBERS,
    ),
    cache=st.none()
    | st.builds(
        CachePicture,
        st.builds(CacheSize, st.none() | NUMBERS, NUMBERS, NUMBERS, st.booleans()),
        st.none() | st.floats(0, 1e15),
    ),
    complaints=st.lists(WORDS, max_size=2),
)


@given(
    st.sampled_from([FULL, IDLE]) | PICTURES,
    st.integers(1, 200),
    st.none() | st.integers(1, 60),
    st.booleans(),
    st.booleans(),
)
def test_no_line_is_wider_and_no_screen_higher_than_the_terminal(picture, width, height, color, unicode):
    lines = draw(picture, width, height, color=color, unicode=unicode)
    assert height is None or len(lines) <= height
    for line in lines:
        bare = re.sub("\x1b\\[[0-9;]*m", "", line) if color else line
        assert cells(bare) <= width
        assert not re.search("[\x00-\x1f\x7f-\x9f]", bare)
        assert unicode or bare.isascii()


FETCHING = replace(WORK, name="fetch", notes=(replace(NOTE, what="fetch", unit="images", said=""),))
BUSY = replace(FULL, works=[TRAINING, WorkPicture(FETCHING, "teacher", Left(60, None))], gpus=FULL.gpus[:1])


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 15)])
def test_a_small_terminal_shows_something_of_all_that_matters(width, height):
    lines = draw(BUSY, width, height)
    for words in (
        "train for 60.0 min", "fetch for", "epoch 5 of 15", "1,200 of 4,800 steps", "loss 3.2", "WARNING", "val loss",
        "    4       0.500", "slow.example: paused", "quick.example: 2.00 MB/s", "91.93 GB of 220 GB", "98% busy",
        "50% of 16 cores",
    ):  # fmt: skip
        assert any(words in line for line in lines), words


def test_what_does_not_fit_at_all_is_counted():
    lines = draw(BUSY, 60, 10)
    assert len(lines) == 10
    shown = len(draw(BUSY, 60, None))
    assert shown > 9
    assert re.fullmatch(r"and \d+ more lines: a larger window shows them", lines[-1])


NO_NUMBERS = ["-1", "0", "nan", "inf", "-inf", "1e300", "-1e300", "9" * 400, "9" * 5000, "", "x"]
ODD_WORDS = ["epoch 1 of " + "9" * 400, "epoch 2 of 3 from step ,,,", "epoch 0 of 0", "\x1b[2J", "w" * 200_000]


@given(
    st.dictionaries(
        st.sampled_from([one.name for one in fields(Note)]), st.sampled_from(NO_NUMBERS + ODD_WORDS), max_size=4
    ),
    st.booleans(),
)
def test_no_note_that_lies_there_keeps_the_screen_from_being_drawn(odd, here):
    """A note of another version, or one that somebody or a bad disk has changed."""
    note = replace(NOTE, host=socket.gethostname() if here else "elsewhere", ended=(("scores", 3.0),))
    lines = [
        f"{name}: {odd.get(name, value)}"
        for name, _, value in (x.partition(": ") for x in write_note(note).split("\n"))
    ]
    read = read_note("\n".join([line.removesuffix(": ") for line in lines[:-2]] + ["end", ""]))
    if read is None:
        return
    works, killed = find_works(
        [], [read], ROOT, pid_of=lambda one: process.pid if (process := process_of(one)) else None, now_s=NOW_S
    )
    works.append(Work("train", "", ROOT, NOW_S - 5, notes=(read,)))
    seen = [WorkPicture(work, "", time_left(work.notes[0])) for work in works]
    assert draw(replace(FULL, works=seen, killed=killed), 80, 24)


def test_a_speed_is_told_of_a_fetch_at_work_alone():
    """Where none is, something came all the same: before it ended, or for another clone that fills the same cache."""
    fetching = replace(WORK, name="fetch", notes=())
    assert "quick.example: 2.00 MB/s" in text_of(
        replace(FULL, works=[WorkPicture(fetching, "teacher", Left(None, None))])
    )
    assert "quick.example: 2.00 MB/s" in text_of(replace(FULL, works=None))
    for works in ([], [TRAINING]):
        assert "quick.example: 600.0 MB in 5 minutes, 3.00 GB" in text_of(replace(FULL, works=works))
