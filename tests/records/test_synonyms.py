"""The file of synonyms is read as spreadsheets save it, and a bad one is one line."""

import polars as pl
import pytest

from stages.records.synonyms import read_synonyms
from stages.runtime.errors import UserError
from stages.tables.export import RECORDS
from stages.tables.table import read_table, write_table
from tests.support import SAMPLE
from tests.support.running import complaint, run_here


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,accepted\n", "must begin with the columns synonym,accepted"),
        ("synonym,accepted\nRosa ab,\n", "row 2 lacks a synonym or an accepted name"),
        ("synonym,accepted\nRosa ab\n", "row 2 lacks"),
        ('synonym,accepted\n"Rosa ab,Rosa cd\n', "is no CSV"),
        ("synonym,accepted\nRosa ab,Rosa cd\nRosa ab,Rosa ef\n", "has two accepted names"),
        ("", "must begin with the columns"),
        ("synonym;accepted\n", "must begin with the columns"),
        ("synonym,accepted\nRosa ab,Rosa\n", "synonyms.csv: 'Rosa' cannot be an accepted name"),
    ],
)
def test_a_bad_file_of_synonyms_is_one_line(workspace, content, said):
    folder = workspace / "data/sources/sample"
    folder.mkdir(parents=True)
    (folder / "dump").symlink_to(SAMPLE / "dump")
    (folder / "synonyms.csv").write_text(content)
    assert said in complaint(run_here("export", workspace))


def test_synonyms_as_spreadsheets_save_them(tmp_path):
    path = tmp_path / "synonyms.csv"
    path.write_bytes('\ufeffsynonym,accepted,note\r\nRosa ab,Rosa cd,x\r\n\r\n"Rosa ef, L.",Rosa gh\r\n'.encode())
    assert read_synonyms(path) == ({"Rosa ab": "Rosa cd", "Rosa ef, L.": "Rosa gh"}, {})
    path.write_bytes("synonym,accepted\nRosa \xe9,Rosa cd\n".encode("latin-1"))
    with pytest.raises(UserError, match="save it as one"):
        read_synonyms(path)


def test_no_file_of_synonyms_is_no_synonyms(tmp_path):
    assert read_synonyms(tmp_path / "synonyms.csv") == ({}, {})


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x0c", "\x0b", "\x85", "\x1c"])
def test_a_cell_in_quotes_may_hold_line_breaks(tmp_path, sign):
    path = tmp_path / "synonyms.csv"
    path.write_bytes(f'synonym,accepted,note\n"Rosa{sign}ab",Rosa cd,"one{sign}two"\nRosa ef,Rosa gh,\n'.encode())
    assert read_synonyms(path).by_hand == {f"Rosa{sign}ab": "Rosa cd", "Rosa ef": "Rosa gh"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path, end):
    path = tmp_path / "synonyms.csv"
    path.write_bytes(end.join(["synonym,accepted", "Rosa ab,Rosa cd", "", "Rosa ef,Rosa gh"]).encode())
    assert read_synonyms(path).by_hand == {"Rosa ab": "Rosa cd", "Rosa ef": "Rosa gh"}


@pytest.mark.parametrize(
    "name", ["+ Laburnocytisus adamii", "=Rosa", "-Rosa ab", "@Rosa ab", "'+ Rosa ab", "Rosa 'Peace'"]
)
def test_a_row_copied_from_a_table_means_what_the_table_said(tmp_path, name):
    write_table(pl.DataFrame({"synonym": [name]}), {"synonym": pl.String}, tmp_path / "table.csv")
    copied = (tmp_path / "table.csv").read_text().splitlines()[1]
    path = tmp_path / "synonyms.csv"
    path.write_text(f"synonym,accepted\n{copied},Rosa cd\n")
    assert read_synonyms(path).by_hand == {name: "Rosa cd"}


@pytest.mark.parametrize(
    ("source", "by_hand"),
    [
        ("", True), ("WCVP:1", False), ("WFO:wfo-0000000001", False), ("GBIF:1", False), ("checklist-:1", False),
        ("checklist-My_list:a.b", False), ("doi:10.1", True), ("https://flora.example/1", True), ("Ann:1", True),
        ("WCVP", True), ("WCVP: 1", True), ("see WCVP:1", True), ("isbn:978-3", True), ("WCVP:", True),
    ],
)  # fmt: skip
def test_a_row_is_of_a_checklist_by_a_publisher_that_is_known(tmp_path, source, by_hand):
    path = tmp_path / "synonyms.csv"
    path.write_text(f"synonym,accepted,source\nRosa ab,Rosa cd,{source}\n")
    assert bool(read_synonyms(path).by_hand) == by_hand
    assert bool(read_synonyms(path).of_checklist) != by_hand


def test_a_row_by_hand_beside_a_checklists_wins_in_export_and_is_told(workspace):
    folder = workspace / "data/sources/sample"
    folder.mkdir(parents=True)
    (folder / "dump").symlink_to(SAMPLE / "dump")
    rows = ["Solanum rantonnetii,Solanum elsewhere,", "Solanum rantonnetii Carri\u00e8re,Lycianthes rantonnetii,WCVP:1"]
    (folder / "synonyms.csv").write_text("\n".join(["synonym,accepted,source", *rows, ""]), encoding="utf-8")
    result = run_here("export", workspace)
    assert result.returncode == 0, result.stderr
    assert "1 rows of a checklist are other by hand, which wins, such as 'Solanum rantonnetii Carri" in result.stdout
    species = read_table(workspace / "data/records.parquet", RECORDS, only=["species"])["species"]
    assert "Solanum elsewhere" in species
