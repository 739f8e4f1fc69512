"""Documents of any shape become records, and what does not is counted."""

import gzip
import json
from datetime import UTC, datetime

import bson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.reading import validate
from stages.config.schema import DocumentShape
from stages.export import drop_repeated, shape_records, summarize
from stages.records.dump import read_dump
from stages.records.shapes import DocumentReader, image_name
from stages.runtime.errors import UserError
from tests.conftest import ROOT, complaint, run_stage

INATURALIST = {
    "_id": bson.ObjectId("69220000a1b2c3d4e5000001"),
    "image_url": "https://inaturalist-open-data.s3.amazonaws.com/photos/123/original.jpg",
    "photo": {"id": 123, "license_code": "cc-by"},
    "observation": {"id": 77, "user": {"login": "ann"}},
    "taxon": {"name": "Rosa canina"},
}
LEGACY = {"_id": 5, "url": "https://old.example/a.jpg", "scientific_name": " Rosa  canina ", "rights": "cc0"}
ARRAY = {
    "_id": "g1",
    "plant": {"species": "Iris germanica"},
    "images": [{"href": "https://g.example/1.jpg", "license": "cc-by"}, {"href": "ftp://g.example/2.jpg"}, 7],
}


@pytest.fixture
def reader(params) -> DocumentReader:
    return DocumentReader(params.documents)


def only_row(reader, document):
    ((row, reason),) = reader.read(document)
    assert row is not None, reason
    return row


def test_an_inaturalist_document(reader):
    assert only_row(reader, INATURALIST) == {
        "image_url": INATURALIST["image_url"],
        "image_name": "59bbb12b12babfbb90aa28a398377556.jpg",
        "photo_id": "123",
        "observation_id": "inaturalist:77",
        "species": "Rosa canina",
        "source": "inaturalist",
        "license": "cc-by",
        "observer": "ann",
        "document_id": "69220000a1b2c3d4e5000001",
    }


def test_a_legacy_document_with_untidy_white_space(reader):
    row = only_row(reader, LEGACY)
    assert (row["species"], row["photo_id"], row["observation_id"], row["source"]) == (
        "Rosa canina",
        None,
        None,
        "legacy",
    )


def test_an_array_gives_a_record_of_each_sound_entry(reader):
    results = list(reader.read(ARRAY))
    assert [reason for _, reason in results] == ["garden", "bad_url", "no_url"]
    assert results[0][0]["observation_id"] == "garden:g1"
    assert results[0][0]["license"] == "cc-by"


@pytest.mark.parametrize(
    "url",
    [
        "https://static.inaturalist.org/photos/9000000123/medium.jpeg?1655512345",
        "https://inaturalist-open-data.s3.us-east-1.amazonaws.com/photos/9000000123/large.jpg",
        "http://www.inaturalist.org/photos/9000000123/original.jpg",
    ],
)
def test_one_photo_has_one_id_under_all_its_urls(reader, url):
    assert only_row(reader, LEGACY | {"url": url})["photo_id"] == "9000000123"


def test_ids_of_other_sources_count_on_their_own(reader):
    document = {
        "image_url": "https://x.example/photos/1/a.jpg",
        "species": "A",
        "photo_id": 123.0,
        "observation_id": 77,
    }
    row = only_row(reader, document)
    assert (row["photo_id"], row["observation_id"]) == ("jsonl:123", "jsonl:77")


@pytest.mark.parametrize(
    "nothing", [float("nan"), float("inf"), bson.Decimal128("NaN"), bson.Decimal128("sNaN"), True, [], {}, "\ud800"]
)
def test_an_id_that_is_no_id_joins_nothing(reader, nothing):
    document = {"image_url": "https://x.example/a.jpg", "species": "A", "photo_id": nothing, "observation_id": nothing}
    row = only_row(reader, document)
    assert (row["photo_id"], row["observation_id"]) == (None, None)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"comment": "imported by mistake"}, "unknown_shape"),
        ({"_id": 1, "plant": {"species": "A"}, "images": []}, "no_image"),
        ({"_id": 1, "plant": {"species": "A"}, "images": "none"}, "no_image"),
        (LEGACY | {"url": None}, "no_url"),
        (LEGACY | {"url": " "}, "no_url"),
        (LEGACY | {"url": 5}, "no_url"),
        (LEGACY | {"url": "https://old.example/\ud800.jpg"}, "no_url"),
        (LEGACY | {"scientific_name": "Rosa \udfff"}, "no_species"),
        (LEGACY | {"url": "file:///etc/passwd"}, "bad_url"),
        (LEGACY | {"url": "javascript:alert(1)"}, "bad_url"),
        (LEGACY | {"url": "https://"}, "bad_url"),
        (LEGACY | {"url": "https://[broken"}, "bad_url"),
        (LEGACY | {"url": "https://host.example:port/a.jpg"}, "bad_url"),
        (LEGACY | {"scientific_name": None}, "no_species"),
        (LEGACY | {"scientific_name": 42}, "no_species"),
        (LEGACY | {"scientific_name": ["Rosa"]}, "no_species"),
        (LEGACY | {"scientific_name": " \t"}, "no_species"),
    ],
)
def test_what_cannot_be_used_has_a_reason(reader, document, reason):
    assert list(reader.read(document)) == [(None, reason)]


odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(datetime(2020, 1, 1, tzinfo=UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
field_names = st.sampled_from(
    [
        "_id",
        "url",
        "image_url",
        "scientific_name",
        "species",
        "photo",
        "taxon",
        "observation",
        "plant",
        "images",
        "rights",
    ]
)


@given(st.dictionaries(field_names, odd_values))
def test_documents_of_every_odd_type_are_read_or_refused(document):
    import yaml

    shapes = validate(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))).documents
    for row, reason in DocumentReader(shapes).read(document):
        assert reason
        if row is not None:
            assert all(value is None or isinstance(value, str) for value in row.values())
            assert row["image_name"] == image_name(row["image_url"])
            assert row["species"] == " ".join(row["species"].split()) != ""


def test_a_new_shape_is_a_matter_of_params():
    shape = DocumentShape.model_validate(
        {
            "source": "herbarium",
            "when": ["sheets", "taxon.binomial"],
            "columns": {"image_url": "sheets[].scan.href", "species": ["taxon.accepted", "taxon.binomial"]},
        }
    )
    document = {"sheets": [{"scan": {"href": "https://h.example/1.jpg"}}], "taxon": {"binomial": "Abies alba"}}
    ((row, source),) = DocumentReader([shape]).read(document)
    assert (row["species"], source) == ("Abies alba", "herbarium")


def write_dump(path, documents, *, json_lines=False, zipped=False):
    content = (
        b"".join(json.dumps(document).encode() + b"\n" for document in documents)
        if json_lines
        else b"".join(map(bson.encode, documents))
    )
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


PLAIN = [{"_id": number, "image_url": f"https://h.example/{number}.jpg", "species": "A"} for number in range(50)]


@pytest.mark.parametrize(
    ("name", "json_lines", "zipped"),
    [
        ("d.bson", False, False),
        ("d.bson.gz", False, True),
        ("d.bson", False, True),
        ("d.jsonl", True, False),
        ("d.jsonl.gz", True, True),
    ],
)
def test_dumps_of_every_format_hold_the_same(tmp_path, name, json_lines, zipped):
    assert list(read_dump(write_dump(tmp_path / name, PLAIN, json_lines=json_lines, zipped=zipped))) == PLAIN


def test_extended_json_of_mongoexport_is_understood(tmp_path):
    path = tmp_path / "plants.json"
    path.write_text('{"_id":{"$oid":"69220000a1b2c3d4e5000001"},"n":{"$numberLong":"5"}}\n\n{"_id":2}\n')
    assert list(read_dump(path)) == [{"_id": bson.ObjectId("69220000a1b2c3d4e5000001"), "n": 5}, {"_id": 2}]


@pytest.mark.parametrize("line", ['{"_id":{"$oid":"zz"}}', '{"d":{"$date":"xx"}}', '{"n":{"$numberDecimal":"abc"}}'])
def test_malformed_extended_json_is_named_by_its_line(tmp_path, line):
    (tmp_path / "d.jsonl").write_text(f'{{"_id":1}}\n{line}\n')
    with pytest.raises(UserError, match="line 2 is no JSON"):
        list(read_dump(tmp_path / "d.jsonl"))


def test_a_date_past_the_year_9999_does_not_stop_the_export(tmp_path):
    date = bson.datetime_ms.DatetimeMS(300_000_000_000_000)
    assert len(list(read_dump(write_dump(tmp_path / "d.bson", [{"seen": date}, {"seen": 1}])))) == 2


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("d.bson", lambda whole: whole[:-7], "is damaged after document 49"),
        ("d.bson", lambda whole: whole[:200] + b"\xff" * 40 + whole[240:], "is damaged after document"),
        ("d.bson.gz", lambda whole: whole[: len(whole) // 2], "its gzip data ends or breaks early"),
        ("d.bson.gz", lambda whole: whole[:60] + b"\x00" * 30 + whole[90:], "is damaged"),
        ("d.jsonl", lambda whole: whole[:-9], "line 50 is no JSON"),
        ("d.jsonl", lambda whole: whole + b"[1]\n", "line 51 is no JSON object"),
        ("d.bson", lambda _whole: b"", "is empty"),
        ("d.csv", lambda whole: whole, "of no known format"),
    ],
)
def test_a_damaged_dump_says_where(tmp_path, name, damage, said):
    path = write_dump(tmp_path / name, PLAIN, json_lines=".jsonl" in name, zipped=name.endswith(".gz"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=said):
        list(read_dump(path))


def test_one_url_twice_is_one_record_but_two_names_are_kept_for_the_split(params):
    twice = [INATURALIST, INATURALIST | {"_id": bson.ObjectId()}, INATURALIST | {"taxon": {"name": "Rosa gallica"}}]
    records, refused, read = shape_records(twice, params.documents)
    unique = drop_repeated(records)
    assert unique["species"].to_list() == ["Rosa canina", "Rosa gallica"]
    figures = summarize(unique, refused, documents=read, repeated=records.height - unique.height)
    assert (figures["documents"], figures["images"], figures["repeated"], figures["species"]) == (3, 2, 1, 2)


@given(st.permutations(range(6)))
def test_the_order_of_the_documents_does_not_matter(order):
    import yaml

    shapes = validate(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))).documents
    documents = [INATURALIST, LEGACY, ARRAY, LEGACY | {"_id": 6}, INATURALIST | {"_id": 9}, LEGACY | {"_id": None}]
    expected = drop_repeated(shape_records(documents, shapes)[0])
    assert drop_repeated(shape_records([documents[index] for index in order], shapes)[0]).equals(expected)


def test_a_missing_dump_stops_export_and_keeps_the_old_records(workspace):
    (workspace / "data/sources/sample/dump").mkdir(parents=True)
    (workspace / "data/records.parquet").write_bytes(b"before")
    said = complaint(run_stage("export", workspace))
    assert said.startswith("export: data/sources/sample/dump/plants.bson.gz is missing: put the dump there")
    assert (workspace / "data/records.parquet").read_bytes() == b"before"


def test_a_cut_dump_stops_export_and_keeps_the_old_records(workspace):
    dump = workspace / "data/sources/sample/dump/plants.bson.gz"
    dump.parent.mkdir(parents=True)
    dump.write_bytes((ROOT / "data/sources/sample/dump/plants.bson.gz").read_bytes()[:5000])
    (workspace / "data/records.parquet").write_bytes(b"before")
    assert "is damaged" in complaint(run_stage("export", workspace))
    assert (workspace / "data/records.parquet").read_bytes() == b"before"
    assert list((workspace / "data").glob(".*")) == []


def test_export_of_the_sample_counts_every_document(workspace):
    (workspace / "data/sources").mkdir(parents=True)
    (workspace / "data/sources/sample").symlink_to(ROOT / "data/sources/sample")
    assert run_stage("export", workspace).returncode == 0
    figures = json.loads((workspace / "data/reports/export.json").read_text())
    records = pl.read_parquet(workspace / "data/records.parquet")
    assert figures["refused"] == {
        "bad_url": 3, "no_image": 1, "no_species": 3, "no_url": 2, "unknown_shape": 1,
        "genus_only": 2, "uncertain_name": 1,
    }  # fmt: skip
    assert sum(source["images"] for source in figures["by_source"].values()) == figures["images"] == records.height
    compared = json.loads((workspace / "metrics/export.json").read_text())
    assert compared == {name: figures[name] for name in compared if name != "refused"} | {"refused": 13}
    assert records["image_url"].is_sorted()
