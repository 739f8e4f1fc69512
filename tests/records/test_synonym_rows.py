"""What a person wrote into the file of synonyms stays; what a checklist gave is replaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records.synonym_rows import Change, read_synonym_rows, with_checklist, write_synonym_rows
from stages.records.synonyms import read_synonyms
from stages.runtime.errors import UserError

ROWS = [("Aster novi-belgii", "Symphyotrichum novi-belgii", "WCVP:2")]


def test_rows_by_hand_stay_with_all_of_their_cells(tmp_path):
    path = tmp_path / "synonyms.csv"
    path.write_text(
        "synonym,accepted,note,source\n"
        "Rosa x,Rosa y,ask Ann,\n"
        "Rosa v,Rosa w,,Flora Iberica 6: 143\n"
        "Rosa t,Rosa u,,https://flora.example/123\n"
        "Rosa gone,Rosa u,,WCVP:1\n"
        "Aster novi-belgii,Aster other,seen,WFO:wfo-1\n"
        "Rosa short,Rosa y\n"
    )
    earlier = read_synonym_rows(path)
    assert len(earlier.by_hand) == 4
    written, change = with_checklist(earlier, [*ROWS, ("Rosa new", "Rosa y", "WCVP:9")])
    assert change == Change(new=1, gone=1, changed=1)
    write_synonym_rows(path, written)
    assert path.read_text() == (
        "synonym,accepted,source,note\n"
        "Aster novi-belgii,Symphyotrichum novi-belgii,WCVP:2,seen\n"
        "Rosa new,Rosa y,WCVP:9,\n"
        "Rosa short,Rosa y,,\n"
        "Rosa t,Rosa u,https://flora.example/123,\n"
        "Rosa v,Rosa w,Flora Iberica 6: 143,\n"
        "Rosa x,Rosa y,,ask Ann\n"
    )
    again, change = with_checklist(read_synonym_rows(path), [*ROWS, ("Rosa new", "Rosa y", "WCVP:9")])
    assert change == Change(0, 0, 0)
    before = path.read_bytes()
    write_synonym_rows(path, again)
    assert path.read_bytes() == before


def test_no_file_has_no_rows(tmp_path):
    path = tmp_path / "synonyms.csv"
    write_synonym_rows(path, with_checklist(read_synonym_rows(path), ROWS)[0])
    assert path.read_bytes() == b"synonym,accepted,source\nAster novi-belgii,Symphyotrichum novi-belgii,WCVP:2\n"


def test_a_bad_file_is_not_replaced(tmp_path):
    path = tmp_path / "synonyms.csv"
    path.write_text("name,accepted\n")
    with pytest.raises(UserError, match="must begin with"):
        read_synonym_rows(path)


CELL = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(st.dictionaries(CELL, st.tuples(CELL, CELL), max_size=4), st.dictionaries(CELL, CELL, max_size=4))
def test_what_is_by_hand_survives_any_run(tmp_path_factory, by_hand, found):
    path = tmp_path_factory.mktemp("rows") / "synonyms.csv"
    by_hand = {name: (accepted, f"{note} by hand") for name, (accepted, note) in by_hand.items()}
    empty = read_synonym_rows(path)
    write_synonym_rows(path, empty._replace(by_hand=[[name, *cells] for name, cells in by_hand.items()]))
    rows = [(name, accepted, "GBIF:1") for name, accepted in found.items() if name not in by_hand]
    for _ in range(2):
        write_synonym_rows(path, with_checklist(read_synonym_rows(path), rows)[0])
    assert {row[0]: (row[1], row[2]) for row in read_synonym_rows(path).by_hand} == by_hand
    assert read_synonyms(path) == (
        {name: cells[0] for name, cells in by_hand.items()},
        {name: accepted for name, accepted, _ in rows},
    )


def test_what_a_spreadsheet_would_run_has_an_apostrophe_in_the_file_alone(tmp_path):
    path = tmp_path / "synonyms.csv"
    path.write_text("synonym,accepted,source\n+ Laburnocytisus adamii,Rosa y,=HYPERLINK(1)\n'+ Rosa x,Rosa y,\n")
    rows = read_synonym_rows(path)
    assert rows.by_hand == [["+ Laburnocytisus adamii", "Rosa y", "=HYPERLINK(1)"], ["+ Rosa x", "Rosa y", ""]]
    write_synonym_rows(path, rows)
    written = "synonym,accepted,source\n'+ Laburnocytisus adamii,Rosa y,'=HYPERLINK(1)\n'+ Rosa x,Rosa y,\n"
    assert path.read_text() == written
    write_synonym_rows(path, read_synonym_rows(path))
    assert path.read_text() == written


def test_a_source_that_a_person_typed_stays(tmp_path):
    path = tmp_path / "synonyms.csv"
    path.write_text("synonym,accepted,source\nRosa t,Rosa u,doi:10.1\nRosa v,Rosa w,My_list:7\n")
    written, change = with_checklist(read_synonym_rows(path), ROWS)
    assert (len(written.by_hand), change) == (2, Change(1, 0, 0))
