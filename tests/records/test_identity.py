"""What names a thing has one spelling, whoever wrote it; what names nothing joins nothing, and is counted."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from stages.records.identity import LONGEST, address, id_texts
from stages.records.links import links_of

UUID = uuid.UUID("12345678-9abc-4def-8123-456789abcdef")
OBJECT_ID = bson.ObjectId("69220000a1b2c3d4e5000001")


def observation(value, *, source: str = "jsonl", url: str = "https://h.example/1.jpg") -> list[str | None]:
    return [link.value for link in links_of(source, url, None, value) if link.kind == "observation_id"]


@pytest.mark.parametrize(
    ("spellings", "name"),
    [
        ([77, 77.0, "77", " 77 ", "77.0", "７７", bson.Int64(77), [77]], "77"),
        ([77, bson.Decimal128("77.0"), bson.Decimal128("7.7E1"), Decimal("77.00")], "77"),
        ([2**53, str(2**53), f"+{2**53}", bson.Decimal128("9007199254740992.00")], "9007199254740992"),
        ([30, "+30", "+30.0", "30."], "30"),
        ([-77, "-77", "-77.0", -77.0], "-77"),
        ([77.5, "77.5", bson.Decimal128("77.50")], "77.5"),
        ([1e-7, bson.Decimal128("1E-7")], "0.0000001"),
        (
            [
                UUID,
                str(UUID),
                str(UUID).upper(),
                UUID.hex,
                f"{{{UUID}}}",
                UUID.urn,
                UUID.urn.upper(),
                f"Urn:Uuid:{UUID}",
                bson.Binary.from_uuid(UUID),
                bson.Binary(UUID.bytes, 3),
            ],
            str(UUID),
        ),
        ([OBJECT_ID, str(OBJECT_ID), str(OBJECT_ID).upper(), f'ObjectId("{OBJECT_ID}")', [OBJECT_ID]], str(OBJECT_ID)),
        ([bson.DBRef("sightings", OBJECT_ID), OBJECT_ID], str(OBJECT_ID)),
        ([b"\x01\xff", bson.Binary(b"\x01\xff", 5)], "0x01ff"),
        ([{"plot": 5, "photo": 0}, {"photo": 0.0, "plot": "5"}], '{"photo":"0","plot":"5"}'),
        ([{"plot": 5, "draft": False}, {"draft": False, "plot": 5.0}], '{"draft":"false","plot":"5"}'),
        (
            [
                datetime(2026, 1, 2, tzinfo=UTC),
                datetime(2026, 1, 2),
                datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),
            ],
            "2026-01-02T00:00:00+00:00",
        ),
        ([DatetimeMS(300_000_000_000_000)], "300000000000000 ms"),
        ([bson.Timestamp(5, 6)], "5:6"),
        (["walk-a", "walk-a\u200b", "ｗａｌｋ-a", "walk\x00-a"], "walk-a"),
        (["https://h.example/s/5", "http://H.example:80/s/5/", "https://ann@h.example/s/5"], "h.example/s/5"),
        (["https://h.example/#/s/5", "http://h.example#/s/5"], "h.example/#/s/5"),
    ],
)  # fmt: skip
def test_an_id_has_one_spelling(spellings, name):
    assert [id_texts(value) for value in spellings] == [([name], None)] * len(spellings)
    assert [observation(value) for value in spellings] == [[f"jsonl:{name}"]] * len(spellings)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        *((text, "null_like") for text in ("nan", "NaN", "None", "N/A", "null", "NULL", "", " ", "0", "0.0", "-", "?")),
        *((text, "null_like") for text in ("<NA>", "undefined", "Desconocido", "000", "-1", "[]", "\u200b", "#N/A")),
        *((zero, "null_like") for zero in (0, 0.0, -0.0, -1, bson.Decimal128("0"))),
        *((zero, "null_like") for zero in (uuid.UUID(int=0), bson.ObjectId("0" * 24), b"\0" * 16)),
        *((number, "null_like") for number in (float("nan"), float("inf"), float("-inf"))),
        *((number, "null_like") for number in (bson.Decimal128("NaN"), bson.Decimal128("sNaN"))),
        *((nothing, "null_like") for nothing in ([], {}, [None], ["nan"], {"plot": None}, {"plot": 0, "photo": "nan"})),
        (2.0**60, "inexact_number"),
        (bson.Decimal128("1E+6000"), "inexact_number"),
        (True, "bool"),
        ({"plot": 0, "sure": True}, "null_like"),
        ({"plot": 5, "sure": bson.MaxKey()}, "maxkey"),
        (float(2**53), "inexact_number"),
        ("1.23457E+11", "inexact_number"),
        ([[n, [n + 0.5]] for n in range(1, 100)], "list"),
        (bson.Regex("a"), "regex"),
        (bson.Code("x"), "code"),
        (bson.MaxKey(), "maxkey"),
        (list(range(1000)), "list"),
        ({f"field {n}": n for n in range(1000)}, "dict"),
    ],
)  # fmt: skip
def test_what_names_nothing_says_why(value, problem):
    assert id_texts(value) == ([], problem)
    (link,) = (link for link in links_of("s", "https://h.example/1.jpg", None, value) if link.kind == "observation_id")
    assert (link.value, link.problem) == (None, problem)


def test_what_is_not_there_is_not_counted():
    assert id_texts(None) == ([], None)
    assert [link.kind for link in links_of("s", "https://h.example/1.jpg", None, None)] == ["address"]


def test_a_list_names_each_of_its_entries():
    assert observation([77, "78", None, "nan", 77.0]) == ["jsonl:77", "jsonl:78"]


@pytest.mark.parametrize("text", ["x²", "①", "H₂O"])
def test_letters_that_look_alike_are_not_the_same(text):
    (name,) = id_texts(text)[0]
    assert name == text


def test_a_text_of_many_accents_takes_no_time():
    """Composing them takes time that grows with their square: such a text is named by its digest, unread."""
    for value in ("a" + "\u0300\u0316" * 1_000_000, {"_id": "é" * 1_000_000}, [["é" * 1_000_000] * 50] * 50):
        assert len(id_texts(value)[0][0]) <= LONGEST


def test_a_document_nested_without_end_stops_nothing():
    deep: dict = {}
    for _ in range(5000):
        deep = {"a": deep}
    (link,) = (link for link in links_of("s", "https://h.example/1.jpg", None, deep) if link.kind == "observation_id")
    assert (link.value, link.problem) == (None, "nested")


@given(st.text(min_size=LONGEST + 1, max_size=2 * LONGEST), st.text(min_size=LONGEST + 1, max_size=2 * LONGEST))
def test_long_ids_stay_short_and_apart(one, other):
    (first,), (second,) = (id_texts("a" + text + "z")[0] or [""] for text in (one, other))
    assert max(len(first), len(second)) <= LONGEST
    if one == other:
        assert first == second


scalars = (
    st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text()
    | st.binary(max_size=40)
    | st.booleans()
    | st.none()
    | st.uuids()
    | st.decimals().map(lambda value: value)
    | st.builds(bson.ObjectId, st.binary(min_size=12, max_size=12))
    | st.datetimes()
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(anything)
def test_any_value_has_names_or_a_reason(value):
    texts, problem = id_texts(value)
    assert value is None or bool(texts) != bool(problem)
    for text in texts:
        assert 0 < len(text) <= LONGEST
        assert text == text.strip()
        text.encode()


@given(scalars)
def test_the_spelling_of_a_spelling_is_itself(value):
    for text in id_texts(value)[0]:
        assert id_texts(text) == ([text], None) or text.endswith((" ms", "+00:00")) or "://" in text


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_different_numbers_never_become_one(one, other):
    names = [id_texts(form(number))[0][0] for number in (one, other) for form in (int, float, str, Decimal)]
    assert len(set(names)) == len({one, other})


INATURALIST_PAGES = [
    "https://www.inaturalist.org/observations/77",
    "http://www.inaturalist.org/observations/77",
    "HTTPS://WWW.iNaturalist.org/observations/77",
    "https://inaturalist.org/observations/77/",
    "https://www.inaturalist.org:443/observations/77?locale=es#activity",
    "www.inaturalist.org/observations/77",
    "https://www.inaturalist.ca/observations/77",
    "https://www.naturalista.mx/observations/77",
    "https://mexico.inaturalist.org/observations/77",
    "https://inaturalist.mma.gob.cl/observations/77",
    "https://www.biodiversity4all.org/observations/77",
    "https://argentinat.org/observations/077",
    "https://api.inaturalist.org/v1/observations/77",
    "https://www.inaturalist.org/observations/77#activity",
]


@pytest.mark.parametrize("page", INATURALIST_PAGES)
def test_an_observation_of_inaturalist_is_one_whoever_tells_of_it(page):
    assert observation(page, source="legacy") == ["inaturalist:77"] == observation(77, source="inaturalist")


@pytest.mark.parametrize(
    "page",
    [
        "https://inaturalist.org.evil.example/observations/77",
        "https://h.example/inaturalist.org/observations/77",
        "https://www.inaturalist.org/projects/77",
        "https://www.inaturalist.org/observations/77x",
    ],
)
def test_another_page_is_no_observation_of_inaturalist(page):
    assert not observation(page)[0].startswith("inaturalist:")


PHOTO_URLS = [
    "https://static.inaturalist.org/photos/9000000123/medium.jpeg?1655512345",
    "https://STATIC.inaturalist.org/photos/9000000123/square.jpg",
    "HTTPS://static.inaturalist.org/photos/9000000123/large.jpg",
    "https://static.inaturalist.org:443/photos/9000000123/large.jpg",
    "http://www.inaturalist.org/photos/9000000123/original.jpg",
    "https://www.inaturalist.org/photos/9000000123",
    "https://inaturalist-open-data.s3.amazonaws.com/photos/9000000123/original.jpg",
    "https://inaturalist-open-data.s3.us-east-1.amazonaws.com/photos/9000000123/large.jpg",
    "https://s3.amazonaws.com/inaturalist-open-data/photos/9000000123/small.jpg",
    "https://s3.us-east-1.amazonaws.com/inaturalist-open-data/photos/9000000123/small.jpg",
    "https://s3.amazonaws.com/static.inaturalist.org/photos/9000000123/medium.JPG",
    "https://www.inaturalist.nz/photos/9000000123/medium.jpg",
    "https://www.naturalista.uy/photos/9000000123/medium.jpg",
    "https://spain.inaturalist.org//photos/9000000123/medium.jpg",
    "https://inaturalist.laji.fi/photos/9000000123/medium.jpg",
    "https://ann@static.inaturalist.org/photos/9000000123/medium.jpg",
    "https://static.inaturalist.org/photos/900000012%33/medium.jpg",
    "https://static.inaturalist.org/./photos/9000000123/medium.jpg",
]


@pytest.mark.parametrize("url", PHOTO_URLS)
@pytest.mark.parametrize("source", ["inaturalist", "legacy"])
def test_a_photo_of_inaturalist_has_one_id_under_all_its_urls(url, source):
    assert [link.value for link in links_of(source, url, None, None)] == ["inaturalist:9000000123"]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?https://static.inaturalist.org/photos/12/large.jpg",
        "https://static.inaturalist.org.evil.example/photos/12/large.jpg",
        "https://h.example/photos/12/large.jpg",
        "https://inaturalist-open-data.evil.example/photos/12/large.jpg",
        "https://s3.amazonaws.com/other/photos/12/large.jpg",
        "https://static.inaturalist.org/attachments/12/large.jpg",
    ],
)
def test_another_url_is_known_by_its_address(url):
    assert {link.kind for link in links_of("legacy", url, None, None)} == {"address"}


def test_a_number_beside_a_photo_of_inaturalists_links_as_its_own_and_as_theirs():
    assert observation(77, url=PHOTO_URLS[0]) == ["inaturalist:77", "jsonl:77"]
    assert observation("walk", url=PHOTO_URLS[0]) == ["jsonl:walk"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h.example/a.jpg", "http://h.example/a.jpg", True),
        ("https://h.example/a.jpg", "HTTPS://H.EXAMPLE:443/a.jpg#x", True),
        ("http://h.example:80/%7Eann/a.jpg", "http://h.example/~ann/a.jpg", True),
        ("http://h.example/%c3%bc.jpg", "http://h.example/%C3%BC.jpg", True),
        ("http://h.example./a.jpg", "http://h.example/a.jpg", True),
        ("https://bücher.example/a.jpg", "https://xn--bcher-kva.example/a.jpg", True),
        ("https://h.example/é.jpg", "https://h.example/%C3%A9.jpg", True),
        ("https://ann:x@h.example/a.jpg", "https://h.example/././a.jpg", True),
        ("https://h.example/a?x=%7e", "https://h.example/a?x=~", True),
        ("https://h.example/a.jpg", "https://h.example/A.jpg", False),
        ("https://h.example/a.php?id=1", "https://h.example/a.php?id=2", False),
        ("https://h.example:8080/a.jpg", "https://h.example/a.jpg", False),
        ("https://h.example/a%2Fb.jpg", "https://h.example/a/b.jpg", False),
    ],
)
def test_an_address_is_one_however_it_is_written(one, other, same):
    assert (address(one) == address(other)) == same
