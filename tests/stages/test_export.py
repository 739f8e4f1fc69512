"""Every document is counted: as records by source, or by the reason why it gives none."""

import json

import bson
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.export import count_refused, count_rules, drop_repeated, name_records, shape_records, summarize
from stages.records.names import NameCleaner
from stages.tables.export import NAMES, RECORDS, SUSPICIOUS_NAMES
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
        "unicode", "hybrids", "case", "authorship", "below_species", "synonyms", "uncertain_name", "genus_only",
    }  # fmt: skip
    names = read_table(workspace / "data/names.csv", NAMES)
    assert names["images"].sum() >= max(rule["images"] for rule in changed.values())
    pairs = read_table(workspace / "data/suspicious_names.csv", SUSPICIOUS_NAMES)
    slips = pairs.filter(kind="spelling")
    assert slips.select("species", "other", "edits").rows() == [("Rosa canima", "Rosa canina", 1)]
    merges = pairs.filter(pl.col("kind") != "spelling")
    assert figures["names"]["merges"] == {"authors": merges.height}
    assert (merges["species"] == merges["other"]).all()
    assert (merges["images"] <= merges["other_images"]).all()
    assert pl.read_parquet(workspace / "data/records.parquet")["species"].n_unique() == 25


def test_one_url_twice_is_one_record_but_two_names_are_kept_for_the_split(params):
    twice = [INATURALIST, INATURALIST | {"_id": bson.ObjectId()}, INATURALIST | {"taxon": {"name": "Rosa gallica"}}]
    records, refused, read = shape_records(twice, params.documents)
    unique = drop_repeated(records)
    assert unique["species"].to_list() == ["Rosa canina", "Rosa gallica"]
    figures = summarize(unique, refused, documents=read, repeated=records.height - unique.height)
    assert (figures["documents"], figures["images"], figures["repeated"], figures["species"]) == (3, 2, 1, 2)


@given(st.permutations(range(6)))
def test_the_order_of_the_documents_does_not_matter(params, order):
    documents = [INATURALIST, LEGACY, ARRAY, LEGACY | {"_id": 6}, INATURALIST | {"_id": 9}, LEGACY | {"_id": None}]
    expected = drop_repeated(shape_records(documents, params.documents)[0])
    assert drop_repeated(shape_records([documents[index] for index in order], params.documents)[0]).equals(expected)


def test_a_missing_dump_stops_export_and_keeps_the_old_records(workspace):
    (workspace / "data/sources/sample/dump").mkdir(parents=True)
    (workspace / "data/records.parquet").write_bytes(b"before")
    said = complaint(run_here("export", workspace))
    assert said.startswith("export: data/sources/sample/dump/plants.bson.gz is missing: put the dump there")
    assert (workspace / "data/records.parquet").read_bytes() == b"before"


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
        "bad_url": 3, "no_image": 1, "no_species": 3, "no_url": 2, "unknown_shape": 1,
        "genus_only": 2, "uncertain_name": 1,
    }  # fmt: skip
    assert sum(source["images"] for source in figures["by_source"].values()) == figures["images"] == records.height
    compared = json.loads((workspace / "metrics/export.json").read_text())
    assert compared == {"documents": 492, "records": 492, "species": 25, "repeated": 1, "refused": 13}
    assert records["image_url"].is_sorted()
