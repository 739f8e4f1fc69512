"""A table fits its terminal, and says what it leaves out."""

import re

from hypothesis import given
from hypothesis import strategies as st

from stages.report.text_table import in_columns, in_markdown

NAME = st.from_regex("[a-z][a-z_.]{0,40}", fullmatch=True)
TEXT = st.text("abc_.* 19|…", max_size=40)
TABLES = st.integers(1, 8).flatmap(
    lambda width: st.tuples(
        st.lists(NAME, min_size=width, max_size=width),
        st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=4),
    )
)


@given(TABLES, st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal_and_every_column_is_there_or_counted(table, width):
    header, cells = table
    lines = in_columns(header, cells, width)
    assert max(map(len, lines)) <= width
    rule = next(at for at, line in enumerate(lines) if line and set(line) == {"-"})
    end = rule + 1 + len(cells)
    left_out = " ".join(line.strip() for line in lines[end:])
    if left_out:
        assert int(re.match(r"… (\d+) more columns? ", left_out)[1]) < len(header)
        assert all(line.endswith("…") for line in lines[:rule] + lines[rule + 1 : end])


def test_what_fits_is_shown_and_the_rest_is_named():
    header = ["", "test_top1", "test_mean_per_class_accuracy", "weight_decay"]
    cells = [["workspace", "0.861", "0.855", "0.01"], ["  a-name-that-is-longer-than-others *", "0.9", "0.8", "0.05"]]
    assert in_columns(header, cells, 80) == [
        "                                       test_mean_",
        "                                       per_class_  weight_",
        "                            test_top1    accuracy    decay",
        "----------------------------------------------------------",
        "workspace                       0.861       0.855     0.01",
        "  a-name-that-is-longer… *        0.9         0.8     0.05",
    ]
    assert in_columns(header, cells, 55)[3:] == [
        "--------------------------------------------------------"[:52],
        "workspace                       0.861       0.855  …",
        "  a-name-that-is-longer… *        0.9         0.8  …",
        "… 1 more column in a wider terminal or with --md:",
        "  weight_decay",
    ]
    assert in_columns(header, cells, 45)[:2] == ["                            test_top1  …", "-" * 40]


def test_markdown_is_uncut_and_a_bar_ends_no_cell():
    lines = in_markdown(["", "a"], [["  x|y *", "1"]])
    assert lines == ["|  | a |", "| --- | ---: |", "| &nbsp; x\\|y \\* | 1 |"]
