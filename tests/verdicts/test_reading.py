"""Verdicts are read as people and programs leave them in files, or the row that is wrong is named."""

import subprocess
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.runtime.errors import UserError
from stages.tables.verdicts import ASKED_AS, PAIR_VERDICTS, REASONS, SAID, VERDICTS
from stages.verdicts.reading import read_pair_verdicts, read_verdicts, write_pair_verdicts, write_verdicts
from tests.support import ROOT
from tests.support.verdicts import A, B, digest, name, verdict, verdicts_of

HEADER = ",".join(VERDICTS)
ROW = f"{name(0)},{digest(0)},{A},confirm,,,random,"
FULL = verdicts_of(
    verdict(0, A, "relabel", B, note='=1+1; «ñandú», so "he" said', asked_as="random"),
    verdict(1, "Rosa × alba", "drop", "herbarium"),
    verdict(2, A, "skip", asked_as="neighbor"),
)


def folder_of(tmp_path: Path, content: str | bytes, file: str = "ana.csv") -> Path:
    folder = tmp_path / "verdicts"
    folder.mkdir(exist_ok=True)
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        read_verdicts(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_without_files_there_are_no_verdicts(tmp_path: Path):
    assert read_verdicts(tmp_path / "none").is_empty()
    folder = folder_of(tmp_path, "# What people said", "README.md")
    for hidden in (".ana.csv.12.tmp", ".~lock.ana.csv#", "~$ana.csv", "ana.csv~", ".gitkeep"):
        (folder / hidden).write_text("no verdicts")
    assert read_verdicts(folder).is_empty()
    assert read_pair_verdicts(folder).schema == pl.Schema(PAIR_VERDICTS | {"reviewer": pl.String})
    for profile in ("sample", "teacher"):
        assert read_verdicts(ROOT / "data/sources" / profile / "verdicts").schema == pl.Schema(FULL.schema)


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_what_is_no_folder_of_verdicts_is_not_taken_for_none(tmp_path: Path, kind: str):
    folder = tmp_path / "verdicts"
    if kind == "file":
        folder.write_text(f"{HEADER}\n{ROW}\n")
    else:
        folder.symlink_to(tmp_path / "nowhere")
    assert "is no folder" in refusal(folder)
    with pytest.raises(UserError, match="is no folder"):
        read_pair_verdicts(folder)


def test_what_is_written_is_read_and_is_a_line_a_row(tmp_path: Path):
    path = tmp_path / "verdicts/ana.csv"
    write_verdicts(FULL.reverse(), path)
    assert read_verdicts(path.parent).equals(FULL)
    content = path.read_bytes()
    assert content.decode().splitlines()[0] == HEADER
    assert [line[:36] for line in content.decode().splitlines()[1:]] == [name(0), name(1), name(2)]
    assert b"\r" not in content
    assert b"'=1+1" in content  # what a spreadsheet would run


TEXT = st.text(st.sampled_from("=+-@;'\",é× \\n x🌹"), min_size=1, max_size=8)


@given(st.dictionaries(st.integers(0, 99), st.tuples(TEXT, st.none() | TEXT), max_size=6))
def test_any_text_comes_back_from_a_file(tmp_path_factory, said):
    rows = [verdict(n, f"x{given_}", "confirm", note=note) for n, (given_, note) in said.items()]
    path = tmp_path_factory.mktemp("text") / "ana.csv"
    frame = verdicts_of(*rows)
    write_verdicts(frame, path)
    text = pl.col("given", "note").str.strip_chars().replace("", None)
    read = read_verdicts(path.parent)
    assert read.equals(frame.with_columns(text))
    before = path.read_bytes()
    write_verdicts(read, path)
    assert path.read_bytes() == before


def as_saved(how: str, rows: pl.DataFrame) -> bytes:
    """The same rows, as some program saves them."""
    names = list(VERDICTS)
    cells = [names, *[["" if cell is None else cell for cell in row] for row in rows.select(names).iter_rows()]]
    if how == "columns in another order":
        cells = [row[::-1] for row in cells]
    if how == "empty rows and columns":
        cells = [cells[0], [""] * 8, *[[*row, "", ""] for row in cells[1:]], [""] * 10]
        cells[0] = [*cells[0], "", ""]
    if how == "no empty cells at the end":
        cells = [row[: max(place for place, cell in enumerate(row) if cell) + 1] for row in cells]
    if how == "another order and words in capitals":
        cells = [cells[0], *[[*row[:3], row[3].upper(), *row[4:]] for row in cells[:0:-1]]]
    separator = {"semicolons": ";", "tabs": "\t"}.get(how, ",")
    always = how == "all quoted"
    lines = [
        separator.join(
            '"' + cell.replace('"', '""') + '"' if always or {separator, '"', "\n"} & {*cell} else cell for cell in row
        )
        for row in cells
    ]
    if how == "old Macintosh":
        return "\r".join(lines).encode()
    end = "\r\n" if how == "Windows" else "\n"
    text = end.join(lines) + ("" if how == "no last line break" else end)
    return ("\ufeff" if how in ("Windows", "a mark at the beginning") else "").encode() + text.encode()


@pytest.mark.parametrize(
    "how",
    [
        "plain", "Windows", "a mark at the beginning", "semicolons", "tabs", "all quoted", "columns in another order",
        "empty rows and columns", "no empty cells at the end", "another order and words in capitals",
        "no last line break", "old Macintosh",
    ],
)  # fmt: skip
def test_a_file_saved_by_a_spreadsheet_says_the_same(tmp_path: Path, how: str):
    write_verdicts(FULL, tmp_path / "written/ana.csv")
    shown = pl.read_csv(tmp_path / "written/ana.csv", infer_schema=False)  # with the apostrophes
    assert read_verdicts(folder_of(tmp_path, as_saved(how, shown))).equals(FULL)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "must have the columns image_name,sha256,"),
        ("image_name,verdict\n", "it lacks asked_as, given, note, reason, sha256, species"),
        (f"{HEADER},weight\n", "it has weight"),
        (f"{HEADER.replace('note', 'given')}\n", "it lacks note"),
        (f"{HEADER}\n{ROW},more\n", "row 2 has 9 cells"),
        (f'{HEADER}\n\n{ROW}"x"y\n', "ana.csv is no CSV"),
        (f"{HEADER}\n{ROW}\xe9".encode("latin-1"), "no text in UTF-8: save it as `CSV UTF-8`"),
        (f"{HEADER}\n{ROW}".encode("utf-16"), "no text in UTF-8"),
        (f"{HEADER}\n{ROW.replace('confirm', 'conform')}\n", "row 2: verdict must be one of confirm, relabel, drop"),
        (f"{HEADER}\n\n\n{ROW.replace('random', 'chance')}\n", "row 4: asked_as must be one of random, suspect"),
        (f"{HEADER}\n{ROW.replace('confirm,,', 'drop,,ugly')}\n", "row 2: reason must be one of not_a_plant"),
        (f"{HEADER}\n{ROW.replace('confirm', 'drop')}\n", "row 2: a drop needs a reason"),
        (f"{HEADER}\n{ROW.replace('confirm', 'relabel')}\n", "row 2: a relabel needs the species"),
        (f"{HEADER}\n{ROW.replace('confirm,', f'confirm,{B}')}\n", "row 2: a species is of a relabel only"),
        (f"{HEADER}\n{ROW.replace('confirm,,', 'skip,,drawing')}\n", "row 2: a reason is of a drop only"),
        (f"{HEADER}\n{ROW.replace(A, '')}\n", "row 2: given is missing"),
        (f"{HEADER}\n{ROW.replace(name(0), ' ')}\n", "row 2: image_name is missing"),
        (f"{HEADER}\n{ROW.replace(digest(0), '1E+63')}\n", "row 2: sha256 must be 64 hexadecimal digits"),
        (f"{HEADER}\n{ROW}\n{ROW.replace('confirm', 'skip')}\n", f"rows 2 and 3 are both of {name(0)}: keep the one"),
        (f"{HEADER}\n<<<<<<< HEAD\n{ROW}\n=======\n>>>>>>> other\n", "row 2: a merge was left undone"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_one_line(tmp_path: Path, content: str | bytes, said: str):
    assert said in refusal(folder_of(tmp_path, content))


@pytest.mark.parametrize("file", ["ana.xlsx", "ana.csv.orig", "bo"])
def test_a_file_that_is_no_csv_is_not_passed_over(tmp_path: Path, file: str):
    folder = folder_of(tmp_path, f"{HEADER}\n{ROW}\n", file)
    assert f"{file} is no CSV of a reviewer: save it as one (NAME.csv)" in refusal(folder)


def test_hostile_text_is_only_text(tmp_path: Path):
    row = f'{name(0)},{digest(0)},"<img src=x>\x1b[31m\nsecond line",confirm,,,random,"=cmd|\' /C calc\'!A0\x00"\n'
    folder = folder_of(tmp_path, f"{HEADER}\n{row}")
    read = read_verdicts(folder)
    assert read["given"][0] == "<img src=x>\x1b[31m\nsecond line"
    write_verdicts(read, folder / "ana.csv")
    assert (folder / "ana.csv").read_text().splitlines()[1] == (
        f"{name(0)},{digest(0)},<img src=x>\\x1b[31m\\nsecond line,confirm,,,random,'=cmd|' /C calc'!A0\\x00"
    )


@pytest.mark.parametrize("wrong", [{"verdict": "maybe"}, {"sha256": "0"}, {"given": " "}, {"species": B}])
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, wrong: dict):
    path = tmp_path / "ana.csv"
    write_verdicts(FULL, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="row 2"):
        write_verdicts(verdicts_of(verdict(0, A, "confirm") | wrong), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["ana.csv"]


def test_a_pair_is_read_whichever_image_is_first(tmp_path: Path):
    header = ",".join(PAIR_VERDICTS)
    turned = f"{name(2)},{digest(2)},{name(1)},{digest(1)},same,"
    folder = folder_of(tmp_path, f"{header}\n{turned}\n")
    plain = (name(1), digest(1), name(2), digest(2), "same", None, "ana")
    assert read_pair_verdicts(folder).rows() == [plain]
    write_pair_verdicts(read_pair_verdicts(folder), folder / "ana.csv")
    assert read_pair_verdicts(folder).rows() == [plain]
    again = f"{name(1)},{digest(1)},{name(2)},{digest(2)},different,"
    folder_of(tmp_path, f"{header}\n{turned}\n{again}\n")
    with pytest.raises(UserError, match=r"rows 2 and 3 are both of \S+ and \S+: keep the one that holds"):
        read_pair_verdicts(folder)
    folder_of(tmp_path, f"{header}\n{turned.replace(name(2), name(1))}\n")
    with pytest.raises(UserError, match="row 2: an image is no pair with itself"):
        read_pair_verdicts(folder)


def test_the_words_are_those_that_people_are_told(tmp_path: Path):
    readme = (ROOT / "data/sources/sample/verdicts/README.md").read_text(encoding="utf-8")
    assert ",".join(VERDICTS) in readme
    for word in (*SAID, *REASONS, *ASKED_AS):
        assert f"`{word}`" in readme


class Repo:
    """A repo with the rules by which this one's files are merged, and a CSV of a reviewer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.verdicts = folder / "data/sources/sample/verdicts"
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        (folder / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
        self.commit()

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@host.example", "-c", "core.hooksPath=/dev/null")
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)

    def commit(self, *rows: dict) -> None:
        if rows:
            before = read_verdicts(self.verdicts)
            write_verdicts(pl.concat([before, verdicts_of(*rows)]), self.verdicts / "ana.csv")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")


@pytest.mark.parametrize("common", [[], [5], [0, 9]])
def test_what_two_branches_add_of_one_reviewer_reads_after_a_merge(tmp_path: Path, common: list[int]):
    repo = Repo(tmp_path / "repo")
    said = {number: verdict(number, A, "confirm") for number in range(10)}
    if common:
        repo.commit(*(said[number] for number in common))
    for branch, numbers in (("one", (1, 3, 4, 6)), ("other", (2, 3, 7, 8))):
        repo.git("checkout", "-q", "-b", branch, "main")
        repo.commit(*(said[number] for number in numbers))
    repo.git("merge", "-q", "one")
    merged = read_verdicts(repo.verdicts)
    assert merged["image_name"].to_list() == [name(number) for number in sorted({*common, 1, 2, 3, 4, 6, 7, 8})]


def test_two_verdicts_on_one_image_after_a_merge_are_one_line(tmp_path: Path):
    repo = Repo(tmp_path / "repo")
    repo.commit(verdict(5, A, "confirm"))
    for branch, word in (("one", ("drop", "drawing")), ("other", ("skip",))):
        repo.git("checkout", "-q", "-b", branch, "main")
        repo.commit(verdict(3, A, *word))
    repo.git("merge", "-q", "one")
    assert f"ana.csv, rows 2 and 3 are both of {name(3)}: keep the one that holds, and delete the other" in refusal(
        repo.verdicts
    )
