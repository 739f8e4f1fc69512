"""What a reading of documents found of the shapes is said and reported: fits, ties, paths that lead nowhere."""

import json

from stages.config.schema import DocumentShape
from stages.records.shape_findings import commonest_in_words, findings, findings_in_words
from stages.records.shapes import DocumentReader
from tests.support.documents import ARRAY, INATURALIST, LEGACY

GARDEN = {
    "when": ["plant", "images"],
    "columns": {
        "image_url": "imagenes[].href",
        "species": "plant.species",
        "license": ["images_license", "imagenes[].license"],
        "observer": ["gardener", "gardeners_name"],
    },
}


def reader_of(documents: list[dict], **shapes: dict) -> DocumentReader:
    """A reader that has read documents."""
    reader = DocumentReader({name: DocumentShape.model_validate(shape) for name, shape in shapes.items()})
    for document in documents:
        list(reader.read(document))
    return reader


def test_where_all_is_well_nothing_is_said(params):
    reader = DocumentReader({"inaturalist": params.documents["inaturalist"]})
    list(reader.read(INATURALIST))
    assert findings_in_words(reader) == []
    assert commonest_in_words(reader) == ""
    assert findings(reader) == {
        "documents_by_shape": {"inaturalist": 1},
        "paths_never_found": {},
        "ambiguous_shapes": {},
        "unknown_shapes": {"documents": 0, "sets": [], "in_other_sets": 0},
    }


def test_a_column_of_which_no_path_was_ever_found_is_said_and_each_such_path_reported():
    reader = reader_of([ARRAY, ARRAY | {"gardener": None}], garden=GARDEN)
    assert findings_in_words(reader) == [
        "warning: documents.garden.columns.image_url: none of the 2 documents of this shape has imagenes[].href",
        "warning: documents.garden.columns.license: none of the 2 documents of this shape has images_license or "
        "imagenes[].license",
    ]
    assert findings(reader)["paths_never_found"] == {
        "garden": ["imagenes[].href", "images_license", "imagenes[].license", "gardeners_name"]
    }


def test_a_path_counts_as_found_where_any_entry_of_any_document_has_it_whatever_stands_there():
    columns = {"image_url": "images[].href", "species": "plant.species", "license": "images[].rights.code"}
    shape = {"when": ["images"], "columns": columns}
    without = {"images": [{"href": 1}, 7], "plant": {"species": None}}
    assert findings(reader_of([without], garden=shape))["paths_never_found"] == {"garden": ["images[].rights.code"]}
    found = {"images": [{}, {"rights": {"code": None}}]}
    assert findings(reader_of([without, found], garden=shape))["paths_never_found"] == {}
    nothing = [{"images": []}, {"images": None}, {"images": "x"}]
    assert findings(reader_of(nothing, garden=shape))["paths_never_found"] == {
        "garden": ["images[].href", "plant.species", "images[].rights.code"]
    }


def test_entries_that_are_addresses_themselves_are_found():
    shape = {"when": ["images"], "columns": {"image_url": "images[]", "species": "name"}}
    reader = reader_of([{"images": ["https://h.example/1.jpg"], "name": "A b"}], flat=shape)
    assert findings(reader)["paths_never_found"] == {}
    assert findings(reader_of([{"images": [], "name": "A b"}], flat=shape))["paths_never_found"] == {
        "flat": ["images[]"]
    }


def test_a_shape_without_documents_has_no_path_that_was_looked_for():
    reader = reader_of([ARRAY], garden=GARDEN | {"when": ["plant", "images", "nowhere"]})
    assert findings(reader)["documents_by_shape"] == {"garden": 0}
    assert findings(reader)["paths_never_found"] == {}
    assert not any("warning" in line for line in findings_in_words(reader))


def test_ties_are_said_with_the_shapes_and_the_number_of_documents():
    columns = {"image_url": "url", "species": "scientific_name"}
    shapes = {"rights": {"when": ["rights"], "columns": columns}, "names": {"when": ["url"], "columns": columns}}
    reader = reader_of([LEGACY, LEGACY], **shapes)
    assert findings_in_words(reader) == [
        "warning: 2 documents fit names and rights equally well and were refused (ambiguous_shape): add a field to the "
        "`when` of one"
    ]
    assert findings(reader)["ambiguous_shapes"] == {"names = rights": 2}
    assert findings(reader)["documents_by_shape"] == {"names": 0, "rights": 0}


def test_documents_of_no_shape_are_described_with_an_entry_to_paste():
    documents = [{"_id": 1, "foto": "https://h.example/1.jpg", "especie": "A b"}] * 3
    documents += [{"_id": 1, f"field_{number}": 1} for number in range(25)]
    reader = reader_of(documents, garden=GARDEN)
    assert findings_in_words(reader) == [
        "28 documents fit no shape; the commonest have these fields:",
        "  3: _id, especie, foto",
        "  1: _id, field_0",
        "  1: _id, field_1",
        "  23: others, see unknown_shapes in data/reports/export.json",
        "a shape to paste below `documents:` in params.yaml, and to check:",
        *reader.unknown.entry(["garden"]),
    ]
    assert commonest_in_words(reader) == "; the commonest (3) that fit no shape have _id, especie, foto"
    reported = findings(reader)["unknown_shapes"]
    assert reported["documents"] == 28
    assert reported["sets"][0] == {"documents": 3, "fields": ["_id", "especie", "foto"]}
    assert (len(reported["sets"]), reported["in_other_sets"]) == (20, 6)
    json.dumps(reported).encode()


def test_a_form_to_fill_in_is_given_only_where_no_document_is_of_any_shape():
    by_mistake = {"_id": 1, "comment": "imported by mistake"}
    assert any("FILL_IN" in line for line in findings_in_words(reader_of([by_mistake], garden=GARDEN)))
    said = findings_in_words(reader_of([by_mistake, ARRAY], garden=GARDEN))
    assert said[-2:] == ["1 documents fit no shape; the commonest have these fields:", "  1: _id, comment"]
