"""The file of synonyms is read as spreadsheets save it, and a bad one is one line."""

import pytest

from stages.records.synonyms import read_synonyms
from stages.runtime.errors import UserError
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
    assert read_synonyms(path) == {"Rosa ab": "Rosa cd", "Rosa ef, L.": "Rosa gh"}
    path.write_bytes("synonym,accepted\nRosa \xe9,Rosa cd\n".encode("latin-1"))
    with pytest.raises(UserError, match="save it as one"):
        read_synonyms(path)


def test_no_file_of_synonyms_is_no_synonyms(tmp_path):
    assert read_synonyms(tmp_path / "synonyms.csv") == {}
