"""What is said when a stage ends before its end is true where it is said, and costs nobody's work."""

import re

import pytest

from stages.runtime.errors import AFTER_A_STOP, TRY_OF, UserError, run
from stages.runtime.progress import ProgressLine
from tests.support import ROOT


def said(error: BaseException, capsys) -> tuple[int, str]:
    """How a stage that meets an error ends: its exit code and its line."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        run(main)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return end.value.code, line


ERRORS = [(UserError("no"), 1), (OSError(28, "No space left", "a/file"), 1), (KeyboardInterrupt(), 130)]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=str)
@pytest.mark.parametrize("place", ["by hand", "in the working tree", "in a copy", "in a clone of make try"])
def test_a_stage_says_where_it_ran_and_what_is_missed_there(error, code, place, tmp_path, monkeypatch, capsys):
    for name in ("DVC_ROOT", TRY_OF):
        monkeypatch.delenv(name, raising=False)
    copy = tmp_path / ".dvc/tmp/exps/standalone/tmpabc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(tmp_path if place == "in the working tree" else copy)
    if place == "in a clone of make try":
        monkeypatch.setenv(TRY_OF, str(tmp_path))
        monkeypatch.setenv("DVC_ROOT", str(copy))
    elif place != "by hand":
        monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    found, line = said(error, capsys)
    assert found == code
    assert "checkout" not in line
    assert (AFTER_A_STOP in line) == (place == "in the working tree")
    assert ("this ran in a copy: your working tree is as it was" in line) == (
        place in ("in a copy", "in a clone of make try")
    )


def test_a_link_to_the_repo_is_the_repo(tmp_path, monkeypatch, capsys):
    (tmp_path / "repo").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "repo")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "link"))
    monkeypatch.delenv(TRY_OF, raising=False)
    monkeypatch.chdir(tmp_path / "repo")
    assert AFTER_A_STOP in said(UserError("no"), capsys)[1]


def test_the_section_that_is_named_is_there():
    name, heading = re.fullmatch(r"(\S+), section '(.+)',", AFTER_A_STOP).groups()
    assert f"\n## {heading}\n" in (ROOT / name).read_text(encoding="utf-8")


def test_want_of_memory_is_a_line(capsys):
    code, line = said(MemoryError(), capsys)
    assert code == 1
    assert "not enough memory: free some" in line


@pytest.mark.parametrize(
    "error",
    [
        UserError("the starting weights https://user:secret@host.example/w?token=secret are missing"),
        OSError(2, "No such file", "https://user:secret@host.example/w"),
        UserError("the starting weights https:/user:secret@host.example/w are missing"),  # as a path has it
        KeyboardInterrupt("stopped at http://secret@host.example/"),
    ],
    ids=str,
)
def test_no_message_tells_a_secret_of_an_address(error, capsys):
    assert "secret" not in said(error, capsys)[1]


def test_a_closed_standard_error_stops_nothing(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    run(lambda: ProgressLine("work", total=1, unit="photos", start_s=0).close())
    monkeypatch.setattr("sys.stderr", None)

    def refuse() -> None:
        raise UserError("no")

    with pytest.raises(SystemExit) as end:
        run(refuse)
    assert end.value.code == 1
