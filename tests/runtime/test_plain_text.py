"""Nothing that a stranger wrote moves a terminal's cursor or turns its words around."""

import os
import pty
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.errors import UserError, run
from stages.runtime.plain_text import first_line, plain, without_secrets
from stages.runtime.progress import ProgressLine, progress, say
from tests.support import ROOT

EVIL = "a\x1b[31m\x00\r\x7f\x9b\x85\u202eb\u2066\ud83c"
SHOWN = r"a\x1b[31m\x00\r\x7f\x9b\x85\u202eb\u2066\ud83c"
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_control_characters_are_shown_as_escapes():
    assert plain(EVIL) == SHOWN
    assert plain("Rosa × canina 🌹\n\tnext\\") == "Rosa × canina 🌹\n\tnext\\"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one  \n"), "one"),
        (AssertionError(), "AssertionError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("x" * 999), "x" * 200),
    ],
)
def test_what_a_library_says_is_one_line_and_never_none(error, said):
    assert first_line(error) == said


@given(st.text(st.characters()))
def test_what_is_plain_has_none_and_stays(text):
    shown = plain(text)
    assert not any(
        unicodedata.category(char) in ("Cc", "Cs") or char in TURNING for char in shown.translate({9: "", 10: ""})
    )
    assert plain(shown) == shown
    if shown != text:
        assert any(unicodedata.category(char) in ("Cc", "Cs") or char in TURNING for char in text)


def test_say_and_a_line_of_the_log_are_plain(capsys):
    say(EVIL)
    ProgressLine("work", total=1, unit="images", start_s=0.0).line(EVIL)
    said = capsys.readouterr()
    assert (said.out, said.err) == (SHOWN + "\n", SHOWN + "\n")


def test_progress_in_a_log_is_plain(capsys, monkeypatch):
    monkeypatch.setattr("stages.runtime.progress.LINE_EVERY_S", 0.0)
    list(progress("a", what=EVIL, unit="letters", also=lambda: EVIL))
    said = capsys.readouterr().err
    assert said.startswith(f"{SHOWN}: 1 letters")
    assert said.endswith(f"; {SHOWN}\n")


@pytest.mark.parametrize("error", [UserError(f"{EVIL} is odd"), FileNotFoundError(2, "not there", EVIL)])
def test_an_error_is_plain(capsys, error):
    def fail():
        raise error

    with pytest.raises(SystemExit):
        run(fail)
    said = capsys.readouterr().err
    assert SHOWN in said
    assert said.count("\n") == 1


BAR = f"""
from stages.runtime.progress import ProgressLine
shown = ProgressLine({EVIL!r}, total=3, unit="images", start_s=0.0)
shown.show(1, 10.0, lambda: {EVIL!r})
shown.line({EVIL!r})
shown.close()
"""


def test_a_bar_on_a_terminal_keeps_its_own_codes_and_no_others():
    ours, its = pty.openpty()
    result = subprocess.run([sys.executable, "-c", BAR], cwd=ROOT, stderr=its, check=False)
    os.close(its)
    said = os.read(ours, 100_000).decode()
    os.close(ours)
    assert result.returncode == 0, said
    assert "\r" in said  # the bar's
    assert SHOWN in said
    assert "\x1b[31m" not in said
    assert not set(said) & {"\x00", "\x7f", "\x9b", "\x85", "\u202e", "\u2066"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mongodb://ann:pw@h.example/db", "mongodb://***@h.example/db"),
        ("at mongodb+srv://ann:p%40w@h/db?authSource=x, then", "at mongodb+srv://***@h/db?***, then"),
        ("https://h/a.jpg?X-Amz-Signature=abc&b=c (http_403)", "https://h/a.jpg?*** (http_403)"),
        ("--uri=https://token@h/a", "--uri=https://***@h/a"),
        ("ann@h.example asks https://h/a.jpg", "ann@h.example asks https://h/a.jpg"),
        ("is it so? yes: 3 of 5", "is it so? yes: 3 of 5"),
        ("http://a:b@c@h/x", "http://***@h/x"),
    ],
)
def test_what_opens_a_door_is_not_shown(text, shown):
    assert without_secrets(text) == shown
