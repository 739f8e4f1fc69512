"""Progress in a log is a line that reads well."""

import re
import sys
from io import StringIO

from stages.runtime.progress import ProgressLine, progress


def test_progress_in_a_log_is_a_line_with_rate_and_time_left_and_more(capsys, monkeypatch):
    monkeypatch.setattr("stages.runtime.progress.LINE_EVERY_S", 0.0)
    assert list(progress("abcd", what="letters", total=4, unit="letters", also=lambda: "loss 1.5")) == list("abcd")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r"letters: 2 of 4 letters, [\d,.]+ letters/s, 0 s left; loss 1\.5", lines[1])


def test_while_a_work_stands_still_a_word_takes_the_place_of_the_time_left(monkeypatch, capsys):
    """On a terminal as in a log: a rate tells nothing of a pause."""
    monkeypatch.setattr("stages.runtime.progress.POSTFIX_EVERY_S", 0.0)

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    lines = []
    for stream in (Terminal(), None):
        with monkeypatch.context() as patched:
            if stream is not None:
                patched.setattr(sys, "stderr", stream)
            shown = ProgressLine("fetch", total=50, unit="images", start_s=0.0)
            for now_s, word in ((40.0, ""), (80.0, "paused"), (120.0, "")):
                shown.show(2, now_s, lambda: "host", lambda word=word: word)
            shown.close()
        said = capsys.readouterr().err if stream is None else stream.getvalue().replace("\r", "\n")
        lines.append([line for line in said.splitlines() if "host" in line])
    bar, log = lines
    assert ["paused" in line for line in log] == [" left; " not in line for line in log] == [False, True, False]
    assert any(re.search(r"2/50 \[[\d:]+, paused, host\]", line) for line in bar)
    assert "paused" not in bar[0] + bar[-1]
