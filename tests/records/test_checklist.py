"""Checklists are read as their publishers ship them, and of millions of rows only those that are needed are kept."""

import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records import checklist
from stages.records.checklist import Checklist, find_checklist, is_species, read_checklist
from stages.runtime.errors import UserError
from tests.support.checklists import PLANTS, gbif, wcvp, wfo, write_packed

NAMES = ["Aster novi-belgii", "Solanum rantonnetii", "Mentha × citrata"]


def read(path, names=NAMES):
    rows, total = read_checklist(find_checklist(path), names)
    return {(row["name"], row["authors"]) for row in rows.iter_rows(named=True)}, total


WANTED = {
    ("Aster novi-belgii", "L."),
    ("Symphyotrichum novi-belgii", "(L.) G.L.Nesom"),
    ("Solanum rantonnetii", "Carrière"),
    ("Lycianthes rantonnetii", "(Carrière) Bitter"),
    ("Mentha × citrata", "Ehrh."),
    ("Mentha × piperita", "L."),
}


@pytest.mark.parametrize("table", [wcvp, wfo, gbif])
@pytest.mark.parametrize("name", ["names.csv", "names.csv.gz", "names", "names.zip"])
def test_each_form_in_each_packing(tmp_path, table, name):
    others = {"README.txt": "of this archive\n", "eml.xml": "<eml/>\n", "wcvp_distribution.csv": "plant_name_id|area\n"}
    path = write_packed(tmp_path / name, {"names.csv": table()} | (others if name.endswith("zip") else {}))
    rows, total = read(path)
    assert {(name.replace(" ×", " × ").replace("  ", " "), authors) for name, authors in rows} == WANTED
    assert total == len(PLANTS)
    found = find_checklist(path)
    assert found.publisher == {wcvp: "WCVP", wfo: "WFO", gbif: "GBIF"}[table]


def test_a_table_in_commas_has_quotes_and_rows_over_two_lines(tmp_path):
    path = tmp_path / "My list (2).csv"
    path.write_text(
        "\ufefftaxonID,dwc:scientificName,taxonRank,taxonomicStatus,acceptedNameUsageID,remarks\r\n"
        '7,"Aster novi-belgii",species,synonym,8,"a remark,\nthat goes on"\r\n'
        "8,Symphyotrichum novi-belgii,species,accepted,,\r\n",
        encoding="utf-8",
    )
    assert read(path) == ({("Aster novi-belgii", None), ("Symphyotrichum novi-belgii", None)}, 2)
    assert find_checklist(path).publisher == "checklist-My_list_2_"


def test_kews_darwin_core_archive_misspells_its_header(tmp_path):
    path = tmp_path / "wcvp_taxon.csv"
    header = "taxonid|scientfiicname|scientfiicnameauthorship|taxonrank|taxonomicstatus|acceptednameusageid"
    rows = ["7|Aster novi-belgii|L.|Species|Synonym|8", "8|Symphyotrichum x|N.|Species|Accepted|8"]
    path.write_text("\n".join([header, *rows]))
    assert read(path)[0] == {("Aster novi-belgii", "L."), ("Symphyotrichum x", "N.")}


def test_chains_are_read_to_their_end_and_what_is_not_there_ends_them(tmp_path):
    rows = [("1", "Species", "Synonym", "Rosa ab", "A.", "2"), ("2", "Species", "Synonym", "Rubus cd", "B.", "3")]
    rows += [("3", "Species", "Synonym", "Ribes ef", "C.", "4")]
    path = write_packed(tmp_path / "names.csv", {"": wcvp(rows)})
    assert read(path, ["Rosa ab"])[0] == {("Rosa ab", "A."), ("Rubus cd", "B."), ("Ribes ef", "C.")}
    path = write_packed(tmp_path / "names.csv", {"": wcvp([*rows, ("4", "Species", "Synonym", "Rosa gh", "D.", "1")])})
    assert len(read(path, ["Rosa ab"])[0]) == 4


def test_animals_are_no_plants_and_varieties_no_species(tmp_path):
    path = write_packed(tmp_path / "Taxon.tsv", {"": gbif(kingdom="Animalia")})
    assert read(path)[0] == set()
    path = write_packed(tmp_path / "Taxon.tsv", {"": gbif()})
    of_species = {name for name, _ in read(path)[0]}
    assert not any("litoreus" in name for name in of_species)
    with_variety = {name for name, _ in read(path, ["Aster novi-belgii litoreus"])[0]}
    assert "Aster novi-belgii var. litoreus" in with_variety


@pytest.mark.parametrize(
    ("rank", "species"),
    [
        ("species", True), ("variety", True), ("subsp", True), (None, True), ("genus", False), ("subfamily", False),
        ("speciesaggregate", False), ("aggregate", False), ("agamospecies", True), ("nothospecies", True),
    ],
)  # fmt: skip
def test_ranks(rank, species):
    assert is_species(rank) == species


@given(st.integers(40, 400), st.randoms(use_true_random=False))
def test_blocks_and_the_order_of_rows_make_no_difference(tmp_path_factory, block, random):
    path = tmp_path_factory.mktemp("list") / "names.csv"
    rows = list(PLANTS)
    random.shuffle(rows)
    whole = checklist._BLOCK_BYTES
    try:
        checklist._BLOCK_BYTES = block
        write_packed(path, {"": wcvp(rows)})
        assert read(path) == (WANTED, len(PLANTS))
    finally:
        checklist._BLOCK_BYTES = whole


@pytest.mark.parametrize("block", [40, 70, 101, 150])
def test_a_block_does_not_end_within_quotes(tmp_path, monkeypatch, block):
    monkeypatch.setattr(checklist, "_BLOCK_BYTES", block)
    lines = ["taxonID,scientificName,taxonRank,taxonomicStatus,acceptedNameUsageID,remarks"]
    lines += [f'{number},Aster novi-belgii,species,synonym,,"one,\n2,""two""\n{number}"' for number in range(9)]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines))
    rows, total = read_checklist(find_checklist(path), NAMES)
    assert (sorted(rows["id"]), total) == ([str(number) for number in range(9)], 9)
    path.write_text("\n".join([*lines, '"9,Aster novi-belgii' + "\n" * 2000]))
    with pytest.raises(UserError, match="a row of it has no end"):
        read_checklist(find_checklist(path), NAMES)


class Looked(bytes):
    """Bytes that count how many of them are looked at."""

    seen = 0

    def count(self, sub, start=0, end=None):
        end = len(self) if end is None else end
        Looked.seen += end - start
        return super().count(sub, start, end)

    def rfind(self, sub, start=0, end=None):
        end = len(self) if end is None else end
        found = super().rfind(sub, start, end)
        Looked.seen += end - max(found, start)
        return found


@pytest.mark.parametrize("quotes", ["", '"', '"one""', '""'])
@pytest.mark.parametrize("megabytes", [1, 20])
def test_a_stray_quote_makes_no_more_work(megabytes, quotes):
    """A table of 1.6 MB took three times as long as one of 0.8 MB."""
    row = b"1234567,Aster novi-belgii,species,synonym,7654321,a remark\n"
    table = quotes.encode() + row * (megabytes * 1_000_000 // len(row))

    class Stream(BytesIO):
        def read(self, size=-1):
            return Looked(super().read(size))

    Looked.seen = 0
    found = Checklist(Path("list.csv"), None, "Darwin Core", "checklist-list", ",", True, {"id": 0, "name": 1}, 6)
    assert b"".join(checklist._blocks(found, Stream(table))) == table
    assert len(table) <= Looked.seen < 4 * len(table)


@given(st.text('a,"\n', max_size=40), st.integers(1, 9))
def test_blocks_are_whole_rows_and_no_byte_is_lost(table, size):
    whole = checklist._BLOCK_BYTES
    found = Checklist(Path("list.csv"), None, "Darwin Core", "checklist-list", ",", True, {"id": 0, "name": 1}, 2)
    try:
        checklist._BLOCK_BYTES = size
        blocks, ended = [], False
        with suppress(UserError):  # a row without an end
            for block in checklist._blocks(found, BytesIO(table.encode())):
                blocks.append(block)
            ended = True
    finally:
        checklist._BLOCK_BYTES = whole
    content = b"".join(blocks)
    whole_rows = blocks[:-1] if ended else blocks  # nothing ends the last row of a table
    assert all(block.count(b'"') % 2 == 0 and block.endswith(b"\n") for block in whole_rows)
    assert table.encode().startswith(content)
    assert not ended or not table.encode().removeprefix(content).strip()


@pytest.mark.parametrize("table", [wcvp, wfo, gbif])
def test_a_table_without_rows_is_refused(tmp_path, table):
    path = tmp_path / "list.txt"
    path.write_text(table([]))
    with pytest.raises(UserError, match="has a header and no rows"):
        read(path)
    path.write_bytes(table().encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r"))
    with pytest.raises(UserError, match="lines end in CR alone"):
        read(path)


def test_rows_with_the_id_of_another_are_read_too(tmp_path):
    rows = [
        *PLANTS,
        ("2", "Species", "Synonym", "Ribes ef", "L.", "10"),
        ("1", "Genus", "Accepted", "Ribes", "L.", "1"),
    ]
    path = write_packed(tmp_path / "names.csv", {"": wcvp(rows)})
    found = read(path, ["Aster novi-belgii"])[0]
    assert {name for name, _ in found} >= {"Ribes ef", "Ribes", "Aster novi-belgii"}


@pytest.mark.parametrize(
    "row", ['1,"Aster novi-belgii,species,synonym,2\n', "1\n", '1,Aster 5" novi,species,synonym,2\n']
)
def test_damaged_rows_are_told_in_words_of_this_project(tmp_path, row):
    path = tmp_path / "list.csv"
    path.write_text("taxonID,scientificName,taxonRank,taxonomicStatus,acceptedNameUsageID\n" + row)
    with pytest.raises(UserError, match=r"fewer columns than its header \(5\), or quotes that nothing closes"):
        read(path)


def changed_zip(path, place, value):
    """An archive with another value at a place of its entry: 8 are the flags, 10 the method (APPNOTE 4.3.12)."""
    write_packed(path, {"names.csv": wcvp()})
    content = bytearray(path.read_bytes())
    for start, shift in ((content.index(b"PK\x01\x02"), place), (0, place - 2)):
        content[start + shift] = value
    path.write_bytes(content)


def damaged_zip(path):
    write_packed(path, {"names.csv": wcvp()})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flipped_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("names.csv", wcvp())
    path.write_bytes(path.read_bytes().replace(b"Solanum rantonnetii", b"Solanum rantonmetii"))


def cut_gzip(path):
    write_packed(path.with_suffix(".gz"), {"": wcvp()}).rename(path)
    path.write_bytes(path.read_bytes()[:-12])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing: download a checklist first"),
        (b"", "has no header that is known (WCVP: plant_name_id, taxon_name"),
        (b"species;accepted\nRosa a;Rosa b\n", "found 'species;accepted'"),
        (wcvp().encode("latin-1"), "is no text in UTF-8"),
        (wcvp().encode("utf-16"), "has no header that is known"),
        (damaged_zip, "is damaged"),
        (flipped_zip, "is damaged (Bad CRC-32"),
        (cut_gzip, "is damaged"),
        (lambda path: changed_zip(path, 8, 1), "is encrypted: unzip it"),
        (lambda path: changed_zip(path, 10, 9), "is packed in a way that Python cannot read"),
        (lambda path: write_packed(path, {}), "archive without files"),
        (lambda path: write_packed(path, {"a.csv": wcvp(), "b.csv": wfo()}), "several checklists, a.csv, b.csv"),
        (lambda path: write_packed(path, {"a.csv": "x|y\n", "b": "z\n"}), "found a.csv: 'x|y'; b: 'z'"),
    ],
)
def test_what_is_no_checklist_is_one_line(tmp_path, content, said):
    path = tmp_path / "list.zip"
    if callable(content):
        content(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
