"""Every document is counted: as records by source, or by the reason why it gives none."""

import gzip
import json
from pathlib import Path

import bson
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.export import summarize
from stages.records.document import Unreadable
from stages.records.named_records import count_refused, count_rules, name_records
from stages.records.names import NameCleaner
from stages.records.repeated_images import drop_repeated
from stages.records.shapes import DocumentReader
from stages.records.tabulate import MOST_LISTED, shape_records
from stages.tables.export import NAMES, RECORDS, SUSPICIOUS_NAMES, UNREADABLE
from stages.tables.table import read_table
from tests.support import SAMPLE
from tests.support.documents import ARRAY, INATURALIST, LEGACY
from tests.support.naming import RULES
from tests.support.running import complaint, run_here
from tests.support.tables import available_rows


def test_names_are_counted_and_listed():
    species = ["Rosa canina", "ROSA CANINA L.", "ROSA CANINA L.", "Rosa sp.", "Rosa cf. canina", "Rosa canina Mill."]
    records = available_rows([{"species": name} for name in species]).select(RECORDS.keys())
    named, listed, merges = name_records(records, NameCleaner(RULES, {}))
    assert named["species"].to_list() == ["Rosa canina"] * 4
    assert named["document_id"].to_list() == ["0", "1", "2", "5"]
    assert listed.rows() == [
        ("ROSA CANINA L.", "Rosa canina", "case; authorship", 2),
        ("Rosa canina Mill.", "Rosa canina", "authorship", 1),
        ("Rosa cf. canina", None, "uncertain_name", 1),
        ("Rosa sp.", None, "genus_only", 1),
    ]
    assert count_refused(listed) == {"uncertain_name": 1, "genus_only": 1}
    assert count_rules(listed)["authorship"] == {"names": 2, "images": 3}
    merge = ("authors", "Rosa canina", "Rosa canina Mill.", 1, "Rosa canina", "ROSA CANINA L.", 2, None)
    assert merges.rows() == [merge]


def test_one_name_is_evidence_for_another():
    species = ["Quercus ilex", "Quercus ilex ballota", "Eastern white pine", "Rosa Canina"]
    records = available_rows([{"species": name} for name in species]).select(RECORDS.keys())
    named, listed, _ = name_records(records, NameCleaner(RULES, {}))
    assert named["species"].to_list() == ["Quercus ilex"] * 2
    assert count_refused(listed) == {"unclear_name": 2}


def test_the_sample_is_spelled_in_every_way_and_comes_out_right(workspace):
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(SAMPLE)
    assert run_here("export", workspace).returncode == 0
    figures = json.loads((workspace / "data/reports/export.json").read_text())
    changed = figures["names"]["changed"]
    assert set(changed) == {
        "unicode", "hybrids", "case", "authorship", "below_species", "synonyms", "higher_taxon", "hyphen",
        "uncertain_name", "genus_only", "no_name", "unclear_name", "too_long",
    }  # fmt: skip
    names = read_table(workspace / "data/names.csv", NAMES)
    assert names["images"].sum() >= max(rule["images"] for rule in changed.values())
    pairs = read_table(workspace / "data/suspicious_names.csv", SUSPICIOUS_NAMES)
    slips = pairs.filter(kind="spelling")
    assert slips.select("species", "other", "edits").rows() == [("Rosa canima", "Rosa canina", 1)]
    merges = pairs.filter(pl.col("kind") != "spelling")
    assert set(figures["names"]["merges"]) == {"authors", "below_species"}
    assert sum(figures["names"]["merges"].values()) == merges.height
    assert (merges["species"] == merges["other"]).all()
    assert (merges["images"] <= merges["other_images"]).all()
    assert pl.read_parquet(workspace / "data/records.parquet")["species"].n_unique() == 26


def test_one_url_twice_is_one_record_but_two_names_are_kept_for_the_split(params):
    twice = [INATURALIST, INATURALIST | {"_id": bson.ObjectId()}, INATURALIST | {"taxon": {"name": "Rosa gallica"}}]
    shaped = shape_records(twice, DocumentReader(params.documents))
    unique = drop_repeated(shaped.records.table())
    assert unique["species"].to_list() == ["Rosa canina", "Rosa gallica"]
    repeated = shaped.records.table().height - unique.height
    figures = summarize(unique, shaped.refused, documents=shaped.read, repeated=repeated)
    assert (figures["documents"], figures["images"], figures["repeated"], figures["species"]) == (3, 2, 1, 2)


@given(st.permutations(range(6)))
def test_the_order_of_the_documents_does_not_matter(params, order):
    documents = [INATURALIST, LEGACY, ARRAY, LEGACY | {"_id": 6}, INATURALIST | {"_id": 9}, LEGACY | {"_id": None}]
    expected = drop_repeated(shape_records(documents, DocumentReader(params.documents)).records.table())
    shuffled = shape_records([documents[index] for index in order], DocumentReader(params.documents))
    assert drop_repeated(shuffled.records.table()).equals(expected)


def put_dump(workspace: Path, documents: list[dict]) -> None:
    dump = workspace / "data/sources/sample/dump/plants.bson.gz"
    dump.parent.mkdir(parents=True, exist_ok=True)
    dump.write_bytes(gzip.compress(b"".join(map(bson.encode, documents))))
    synonyms = workspace / "data/sources/sample/synonyms.csv"
    synonyms.write_bytes((SAMPLE / "synonyms.csv").read_bytes())


def test_what_fits_no_shape_is_said_with_an_entry_that_makes_records_of_it_when_pasted(workspace):
    new = [{"_id": n, "foto": f"https://h.example/{n}.jpg", "especie": "Rosa canina"} for n in range(3)]
    put_dump(workspace, [*new, LEGACY, {"_id": 4, "comment": "by mistake"}])
    result = run_here("export", workspace)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    start = lines.index("export: a shape to paste below `documents:` in params.yaml, and to check:") + 1
    assert lines[start - 4 : start - 1] == [
        "export: 4 documents fit no shape; the commonest have these fields:",
        "  3: _id, especie, foto",
        "  1: _id, comment",
    ]
    figures = json.loads((workspace / "data/reports/export.json").read_text())
    assert figures["unknown_shapes"]["sets"][0] == {"documents": 3, "fields": ["_id", "especie", "foto"]}
    assert figures["documents_by_shape"] == {"garden": 0, "inaturalist": 0, "jsonl": 0, "legacy": 1}
    assert figures["paths_never_found"] == {"legacy": ["sighting", "author"]}

    entry = [line for line in lines[start:] if line.startswith("  ")]
    params = (workspace / "params.yaml").read_text(encoding="utf-8")
    (workspace / "params.yaml").write_text(params.replace("\ndocuments:\n", "\n".join(["\ndocuments:", *entry, ""])))
    assert run_here("export", workspace).returncode == 0
    assert json.loads((workspace / "data/reports/export.json").read_text())["by_source"] == {
        "legacy": {"images": 1, "species": 1},
        "new_shape": {"images": 3, "species": 1},
    }


def test_where_no_document_gives_a_record_one_line_says_what_they_have_and_an_entry_stands_before_it(workspace):
    put_dump(workspace, [{"_id": n, "foto": "https://h.example/1.jpg", "especie": "Rosa canina"} for n in range(2)])
    result = run_here("export", workspace)
    assert complaint(result).startswith(
        "export: none of 2 documents gives a record (unknown_shape 2); the commonest (2) that fit no shape have _id, "
        "especie, foto: see `documents` in params.yaml"
    )
    assert "      image_url: foto # guessed: starts with http" in result.stdout.splitlines()


def test_a_path_that_leads_nowhere_is_said_before_the_end(workspace):
    path = workspace / "params.yaml"
    path.write_text(
        path.read_text(encoding="utf-8")
        .replace("images[].href", "imagenes[].href")
        .replace("license: images[].license", "license: imagenes[].license")
    )
    put_dump(workspace, [ARRAY])
    result = run_here("export", workspace)
    assert complaint(result).startswith("export: none of 1 documents gives a record (no_image 1): see `documents`")
    assert (
        "export: warning: documents.garden.columns.image_url: none of the 1 documents of this shape has imagenes[].href"
    ) in result.stdout.splitlines()


def test_a_missing_dump_stops_export_and_keeps_the_old_records(workspace):
    (workspace / "data/sources/sample/dump").mkdir(parents=True)
    (workspace / "data/records.parquet").write_bytes(b"before")
    said = complaint(run_here("export", workspace))
    assert said.startswith("export: data/sources/sample/dump/plants.bson.gz is missing: put the dump there")
    assert (workspace / "data/records.parquet").read_bytes() == b"before"


def test_what_cannot_be_read_is_counted_and_listed_and_stops_nothing(workspace):
    dump = workspace / "data/sources/sample/dump/plants.bson.gz"
    dump.parent.mkdir(parents=True)
    (workspace / "data/sources/sample/synonyms.csv").write_bytes((SAMPLE / "synonyms.csv").read_bytes())
    unreadable = bson.encode({"odd": 1}).replace(b"\x10odd", b"\x33odd")
    mended = bson.encode(LEGACY | {"_id": 6, "remark": "cafe"}).replace(b"cafe", b"caf\xe9")
    dump.write_bytes(gzip.compress(bson.encode(LEGACY) + unreadable + mended + unreadable))
    result = run_here("export", workspace)
    assert result.returncode == 0, result.stderr
    assert "export: 2 documents cannot be read: see data/unreadable.csv\n" in result.stdout
    assert "export: 1 documents have bytes that are no text" in result.stdout
    figures = json.loads((workspace / "data/reports/export.json").read_text())
    assert figures["documents"] == 4
    assert figures["refused"] == {"unreadable_document": 2}
    assert figures["text_mended"] == 1
    assert (figures["images"], figures["repeated"]) == (1, 1)
    listed = read_table(workspace / "data/unreadable.csv", UNREADABLE)
    assert listed["place"].to_list() == ["document 2", "document 4"]
    assert "unknown BSON type" in listed["reason"][0]


def test_of_many_unreadable_documents_the_first_are_listed_and_all_counted(params):
    many = (Unreadable(f"line {number}", "no JSON object") for number in range(MOST_LISTED + 5))
    shaped = shape_records(many, DocumentReader(params.documents))
    assert shaped.records.table().is_empty()
    assert shaped.refused == {"unreadable_document": MOST_LISTED + 5}
    assert shaped.read == MOST_LISTED + 5
    assert len(shaped.odd.unreadable) == MOST_LISTED
    assert shaped.odd.unreadable[-1].place == f"line {MOST_LISTED - 1}"


def test_a_cut_dump_stops_export_and_keeps_the_old_records(workspace):
    dump = workspace / "data/sources/sample/dump/plants.bson.gz"
    dump.parent.mkdir(parents=True)
    dump.write_bytes((SAMPLE / "dump/plants.bson.gz").read_bytes()[:5000])
    (workspace / "data/records.parquet").write_bytes(b"before")
    assert "is damaged" in complaint(run_here("export", workspace))
    assert (workspace / "data/records.parquet").read_bytes() == b"before"
    assert list((workspace / "data").glob(".*")) == []


def test_export_of_the_sample_counts_every_document(workspace):
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(SAMPLE)
    assert run_here("export", workspace).returncode == 0
    figures = json.loads((workspace / "data/reports/export.json").read_text())
    records = pl.read_parquet(workspace / "data/records.parquet")
    assert figures["refused"] == {
        "bad_url": 3, "no_image": 1, "no_species": 3, "no_url": 2, "unknown_shape": 1, "unreadable_document": 1,
        "genus_only": 5, "uncertain_name": 6, "no_name": 4, "unclear_name": 3, "too_long": 1,
    }  # fmt: skip
    assert sum(source["images"] for source in figures["by_source"].values()) == figures["images"] == records.height
    compared = json.loads((workspace / "metrics/export.json").read_text())
    assert compared == {"documents": 529, "records": 500, "species": 26, "repeated": 13, "refused": 30}
    assert records["image_url"].is_sorted()
    assert figures["text_mended"] == 1
    assert figures["contradictions"] == {"license": 3}
    assert figures["unusable"] == {
        "observation_id": {"bool": 4, "null_like": 35}, "observer": {"null_like": 3}, "species": {"cut_off": 1},
    }  # fmt: skip
    # No cell of what people open runs in a spreadsheet or moves a terminal.
    names = (workspace / "data/names.csv").read_text(encoding="utf-8")
    assert "\n'=HYPERLINK" in names.replace('"', "")
    assert "\x1b" not in names


def test_ids_of_many_species_are_all_counted_and_the_worst_is_told(workspace):
    many = [
        LEGACY | {"_id": n, "url": f"https://h.example/{n}.jpg", "sighting": f"no {n // 3}", "scientific_name": name}
        for n, name in enumerate(["Rosa canina", "Abies alba", "Quercus robur"] * 25)
    ]
    put_dump(workspace, many)
    said = run_here("export", workspace).stdout
    assert "export: 25 ids stand under 3 species or more, such as legacy:no 0 of 3 images of 3 species" in said
    crowded = json.loads((workspace / "data/reports/export.json").read_text())["crowded_ids"]
    assert (crowded["ids"], len(crowded["most_crowded"])) == (25, 20)


def test_a_file_in_another_encoding_is_told(workspace):
    documents = [LEGACY | {"_id": n, "url": f"https://h.example/{n}.jpg", "author": "Nunez"} for n in range(50)]
    put_dump(workspace, [])
    dump = workspace / "data/sources/sample/dump/plants.bson.gz"
    for mended, told in ((50, True), (5, False)):
        encoded = [
            bson.encode(document).replace(b"Nunez", b"N\xfa\xf1ez" if n < mended else b"Nunez")
            for n, document in enumerate(documents)
        ]
        dump.write_bytes(gzip.compress(b"".join(encoded)))
        said = run_here("export", workspace).stdout
        assert f"export: {mended} documents have bytes that are no text" in said
        assert ("iconv -f WINDOWS-1252" in said) == told


def test_where_all_names_are_refused_it_is_the_rules_of_names_that_are_pointed_at(workspace):
    put_dump(workspace, [LEGACY | {"scientific_name": "black eyed susan"}])
    assert complaint(run_here("export", workspace)).startswith(
        "export: none of 1 documents gives a record (not_scientific 1): see `names` in params.yaml"
    )
