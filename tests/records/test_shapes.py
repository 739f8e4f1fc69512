"""Documents of any shape become records or a reason why not."""

import itertools
from datetime import UTC, datetime

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import DocumentShape
from stages.records.shapes import DocumentReader, image_name
from tests.support.documents import ARRAY, INATURALIST, LEGACY


@pytest.fixture
def reader(params) -> DocumentReader:
    return DocumentReader(params.documents)


def only_row(reader, document):
    ((row, reason),) = reader.read(document)
    assert row is not None, reason
    return row


def test_an_inaturalist_document(reader):
    row = only_row(reader, INATURALIST)
    assert [tuple(link) for link in row.pop("links")] == [
        ("photo_id", INATURALIST["image_url"], "inaturalist:123", None),
        ("observation_id", "77", "inaturalist:77", None),
    ]
    assert row == {
        "image_url": INATURALIST["image_url"],
        "image_name": "59bbb12b12babfbb90aa28a398377556.jpg",
        "photo_id": "inaturalist:123",
        "observation_id": "inaturalist:77",
        "species": "Rosa canina",
        "source": "inaturalist",
        "ids_of": "inaturalist",
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
    assert only_row(reader, LEGACY | {"url": url})["photo_id"] == "inaturalist:9000000123"


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
        (LEGACY | {"url": "https://old.example/\ud800.jpg"}, "bad_url"),
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
    ((row, said),) = reader.read(document)
    assert said == reason
    # A row without a species still knows something of its image.
    assert (row is None) == (reason != "no_species")
    assert row is None or row["species"] is None


@pytest.mark.parametrize(
    ("value", "text", "unusable"),
    [
        ("cc-by", "cc-by", {}),
        ("  cc \x1b[31m by\n", "cc [31m by", {}),
        (4, "4", {}),
        (["cc-by", "cc-by-nc"], "cc-by; cc-by-nc", {}),
        (["cc0", ["all rights reserved"]], "cc0; all rights reserved", {}),
        # Something is said, and no license: a record that says one does not make it free.
        ({"code": "cc-by"}, "none", {"dict": 1}),
        (True, "none", {"bool": 1}),
        ("nan", "none", {"null_like": 1}),
        ("N/A", "none", {"null_like": 1}),
        ("x" * 10_000_000, "x" * 499 + "…", {"cut_off": 1}),
        (None, "none", {}),
    ],
)
def test_a_license_is_one_bounded_line_or_is_counted(reader, value, text, unusable):
    assert only_row(reader, LEGACY | {"rights": value})["license"] == text
    assert reader.unusable() == {("license", kind): number for kind, number in unusable.items()}


def test_where_nothing_is_said_of_the_license_another_record_may_know_it(reader):
    assert only_row(reader, {name: value for name, value in LEGACY.items() if name != "rights"})["license"] is None


def test_an_id_that_is_nested_without_end_stops_nothing(reader):
    deep: dict = {}
    for _ in range(5000):
        deep = {"a": deep}
    row = only_row(reader, LEGACY | {"_id": deep, "author": deep, "sighting": deep})
    assert (row["document_id"], row["observation_id"], row["observer"]) == (None, None, None)


def test_no_text_of_a_row_is_longer_than_its_bound(reader):
    long = "x" * 10_000_000
    row = only_row(
        reader, LEGACY | {"_id": long, "scientific_name": long, "author": long, "sighting": long, "rights": long}
    )
    assert max(len(value) for name, value in row.items() if isinstance(value, str)) <= 500
    assert max(len(part) for link in row["links"] for part in link if part) <= 200
    assert list(reader.read(LEGACY | {"url": "https://h.example/" + long})) == [(None, "url_too_long")]
    assert list(reader.read(LEGACY | {"url": "https://h.example/\x1b[31m.jpg"})) == [(None, "bad_url")]


def test_the_first_path_that_names_something_is_taken():
    shape = {
        "when": ["url"],
        "columns": {"image_url": "url", "species": "name", "observation_id": ["a", "b"]},
    }
    reader = DocumentReader({"s": DocumentShape.model_validate(shape)})
    document = {"url": "https://h.example/1.jpg", "name": "Abies alba"}
    assert only_row(reader, document | {"a": "nan", "b": 5})["observation_id"] == "s:5"
    (link,) = only_row(reader, document | {"a": "nan", "b": True})["links"][1:]
    assert (link.raw, link.problem) == ("nan", "null_like")


def shapes_of(**whens: list[str]) -> dict[str, DocumentShape]:
    """Shapes by name whose documents have these fields, and a URL and a name."""
    columns = {"image_url": "url", "species": "name"}
    return {name: DocumentShape.model_validate({"when": when, "columns": columns}) for name, when in whens.items()}


SOUND = {"url": "https://x.example/a.jpg", "name": "Rosa canina"}


def test_the_shape_with_the_most_fields_is_taken_wherever_it_stands():
    shapes = shapes_of(general=["a"], special=["a", "b", "c.d"], middle=["a", "b"])
    for names in itertools.permutations(shapes):
        reader = DocumentReader({name: shapes[name] for name in names})
        assert only_row(reader, SOUND | {"a": 1})["source"] == "general"
        assert only_row(reader, SOUND | {"a": 1, "b": None})["source"] == "middle"
        assert only_row(reader, SOUND | {"a": 1, "b": 2, "c": {"d": 3}})["source"] == "special"
        assert only_row(reader, SOUND | {"a": 1, "b": 2, "c": 3})["source"] == "middle"


def test_a_field_that_stands_in_when_twice_counts_once():
    reader = DocumentReader(shapes_of(twice=["a", "a", "a"], two=["a", "b"]))
    assert only_row(reader, SOUND | {"a": 1, "b": 2})["source"] == "two"


def test_a_document_that_fits_two_shapes_equally_is_none_of_either_and_they_are_named():
    reader = DocumentReader(shapes_of(one=["a", "b"], other=["b", "c"], general=["b"], third=["a", "c"]))
    assert list(reader.read(SOUND | {"a": 1, "b": 2, "c": 3})) == [(None, "ambiguous_shape")]
    assert list(reader.read(SOUND | {"a": 1, "b": 2, "c": 3})) == [(None, "ambiguous_shape")]
    assert only_row(reader, SOUND | {"b": 2, "c": 3})["source"] == "other"
    assert reader.ties == {("one", "other", "third"): 2}


def test_an_inaturalist_document_is_one_though_it_fits_the_general_shape_too(params):
    shapes = dict(reversed(params.documents.items()))
    assert only_row(DocumentReader(shapes), INATURALIST)["source"] == "inaturalist"


fields_of_shapes = st.frozensets(st.sampled_from(["a", "b", "b.c", "d", "d.e"]), min_size=1)
values_of_documents = st.none() | st.integers() | st.dictionaries(st.sampled_from("ce"), st.integers())


@given(
    whens=st.sets(fields_of_shapes, min_size=1, max_size=5),
    documents=st.lists(st.dictionaries(st.sampled_from("abd"), values_of_documents), max_size=8),
    random=st.randoms(use_true_random=False),
)
def test_the_order_of_the_shapes_does_not_matter(whens, documents, random):
    shapes = shapes_of(**{"_".join(sorted(when)).replace(".", ""): sorted(when) for when in whens})
    names = sorted(shapes)
    shuffled = random.sample(names, len(names))
    one, other = (DocumentReader({name: shapes[name] for name in order}) for order in (names, shuffled))
    for document in documents:
        assert list(one.read(SOUND | document)) == list(other.read(SOUND | document))
    assert one.ties == other.ties


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
def test_documents_of_every_odd_type_are_read_or_refused(params, document):
    for row, reason in DocumentReader(params.documents).read(document):
        assert reason
        if row is not None:
            assert all(value is None or isinstance(value, str) for name, value in row.items() if name != "links")
            assert row["image_name"] == image_name(row["image_url"])
            assert (row["species"] is None) == (reason == "no_species")
            assert row["species"] is None or row["species"] == " ".join(row["species"].split()) != ""


def test_a_new_shape_is_a_matter_of_params():
    shape = DocumentShape.model_validate(
        {
            "when": ["sheets", "taxon.binomial"],
            "columns": {"image_url": "sheets[].scan.href", "species": ["taxon.accepted", "taxon.binomial"]},
        }
    )
    document = {"sheets": [{"scan": {"href": "https://h.example/1.jpg"}}], "taxon": {"binomial": "Abies alba"}}
    ((row, source),) = DocumentReader({"herbarium": shape}).read(document)
    assert (row["species"], source) == ("Abies alba", "herbarium")
