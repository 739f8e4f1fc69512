"""What fits no shape is described in bounded memory, and an entry for params.yaml is made of it."""

import json
import re

import bson
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stages.config.schema import DocumentShape
from stages.records.guessed_shape import FILL_IN
from stages.records.shapes import DocumentReader
from stages.records.unknown_shapes import (
    FIELDS_KEPT,
    SETS_KEPT,
    FieldSet,
    UnknownShapes,
    fields_in_words,
    fields_of,
)

HERBARIUM = {
    "_id": bson.ObjectId("69220000a1b2c3d4e5000001"),
    "taxon": {"scientificName": "Abies alba", "rank": "species"},
    "sheets": [{"imageUrl": "https://h.example/1.jpg", "license": "cc0", "pageUrl": "https://h.example/page/1"}],
    "recordedBy": "ann",
    "modified": None,
}
FLAT = {
    "_id": 5,
    "foto": "http://f.example/a.jpg",
    "web": "https://f.example/observations/5",
    "especie": "Rosa canina",
    "usuario": {"nombre": "luz", "login": "luz"},
    "licencia": "cc-by",
    "observacion": 12,
    "foto_id": 7,
}


def gathered(*documents: dict) -> UnknownShapes:
    unknown = UnknownShapes()
    for document in documents:
        unknown.add(document)
    return unknown


def shapes_in(lines: list[str]) -> dict[str, DocumentShape]:
    content = yaml.safe_load("\n".join(["documents:", *lines]))
    return {name: DocumentShape.model_validate(shape) for name, shape in content["documents"].items()}


def test_fields_are_those_of_the_document_and_one_level_below():
    assert fields_of(HERBARIUM) == (
        *("_id", "modified", "recordedBy", "sheets[].imageUrl", "sheets[].license", "sheets[].pageUrl"),
        *("taxon.rank", "taxon.scientificName"),
    )
    assert fields_of({"a": {"b": {"c": 1}}, "d": {}, "e": [], "f": ["x", {"g": 1}, {"h": 2}]}) == (
        *("a.b", "d", "e[]", "f[].g", "f[].h"),
    )
    assert fields_of({}) == ()
    assert fields_of({"_id": {"of": 1, "day": 2}, "a": 1}) == ("_id", "a")


def test_the_commonest_sets_come_first_whatever_the_order_of_fields():
    documents = [{"a": 1, "b": 2}, {"c": 1}, {"b": 1, "a": None}, {"d": 1}]
    unknown = gathered(*documents)
    assert unknown.documents == 4
    assert unknown.commonest(2) == [FieldSet(("a", "b"), 2), FieldSet(("c",), 1)]
    assert unknown.commonest(9)[2] == FieldSet(("d",), 1)


def test_memory_is_bounded_and_the_rest_counted():
    unknown = gathered(*({f"field_{number}": number} for number in range(SETS_KEPT + 50)), {"field_3": 1})
    assert len(unknown.commonest(SETS_KEPT + 50)) == SETS_KEPT
    assert unknown.documents == SETS_KEPT + 51
    assert sum(documents for _, documents in unknown.commonest(SETS_KEPT)) == SETS_KEPT + 1
    assert unknown.commonest(1) == [FieldSet(("field_3",), 2)]
    wide = fields_of({f"f{number:04}": {f"g{inner}": 1 for inner in range(100)} for number in range(1000)})
    assert len(wide) == FIELDS_KEPT + 1
    assert wide[-1] == "\u2026"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("especie_1", "especie_1"),
        ("\u00e1rbol", "\u00e1rbol"),
        ("a\nb\x1b[31m", r"'a\nb\x1b[31m'"),
        ("a.b", "'a.b'"),
        ("\ud800", r"'\ud800'"),
        ("\u202egpj", r"'\u202egpj'"),
        ("x" * 1000, "x" * 39 + "\u2026"),
        ("\U000e0001" * 1000, r"'\U000e0001\U000e0001\U000e0001\U000e00" + "\u2026"),
        ("", "''"),
    ],
)
def test_names_of_fields_are_shown_safely(name, shown):
    assert fields_of({name: 1}) == (shown,)
    assert fields_of({"a": {name: 1}}) == (f"a.{shown}",)


def test_a_line_of_fields_is_bounded_and_says_how_many_more():
    line = fields_in_words([f"field_number_{number}" for number in range(60)])
    shown, more = re.fullmatch(r"(.*) and (\d+) more", line).groups()
    assert len(shown) <= 200
    assert len(shown.split(", ")) + int(more) == 60
    assert fields_in_words(["a", "b.c"]) == "a, b.c"
    with_commas = ["'a, b'"] * 40
    assert fields_in_words(with_commas) == f"{', '.join(with_commas[:25])} and 15 more"
    assert fields_in_words([]) == "no fields"


def test_an_entry_through_an_array():
    lines = gathered(HERBARIUM).entry(["inaturalist"])
    assert lines[0].startswith("  new_shape: # guessed from the fields of 1 documents: check each line; ")
    assert lines[1:] == [
        "    when:",
        "    - sheets",
        "    - taxon.scientificName",
        "    columns:",
        "      image_url: sheets[].imageUrl # guessed: starts with http",
        "      species: taxon.scientificName # guessed: by its name",
        "      observation_id: _id # guessed: the images of one document are of one plant",
        "      license: sheets[].license # guessed: by its name",
        "      observer: recordedBy # guessed: by its name",
    ]
    ((row, source),) = DocumentReader(shapes_in(lines)).read(HERBARIUM)
    assert (row["image_url"], row["species"], row["license"]) == ("https://h.example/1.jpg", "Abies alba", "cc0")
    assert (row["observer"], source) == ("ann", "new_shape")


def test_an_entry_for_a_flat_document_with_spanish_names():
    (shape,) = shapes_in(gathered(FLAT).entry([])).values()
    assert shape.when == ["foto", "especie"]
    assert shape.columns.model_dump() == {
        "image_url": "foto",
        "species": "especie",
        "photo_id": "foto_id",
        "observation_id": "observacion",
        "license": "licencia",
        "observer": "usuario.login",
    }


@pytest.mark.parametrize(
    ("document", "image_url", "species"),
    [
        ({"images": ["https://h.example/1.jpg"], "name": "A b"}, "images[]", "name"),
        ({"a": {"b": {"c": {"url": "HTTPS://h.example/1.jpg"}}}, "taxon": {"name": "A b"}}, "a.b.c.url", "taxon.name"),
        (
            {
                "image": {"url": "https://h/1.jpg"},
                "license": "https://cc.example/by",
                "label": "A b",
                "user": {"name": "x"},
            },
            "image.url",
            "label",
        ),
        ({"thumb_url": "https://h/t.jpg", "url": "https://h/1.jpg", "species": "A b", "name": "Bob"}, "url", "species"),
        ({"file": "1.jpg", "species": {"name": "A b"}}, FILL_IN, "species.name"),
        ({"image": "https://h/1.jpg", "species": 12}, "image", FILL_IN),
        ({"weather": 3}, FILL_IN, FILL_IN),
        ({"image": "https://h/1.jpg", "many": [{"species": "A b"}]}, "image", FILL_IN),
    ],
)
def test_the_address_and_the_species_are_guessed(document, image_url, species):
    (shape,) = shapes_in(gathered({"_id": 1} | document).entry([])).values()
    assert (shape.columns.image_url, shape.columns.species) == (image_url, species)
    # What it was guessed from fits it, and nothing that has only an id.
    reader = DocumentReader({"new_shape": shape})
    assert [reason for _, reason in reader.read({"_id": 1} | document)] != ["unknown_shape"]
    assert list(reader.read({"_id": 1})) == [(None, "unknown_shape")]


def test_a_value_that_is_missing_in_the_first_document_is_taken_from_a_later_one():
    unknown = gathered({"foto": None, "especie": ""}, {"foto": "https://h/1.jpg", "especie": "A b"})
    (shape,) = shapes_in(unknown.entry([])).values()
    assert (shape.columns.image_url, shape.columns.species) == ("foto", "especie")


def test_an_entry_bears_a_name_that_is_free_and_documents_without_fields_give_none():
    assert list(shapes_in(gathered(FLAT).entry(["new_shape", "new_shape_2", "x"]))) == ["new_shape_3"]
    assert gathered({"_id": 1}, {}, {"_id": {"name": "A b"}}).entry([]) == []
    (shape,) = shapes_in(gathered({"_id": 1}, {"_id": 2}, FLAT).entry([])).values()
    assert shape.columns.image_url == "foto"


def test_an_entry_is_of_the_commonest_documents_in_which_something_was_found():
    junk = [{"comment": "by mistake"}] * 5
    (shape,) = shapes_in(gathered(*junk, FLAT, HERBARIUM, HERBARIUM).entry([])).values()
    assert shape.when == ["sheets", "taxon.scientificName"]
    (shape,) = shapes_in(gathered(*junk, {"other": 1}).entry([])).values()
    assert shape.when == ["comment"]
    assert gathered(*junk).entry([], blank=False) == []
    assert gathered({"image": "https://h.example/1.jpg"}).entry([], blank=False) != []


def test_no_value_gets_into_what_is_said():
    secret = "s3cr3t"
    unknown = gathered({"url": f"https://h.example/{secret}.jpg", "species": secret, "observer": secret, "id": secret})
    assert secret not in json.dumps([unknown.commonest(9), unknown.entry([])])


NAMES = (
    *("yes", "null", "1e5", "~", "a b", "a: b", "#", "- x", "\u00e9", "[]", "a.b", "\U0001f339"),
    *("url", "image", "species", "name", "scientific_name", "plant", "images", "photo", "id", "image_url"),
)
odd_names = st.text(max_size=6) | st.sampled_from(NAMES)
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("https://h.example/1.jpg"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_names, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(odd_names, odd_values, max_size=5), min_size=1, max_size=3))
@example([{" ": None}])
@example([{" url": "https://h.example/1.jpg", "species ": "Rosa canina", "a b": 1}])
def test_every_entry_is_valid_and_fits_what_it_was_made_of(params, documents):
    today = DocumentReader(params.documents)
    read = [(document, reason) for document in documents for _, reason in today.read(document)]
    unknown = today.unknown
    assert unknown.documents == [reason for _, reason in read].count("unknown_shape")
    for fields, _ in unknown.commonest(10):
        assert all(part.isprintable() for part in fields)
    lines = unknown.entry(list(params.documents))
    if not lines:
        return
    assert all(line.isprintable() for line in lines)
    (shape,) = shapes_in(lines).values()
    assert YAML(typ="safe").load("\n".join(lines)) == yaml.safe_load("\n".join(lines))  # YAML 1.2, as DVC reads it
    # As the schema refuses two of the same fields.
    assert set(shape.when) not in [set(other.when) for other in params.documents.values()]
    reader = DocumentReader({"new_shape": shape})
    fits = [document for document, before in read if [r for _, r in reader.read(document)] != ["unknown_shape"]]
    assert any(before == "unknown_shape" for document, before in read if document in fits)


def test_documents_that_come_cut_down_are_asked_for_whole_in_portions():
    asked = []

    def whole(ids):
        asked.append(len(ids))
        return [{"_id": identity, "a": 1} for identity in ids if identity != 3]

    unknown = UnknownShapes(whole)
    for number in range(2500):
        unknown.add({"_id": number})
    assert asked == [1000, 1000]
    assert unknown.commonest(5) == [FieldSet(("_id", "a"), 2499)]
    assert asked == [1000, 1000, 500]
    assert unknown.documents == 2500
