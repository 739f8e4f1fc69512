"""A reviewer's file: whole after each verdict, as before when undone, and never written over what others wrote."""

import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.reviewing.saving import ReviewerFile
from stages.runtime.errors import UserError
from stages.tables.verdicts import VERDICTS
from stages.verdicts.reading import read_verdicts, write_verdicts
from tests.support import ROOT


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "verdicts"


def opened(folder, reviewer="ann") -> ReviewerFile:
    return ReviewerFile(folder, reviewer, VERDICTS, read_verdicts, write_verdicts)


def row(number: int, verdict: str = "confirm", note: str | None = None) -> dict:
    said = {"verdict": verdict, "species": None, "reason": None, "asked_as": "suspect", "note": note}
    return {"image_name": f"{number}.jpg", "sha256": f"{number:064x}", "given": "Rosa canina", **said}


def table(rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(VERDICTS))


def change(*numbers: int, verdict: str = "confirm") -> dict:
    return {(f"{number}.jpg",): row(number, verdict) for number in numbers}


def test_what_was_said_is_in_the_file_at_once_and_undone_byte_by_byte(place):
    file = opened(place)
    contents = [None]
    for numbers in ((3, 1), (2,), (3,)):
        file.put(change(*numbers, verdict="skip" if numbers == (3,) else "confirm"), numbers)
        contents.append(file.path.read_bytes())
    assert read_verdicts(place)["image_name"].to_list() == ["1.jpg", "2.jpg", "3.jpg"]
    for about, before in zip(((3,), (2,), (3, 1)), reversed(contents[:-1]), strict=True):
        assert file.undo() == about
        assert (file.path.read_bytes() if file.path.exists() else None) == before
    assert not file.can_undo()
    assert not file.rows
    file.close()


def test_a_file_that_a_spreadsheet_wrote_is_as_it_was_after_an_undo(place):
    place.mkdir()
    path = place / "ann.csv"
    write_verdicts(table([row(1), row(2)]), path)
    by_hand = path.read_text().replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig")
    path.write_bytes(by_hand)
    file = opened(place)
    assert len(file.rows) == 2
    file.put(change(3))
    assert b";" not in path.read_bytes()
    file.put(change(4))
    file.undo()
    file.undo()
    assert path.read_bytes() == by_hand
    file.close()


def test_what_another_program_writes_meanwhile_is_taken_and_not_written_over(place):
    file = opened(place)
    file.put(change(1))
    assert not file.refresh()
    write_verdicts(table([row(1), row(9)]), file.path)  # as git does that merges
    assert file.refresh()
    assert not file.can_undo()
    file.put(change(2))
    assert read_verdicts(place)["image_name"].to_list() == ["1.jpg", "2.jpg", "9.jpg"]
    file.path.write_text("no verdicts\n")
    with pytest.raises(UserError, match="must have the columns"):
        file.refresh()
    assert file.path.read_text() == "no verdicts\n"
    file.close()


def test_a_verdict_that_cannot_be_written_changes_nothing(place):
    file = opened(place)
    file.put(change(1))
    before = file.path.read_bytes()
    aside = place.with_name("aside")
    place.rename(aside)
    place.write_text("no folder")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        file.put(change(2))
    place.unlink()
    aside.rename(place)
    assert list(file.rows) == [("1.jpg",)]
    assert file.path.read_bytes() == before
    file.put(change(2))
    file.undo()
    assert file.path.read_bytes() == before
    assert [path.name for path in place.iterdir()] == ["ann.csv"]
    file.close()


def test_one_process_is_one_reviewer_until_it_ends(place, tmp_path):
    file = opened(place)
    with pytest.raises(UserError, match="another review of ann is open"):
        opened(place)
    opened(place, "bob").close()
    file.close()
    script = (
        "import os\nfrom pathlib import Path\nfrom tests.reviewing import test_saving as t\n"
        f"t.opened(Path({str(place)!r}))\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=False)
    opened(place).close()
    assert not place.exists()  # no lock stands where git and DVC look


def test_others_are_told_from_oneself(place):
    place.mkdir()
    write_verdicts(table([row(1)]), place / "bob.csv")
    file = opened(place)
    assert file.others["reviewer"].to_list() == ["bob"]
    file.put(change(1, verdict="skip"))
    assert read_verdicts(place)["reviewer"].to_list() == ["ann", "bob"]
    file.close()


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True) | st.none(), max_size=12))
def test_any_walk_of_verdicts_and_undos_leaves_what_a_list_of_snapshots_says(tmp_path_factory, walk):
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("walk")
        patched.chdir(folder)
        file = opened(folder / "verdicts")
        states: list[dict] = [{}]
        for turn, step in enumerate(walk):
            if step is not None:
                file.put({(f"{n}.jpg",): row(n, note=str(turn)) for n in step})
                states.append(dict(file.rows))
            elif file.can_undo():
                file.undo()
                states.pop()
            assert file.rows == states[-1]
            on_disk = read_verdicts(folder / "verdicts").drop("reviewer").rows(named=True)
            assert on_disk == [states[-1][key] for key in sorted(states[-1])]
        file.close()
