"""A repeated image keeps what any of its records knows; what does not agree is listed."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.records.repeated_images import drop_repeated, share_knowledge
from stages.tables.export import RECORDS
from tests.support.tables import available_rows


def records_of(*rows: dict) -> pl.DataFrame:
    url = {"image_url": "https://h.example/u.jpg", "image_name": "u.jpg"}
    return available_rows([url | row for row in rows]).select(RECORDS.keys())


def test_the_poorer_record_wins_no_more():
    rich = {"observation_id": "s:7", "license": "cc-by", "observer": "ann", "photo_id": "s:1"}
    known, contradictions = share_knowledge(records_of({"document_id": "1"}, {"document_id": "2"} | rich))
    (row,) = drop_repeated(known).to_dicts()
    assert row["document_id"] == "1"
    assert {name: row[name] for name in rich} == rich
    assert contradictions.is_empty()


def test_a_record_of_another_species_knows_of_the_image_too():
    known, _ = share_knowledge(
        records_of({"species": "A"}, {"species": "B", "license": "cc-by", "observation_id": "s:7"})
    )
    assert known.select("license", "observation_id").rows() == [("cc-by", "s:7")] * 2


def test_what_does_not_agree_is_listed_and_the_license_that_allows_least_is_kept():
    rows = [
        {"document_id": "1", "license": "CC BY 4.0", "observer": "Ann", "observation_id": "s:7"},
        {"document_id": "2", "license": "cc-by-nc", "observer": "ann", "observation_id": "s:8"},
        {"document_id": "3", "license": "CC-BY", "observer": "bob", "observation_id": "inaturalist:9"},
    ]
    known, contradictions = share_knowledge(records_of(*rows))
    assert set(known.select("license", "observer", "observation_id").rows()) == {("cc-by-nc", "Ann", "s:7")}
    assert contradictions.select("column", "kept", "other").rows() == [
        ("license", "cc-by-nc", "CC BY 4.0"),
        ("observation_id", "s:7", "s:8"),
        ("observer", "Ann", "bob"),
    ]


def test_a_photo_that_is_said_to_have_no_license_gets_none_from_another_record():
    known, contradictions = share_knowledge(records_of({"license": "none"}, {"license": "cc-by"}))
    assert known["license"].to_list() == ["none", "none"]
    assert contradictions.select("column", "kept", "other").rows() == [("license", "none", "cc-by")]


values = st.fixed_dictionaries(
    {},
    optional={
        "license": st.sampled_from(["cc0", "cc-by", "CC BY 4.0", "cc-by-nc", "all rights reserved", "GFDL", "none"]),
        "observer": st.sampled_from(["ann", "bob"]),
        "observation_id": st.sampled_from(["s:1", "s:2", "t:1"]),
        "photo_id": st.sampled_from(["s:1", "inaturalist:5"]),
        "species": st.sampled_from(["A", "B"]),
    },
)


@given(st.lists(values, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_nothing_that_a_record_knows_is_lost_whatever_the_order(rows, random):
    rows = [row | {"document_id": str(number)} for number, row in enumerate(rows)]
    known, contradictions = share_knowledge(records_of(*rows))
    shuffled = random.sample(rows, len(rows))
    again, listed = share_knowledge(records_of(*shuffled))
    assert drop_repeated(again).equals(drop_repeated(known))
    assert listed.equals(contradictions)
    for column in ("license", "observer", "observation_id", "photo_id"):
        there = {row[column] for row in rows if column in row}
        assert set(known[column]) <= there or (not there and set(known[column]) == {None})
        assert len(set(known[column])) == 1
        if len({value.lower() for value in there}) == 1:
            assert contradictions.filter(pl.col("column") == column).is_empty()


def test_records_of_single_images_are_left_alone():
    records = available_rows([{"license": "cc-by"}, {}]).select(RECORDS.keys())
    known, contradictions = share_knowledge(records)
    assert known.equals(records)
    assert contradictions.is_empty()
