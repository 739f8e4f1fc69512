"""One screen without a terminal; on one, screens in place of each other that leave it as it was."""

import signal
import sys

import pytest

from stages.commands.watch import _ENTER, _LEAVE
from stages.watching.terminal_text import cells
from tests.support import ROOT
from tests.support.running import complaint, run_here
from tests.support.terminal import Terminal
from tests.support.watched import state_of

WATCH = [sys.executable, "-m", "stages.commands.watch", "--every", "0.5"]


@pytest.fixture
def repo(workspace):
    (workspace / ".dvc").mkdir()
    return workspace


@pytest.mark.parametrize("words", [[], ["--once"]])
def test_without_a_terminal_it_prints_one_screen_and_ends(repo, words):
    before = state_of(repo)
    result = run_here("commands.watch", repo, *words)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{repo.name}, profile sample" in result.stdout
    assert "nothing is at work here" in result.stdout
    assert "\x1b" not in result.stdout
    assert max(map(cells, result.stdout.splitlines())) <= 100
    assert state_of(repo) == before


def test_columns_say_how_wide_it_is_where_no_terminal_does(repo):
    result = run_here("commands.watch", repo, COLUMNS="40")
    assert max(map(cells, result.stdout.splitlines())) <= 40


@pytest.mark.slow
def test_a_terminal_that_does_not_know_its_size_has_the_usual_one(repo):
    """As one of a container, or of a script that has made it."""
    terminal = Terminal([*WATCH, "--once"], repo, columns=0, lines=0, PYTHONPATH=str(ROOT), COLUMNS="", LINES="")
    assert terminal.read_to_the_end() == 0
    assert "nothing is at work here" in terminal.written
    terminal = Terminal(WATCH, repo, columns=0, lines=0, PYTHONPATH=str(ROOT), COLUMNS="", LINES="")
    lines = terminal.wait_for(lambda lines: "nothing is at work here" in lines)
    assert 1 < len(lines) <= 24
    assert max(map(cells, lines)) <= 80
    terminal.press("\x03")
    assert terminal.read_to_the_end() == 0


def test_it_asks_for_what_it_needs(repo):
    result = run_here("commands.watch", repo, "--every", "0")
    assert result.returncode == 2
    assert "must be a number from 0.5 to 3600 (found 0)" in result.stderr
    (repo / "dvc.yaml").unlink()
    assert "run this from the root of the repo" in complaint(run_here("commands.watch", repo))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", signal.SIGTERM])
def test_on_a_terminal_screens_are_drawn_in_place_until_it_is_stopped(repo, how):
    terminal = Terminal(WATCH, repo, columns=80, lines=24, PYTHONPATH=str(ROOT), NO_COLOR="")
    first = terminal.wait_for(lambda lines: lines[0].startswith(f"{repo.name}, profile sample"))
    assert "nothing is at work here" in first
    assert "\x1b[1m" in terminal.written  # a title, in bold
    terminal.resize(30, 5)
    small = terminal.wait_for(lambda lines: max(map(cells, lines)) <= 30)
    assert max(map(cells, small)) <= 30
    assert len(small) <= 5
    if how == "Ctrl-C":
        terminal.press("\x03")
    else:
        terminal.process.send_signal(how)
    assert terminal.read_to_the_end() == 0
    assert "Traceback" not in terminal.written
    assert terminal.written.startswith("\x1b[?1049h\x1b[?25l")  # another screen, no cursor
    assert terminal.written.endswith("\x1b[?25h\x1b[?1049l")  # both as they were


@pytest.mark.slow
def test_colors_that_nobody_wants_are_left_out(repo):
    terminal = Terminal(WATCH, repo, columns=80, lines=24, PYTHONPATH=str(ROOT), NO_COLOR="1")
    terminal.wait_for(len)
    terminal.press("\x03")
    assert terminal.read_to_the_end() == 0
    assert "\x1b[1m" not in terminal.written


@pytest.mark.slow
def test_what_has_no_cursor_gets_one_screen(repo):
    terminal = Terminal(WATCH, repo, columns=80, lines=24, PYTHONPATH=str(ROOT), TERM="dumb", PYTHONIOENCODING="ascii")
    assert terminal.read_to_the_end() == 0
    assert "\x1b" not in terminal.written
    assert terminal.written.isascii()


SHELL = """
set -m
"$@" &
child=$!
fg > /dev/null
read -r _ _ state _ < /proc/$child/stat
echo "suspended: $state"
fg > /dev/null
echo "ended: $?"
"""


@pytest.mark.slow
def test_ctrl_z_gives_the_terminal_back_and_fg_draws_on(repo):
    command = ["bash", "-c", SHELL, "bash", *WATCH]
    terminal = Terminal(command, repo, columns=80, lines=24, PYTHONPATH=str(ROOT), NO_COLOR="1")
    terminal.wait_for(lambda lines: "nothing is at work here" in lines)
    terminal.press("\x1a")
    terminal.wait_for(lambda _lines: terminal.written.count(_ENTER) == 2)
    before, _, after = terminal.written.partition("suspended: T")
    assert before.count(_LEAVE) == before.count(_ENTER) == 1
    drawn = after.count("nothing is at work here")
    terminal.wait_for(lambda _lines: terminal.written.count("nothing is at work here") > drawn + 1)
    terminal.press("\x03")
    assert terminal.read_to_the_end() == 0
    assert terminal.written.count(_LEAVE) == 2
    assert "ended: 0" in terminal.written
