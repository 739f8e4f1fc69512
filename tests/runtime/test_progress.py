"""Progress in a log is a line that reads well."""

import re

from stages.runtime.progress import progress


def test_progress_in_a_log_is_a_line_with_rate_and_time_left_and_more(capsys, monkeypatch):
    monkeypatch.setattr("stages.runtime.progress.LINE_EVERY_S", 0.0)
    assert list(progress("abcd", what="letters", total=4, unit="letters", also=lambda: "loss 1.5")) == list("abcd")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(r"letters: 2 of 4 letters, [\d,.]+ letters/s, 0 s left; loss 1\.5", lines[1])
