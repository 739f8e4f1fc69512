"""A table is read as it was written, or it is said in one line what is wrong with the file."""

import unicodedata
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.errors import UserError
from stages.tables.table import Schema, read_table, write_table

SCHEMA: Schema = {"image_name": pl.String, "license": pl.String, "bytes": pl.Int64}


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_table_comes_back_as_it_was(tmp_path: Path, name: str):
    frame = pl.DataFrame({"image_name": ["a", "b"], "license": ["cc0", None], "bytes": [1, 2]}, schema=SCHEMA)
    write_table(frame, SCHEMA, tmp_path / name)
    assert read_table(tmp_path / name, SCHEMA).equals(frame)


@pytest.mark.parametrize("name", ["table.parquet", "table.csv"])
def test_a_table_of_an_older_version_is_not_called_damaged(tmp_path: Path, name: str):
    older = {"image_name": pl.String, "licence": pl.String, "bytes": pl.Int64}
    write_table(pl.DataFrame(schema=older), older, tmp_path / name)
    with pytest.raises(UserError, match=r"has other columns than this version writes[^\n]*: make it anew$") as error:
        read_table(tmp_path / name, SCHEMA)
    if name.endswith("parquet"):
        assert "it lacks license (String); it has licence (String)" in str(error.value)


def test_what_is_no_table_is_damaged(tmp_path: Path):
    (tmp_path / "table.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match="is damaged"):
        read_table(tmp_path / "table.parquet", SCHEMA)


TEXT: Schema = {"text": pl.String, "number": pl.Int64}


def csv_of(path: Path, *texts: str | None) -> list[str]:
    """The lines of the CSV of these texts, without its header."""
    write_table(pl.DataFrame({"text": texts, "number": [-1] * len(texts)}, schema=TEXT), TEXT, path)
    return path.read_text(encoding="utf-8").split("\n")[1:-1]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+ Laburnocytisus adamii", "'+ Laburnocytisus adamii"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("'=1", "''=1"),
        ('"=1', '"\'""=1"'),
        ("\ufeff=1", "'\ufeff=1"),
        ("＝1", "'＝1"),
        ("\t=1", "\\t=1"),
        ("\r=1", "\\r=1"),
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb\x85\x9b\x7f\u2066", "a\\u202eb\\x85\\x9b\\x7f\\u2066"),
        ("'Peace'", "'Peace'"),
        ("Rosa × canina = L.", "Rosa × canina = L."),
        ("", '""'),
        (None, ""),
    ],
)
def test_a_csv_runs_nothing_in_a_spreadsheet_or_on_a_terminal(tmp_path: Path, text: str | None, cell: str):
    assert csv_of(tmp_path / "table.csv", text) == [f"{cell},-1"]


TRICKY = st.text(st.sampled_from(";'\"=+-@ \u00a0\ufeff＝,;aé\\n🌹x"), max_size=6)
CONTROL = ("Cc", "Cs")
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.lists(st.none() | TRICKY | st.text(st.characters(exclude_categories=CONTROL, exclude_characters=TURNING))))
def test_text_comes_back_from_a_csv_exactly(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    lines = csv_of(path, *texts)
    assert len(lines) == len(texts)
    read = read_table(path, TEXT)
    assert read["text"].to_list() == texts
    assert read["number"].to_list() == [-1] * len(texts)
    for line in lines:
        assert line.lstrip('"\u00a0\ufeff ')[:1] not in tuple("=+-@＝")


@given(st.lists(st.text(), min_size=1))
def test_any_text_is_one_line_without_control_characters(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    lines = csv_of(path, *texts)
    assert len(lines) == len(texts)
    assert not any(unicodedata.category(char) == "Cc" or char in TURNING for line in lines for char in line)
    assert read_table(path, TEXT).height == len(texts)


@given(st.lists(TRICKY | st.text(st.characters(exclude_categories=CONTROL, exclude_characters=TURNING)), min_size=1))
def test_where_a_semicolon_ends_a_cell_nothing_runs_either(tmp_path_factory, texts):
    """As in a spreadsheet in Spanish or German, whose cells a comma does not end."""
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    for line in csv_of(path, *texts):
        for cell in line.split(";"):
            assert cell.lstrip('" \u00a0\ufeff')[:1] not in tuple("=+-@＝")
