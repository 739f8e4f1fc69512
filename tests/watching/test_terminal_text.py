"""Text is measured, folded and cut by what it takes on a terminal."""

from stages.watching.terminal_text import bar, cells, clip, fold


def test_text_is_measured_and_cut_by_what_it_takes_on_a_terminal():
    assert [cells(text) for text in ("abc", "中文", "é", "e\u0301", "")] == [3, 4, 1, 1, 0]
    assert clip("abcdef", 4) == "abc…"
    assert clip("中文字", 4) == "中…"
    assert clip("abc", 3) == "abc"
    assert clip("abc", 0) == ""
    assert bar(0.5, 4) == "██░░"
    assert bar(7.0, 4, unicode=False) == "####"
    assert fold("one, two; three", 11, indent=2) == ["  one, two;", "  three"]
