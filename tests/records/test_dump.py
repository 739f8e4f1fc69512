"""Dumps of every format hold the same; what cannot be read is one document less, and a cut file says where."""

import datetime
import gzip
import json
import math
import re
import struct

import bson
import pytest
from bson import json_util
from hypothesis import given
from hypothesis import strategies as st

from stages.records import dump
from stages.records.document import Mended, NoDocumentError, Unreadable, from_bson, from_json
from stages.records.dump import read_dump
from stages.runtime.errors import UserError


def write_dump(path, documents, *, json_lines=False, zipped=False):
    content = (
        b"".join(json.dumps(document).encode() + b"\n" for document in documents)
        if json_lines
        else b"".join(map(bson.encode, documents))
    )
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


PLAIN = [{"_id": number, "image_url": f"https://h.example/{number}.jpg", "species": "A"} for number in range(50)]
DOCUMENT_BYTES = len(bson.encode(PLAIN[-1]))


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


@pytest.mark.parametrize(
    "line",
    [
        *('{"_id":{"$oid":"zz"}}', '{"d":{"$date":"xx"}}', '{"n":{"$numberDecimal":"abc"}}', '{"n":{"$numberInt":5}}'),
        *('{"a":', "words", '{"a":01}', '{"a":1} {"a":2}', "[1]", "5", "NaN", '{"$oid":"69220000a1b2c3d4e5000001"}'),
        *('{"a":"\x1b[31m"}x', "[" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, f'{{"a":{"9" * 5000}}}', "\x00", "}{"),
    ],
)
def test_a_line_that_is_no_document_is_one_document_less(tmp_path, line):
    (tmp_path / "d.jsonl").write_text(f'{{"_id":1}}\n\n{line}\n{{"_id":2}}\n')
    first, unreadable, last = read_dump(tmp_path / "d.jsonl")
    assert (first, last) == ({"_id": 1}, {"_id": 2})
    assert isinstance(unreadable, Unreadable)
    assert unreadable.place == "line 3"
    assert unreadable.reason.isprintable()
    assert 0 < len(unreadable.reason) < 300


def test_a_date_past_the_year_9999_does_not_stop_the_export(tmp_path):
    date = bson.datetime_ms.DatetimeMS(300_000_000_000_000)
    assert len(list(read_dump(write_dump(tmp_path / "d.bson", [{"seen": date}, {"seen": 1}])))) == 2


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("d.bson", lambda whole: whole[:-7], "is damaged after document 49"),
        (
            "d.bson",
            lambda whole: whole[:-DOCUMENT_BYTES] + b"\x09\x00",
            r"is damaged after document 49 \(it ends within",
        ),
        ("d.bson", lambda whole: whole + b"\x04\x00\x00\x00\x00", "document 50 .no document has 4 bytes"),
        ("d.bson", lambda whole: whole + b"\xff\xff\xff\xff\x00", "document 50 .no document has -1 bytes"),
        ("d.bson", lambda whole: whole + b"\xff\xff\xff\x7f\x00", "document 50 .no document has 2,147,483,647 bytes"),
        ("d.bson", lambda whole: whole + b"\x05\x00\x00\x00\x01", "document 50 .the next does not end where"),
        ("d.bson.gz", lambda whole: whole[: len(whole) // 2], "its gzip data ends or breaks early"),
        ("d.bson.gz", lambda whole: whole[:60] + b"\x00" * 30 + whole[90:], "is damaged"),
        ("d.jsonl", lambda whole: whole[:-9], "line 50 is no JSON.*: the file is cut off"),
        ("d.jsonl", lambda whole: whole[:-9] + b"\xc3", "line 50 is no JSON.*: the file is cut off"),
        ("d.jsonl", lambda _whole: b"a,b\n1,2\n", "none of its 2 lines is a JSON object"),
        ("d.jsonl", lambda _whole: b'"a"\n"b"', "none of its 2 lines is a JSON object"),
        ("d.json", lambda _whole: json.dumps(PLAIN[0], indent=2).encode(), "a document spans several lines.*jq -c"),
        (
            "d.json",
            lambda _whole: b"".join(json.dumps(document, indent=2).encode() for document in PLAIN),
            "a document spans several lines.*jq -c",
        ),
        ("d.json", lambda _whole: json.dumps(PLAIN).encode()[:-1], "document 49 of its array .the array does not end"),
        ("d.json", lambda _whole: json.dumps(PLAIN).encode() + b"[]", "document 50 of its array .something stands"),
        ("d.json", lambda _whole: b"[", "after document 0 of its array .the array does not end"),
        ("d.bson", lambda _whole: b"", "is empty"),
        ("d.csv", lambda whole: whole, "of no known format"),
    ],
)
def test_a_cut_or_damaged_dump_says_where(tmp_path, name, damage, said):
    path = write_dump(tmp_path / name, PLAIN, json_lines=".jsonl" in name, zipped=name.endswith(".gz"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=said):
        list(read_dump(path))


def bad_bson(document: dict) -> bytes:
    """BSON of a document with `cafe` in it, which becomes `caf\xe9`: Latin-1 and no UTF-8."""
    return bson.encode(document).replace(b"cafe", b"caf\xe9")


@pytest.mark.parametrize(
    "document",
    [
        {"unused": "cafe"},
        {"cafe": 1},
        {"a": {"b": [{"c": "cafe"}]}},
        {"a": {"b": [{"cafe": "x"}]}},
        {"a": bson.Code("cafe", {"cafe": 1})},
        {"a": bson.Regex("cafe")},
        {"a": bson.DBRef("cafe", "cafe")},
    ],
)
def test_text_that_is_no_utf8_is_mended_in_bson_and_json(tmp_path, document):
    expected = bson.decode(bson.encode(document).replace(b"cafe\x00", b"caf?\x00")).__repr__().replace("?", "\ufffd")
    (tmp_path / "d.bson").write_bytes(bson.encode(PLAIN[0]) + bad_bson(document) + bson.encode(PLAIN[1]))
    lines = [json_util.dumps(one).encode() for one in (PLAIN[0], document, PLAIN[1])]
    (tmp_path / "d.jsonl").write_bytes(b"\n".join(lines).replace(b"cafe", b"caf\xe9"))
    (tmp_path / "d.json").write_bytes(b"[" + b",".join(lines).replace(b"cafe", b"caf\xe9") + b"]")
    for name in ("d.bson", "d.jsonl", "d.json"):
        first, mended, last = read_dump(tmp_path / name)
        assert (first, last) == (PLAIN[0], PLAIN[1])
        assert isinstance(mended, Mended)
        assert not isinstance(first, Mended)
        assert repr(dict(mended)) == expected


@pytest.mark.parametrize("also", [{}, {"_id": bson.ObjectId("69220000a1b2c3d4e5000001")}])
@pytest.mark.parametrize(
    ("value", "expected", "mended"),
    [
        ("Infinity", float("inf"), False),
        ("-Infinity", float("-inf"), False),
        ("1e400", float("inf"), False),
        ("-0.0", 0.0, False),
        (str(2**63), 2**63, False),
        (str(2**64), 2**64, False),
        (str(-(2**63) - 1), -(2**63) - 1, False),
        ("123456789012345678901234567890", 123456789012345678901234567890, False),
        ('{"$numberLong":"123456789012345678901234567890"}', 123456789012345678901234567890, False),
        ("0.1234567890123456789012", 0.12345678901234568, False),
        (r'"\ud83c"', "\ufffd", True),
        (r'"\ud83c\ud83c\udf39\udf39"', "\ufffd\U0001f339\ufffd", True),
        (r'"\\ud83c"', r"\ud83c", False),
        (r'{"\uDF39":["\ud83cx"]}', {"\ufffd": ["\ufffdx"]}, True),
        (r'"\ufffd"', "\ufffd", False),
        ('"\ufffd"', "\ufffd", False),
        ('"a\tb"', "a\tb", False),
        ('{"a":1,"a":2}', {"a": 2}, False),
        (r'{"\u0024numberInt":"5"}', 5, False),
        ('"$5"', "$5", False),
    ],
)
def test_an_odd_value_is_read_the_same_whatever_stands_beside_it(tmp_path, also, value, expected, mended):
    rest = "".join(f',"{key}":{{"$oid":"{oid}"}}' for key, oid in also.items())
    line = f'{{"odd":{value}{rest}}}'
    (tmp_path / "d.jsonl").write_text(f'{{"_id":1}}\n{line}\n', encoding="utf-8")
    (tmp_path / "d.json").write_text(f"[{line}]", encoding="utf-8")
    _, document = read_dump(tmp_path / "d.jsonl")
    (of_array,) = read_dump(tmp_path / "d.json")
    assert document == of_array == {"odd": expected} | also
    assert type(document["odd"]) in (type(expected), bson.Int64)
    assert isinstance(document, Mended) == isinstance(of_array, Mended) == mended


def test_no_number_is_a_number_as_bson_has_it(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"a":NaN,"b":[NaN]}\n')
    (document,) = read_dump(tmp_path / "d.jsonl")
    assert math.isnan(document["a"])
    assert math.isnan(document["b"][0])


def test_of_a_key_that_stands_twice_the_last_value_counts_in_bson_too(tmp_path):
    body = b"\x10a\x00\x01\x00\x00\x00\x10a\x00\x02\x00\x00\x00\x00"
    (tmp_path / "d.bson").write_bytes(struct.pack("<i", len(body) + 4) + body)
    assert list(read_dump(tmp_path / "d.bson")) == [{"a": 2}]


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.jsonl.gz"])
@pytest.mark.parametrize("array", [False, True])
def test_a_mark_of_the_byte_order_is_no_part_of_the_first_document(tmp_path, name, array):
    lines = b"\n".join(json.dumps(document).encode() for document in PLAIN)
    content = b"\xef\xbb\xbf" + (b"[" + lines.replace(b"\n", b",") + b"]" if array else lines)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert list(read_dump(tmp_path / name)) == PLAIN


def test_bson_that_cannot_be_decoded_is_one_document_less(tmp_path):
    odd_type = bson.encode({"a": 1}).replace(b"\x10a", b"\x33a")
    deep = bson.encode({"x": 1})
    for _ in range(3000):
        body = b"\x03a\x00" + deep + b"\x00"
        deep = struct.pack("<i", len(body) + 4) + body
    wrong_inside = bson.encode({"a": {"b": 1}}).replace(b"\x0c\x00\x00\x00\x10b", b"\x0d\x00\x00\x00\x10b")
    content = [bson.encode(PLAIN[0]), odd_type, deep, wrong_inside, bson.encode(PLAIN[1])]
    (tmp_path / "d.bson").write_bytes(b"".join(content))
    first, *unreadable, last = read_dump(tmp_path / "d.bson")
    assert (first, last) == (PLAIN[0], PLAIN[1])
    assert [one.place for one in unreadable] == ["document 2", "document 3", "document 4"]
    assert all(isinstance(one, Unreadable) and one.reason.isprintable() for one in unreadable)
    assert "unknown BSON type" in unreadable[0].reason


ARRAYS = [
    ("[]", []),
    (" [ ]\n", []),
    ('[{"a":1}]', [{"a": 1}]),
    ('[{"a":1},{"a":"]},[{\\""}]', [{"a": 1}, {"a": ']},[{"'}]),
    ('[{"a":{"b":[1,[2]]}}\n,\n{"a":"\\\\"}\n]\n', [{"a": {"b": [1, [2]]}}, {"a": "\\"}]),
    ('[{"a":1},{"a":01},5,"x,y",[1],null,{"a":2}]', [{"a": 1}, 2, 3, 4, 5, 6, {"a": 2}]),
    ('[{"a":1},]', [{"a": 1}]),
    ('[{"_id":{"$oid":"69220000a1b2c3d4e5000001"}}]', [{"_id": bson.ObjectId("69220000a1b2c3d4e5000001")}]),
]


@pytest.mark.parametrize("block", [2, 3, 7, 1 << 20])
@pytest.mark.parametrize(("text", "expected"), ARRAYS)
def test_an_array_is_read_element_by_element(tmp_path, monkeypatch, text, expected, block):
    monkeypatch.setattr(dump, "_BLOCK_BYTES", block)
    (tmp_path / "d.json").write_text(text)
    read = [
        int(one.place.removeprefix("document ")) if isinstance(one, Unreadable) else one
        for one in read_dump(tmp_path / "d.json")
    ]
    assert read == expected


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_over_lines_or_not_holds_what_lines_hold(tmp_path, indent):
    (tmp_path / "d.json").write_text(json.dumps(PLAIN, indent=indent))
    assert list(read_dump(tmp_path / "d.json")) == PLAIN


def test_a_line_that_is_an_array_makes_no_array_of_a_file_of_lines(tmp_path):
    (tmp_path / "d.jsonl").write_text('[1]\n{"a":1}\n')
    assert list(read_dump(tmp_path / "d.jsonl")) == [Unreadable("line 1", "no JSON object"), {"a": 1}]


@pytest.mark.parametrize("block", [1, 5, 64])
def test_where_blocks_end_makes_no_difference(tmp_path, monkeypatch, block):
    monkeypatch.setattr(dump, "_BLOCK_BYTES", block)
    lines = [b'{"a":12345678901234567890123}', b"", b"x", b'{"b":{"$numberInt":"5"}}', b'{"c":"\xe9"}', b'{"d":1}']
    (tmp_path / "d.jsonl").write_bytes(b"\r\n".join(lines))
    first, unreadable, *others = read_dump(tmp_path / "d.jsonl")
    assert first == {"a": 12345678901234567890123}
    assert unreadable.place == "line 3"
    assert others == [{"b": 5}, {"c": "\ufffd"}, {"d": 1}]


def test_a_line_without_end_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(dump, "LARGEST_BYTES", 1000)
    monkeypatch.setattr(dump, "_BLOCK_BYTES", 100)
    long = json.dumps({"a": "x" * 3000})
    (tmp_path / "d.jsonl").write_text(f'{{"a":1}}\n{long}\n{{"a":2}}\n')
    first, unreadable, last = read_dump(tmp_path / "d.jsonl")
    assert (first, last) == ({"a": 1}, {"a": 2})
    assert unreadable.place == "line 2"
    assert unreadable.reason.startswith("longer than")
    (tmp_path / "d.jsonl").write_text(f'{{"a":1}}\n{long}')
    with pytest.raises(UserError, match=r"line 2 is no JSON .longer than 48 MB., and no line break ends it"):
        list(read_dump(tmp_path / "d.jsonl"))
    (tmp_path / "d.json").write_text(f'[{{"a":1}},{long}]')
    with pytest.raises(UserError, match=r"after document 1 of its array .an element is longer"):
        list(read_dump(tmp_path / "d.json"))


MOMENTS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
PLAIN_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$."), min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    INT64,
    st.floats(allow_nan=False),
    st.just(math.nan),  # JSON does not say its sign
    TEXTS,
    MOMENTS,
    st.integers(253402300800000, 2**62).map(bson.datetime_ms.DatetimeMS),
    st.integers(-(2**62), -62135596800001).map(bson.datetime_ms.DatetimeMS),
    st.binary(min_size=12, max_size=12).map(bson.ObjectId),
    st.binary(max_size=20),
    st.builds(bson.Binary, st.binary(max_size=20), st.sampled_from([0, 1, 5, 128])),
    st.uuids().map(bson.Binary.from_uuid),
    (st.decimals(-(10**20), 10**20, places=3).map(str) | st.just("NaN")).map(bson.Decimal128),
    st.builds(bson.Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(bson.Regex, PLAIN_KEYS, st.sampled_from(["", "i", "mx", "su"])),
    TEXTS.map(bson.Code),
    st.builds(bson.DBRef, PLAIN_KEYS, INT64),
    st.sampled_from([bson.MinKey(), bson.MaxKey()]),
)
DOCUMENTS = st.dictionaries(
    PLAIN_KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN_KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)
MODES = [json_util.RELAXED_JSON_OPTIONS, json_util.CANONICAL_JSON_OPTIONS, json_util.LEGACY_JSON_OPTIONS]


@given(DOCUMENTS, st.sampled_from(MODES))
def test_extended_json_gives_what_the_bson_of_the_same_document_gives(document, mode):
    of_bson = from_bson(bson.encode(document))
    of_json = from_json(json_util.dumps(document, json_options=mode).encode())
    # As bytes, as NaN does not equal itself; relaxed JSON does not say of a whole number whether it has 32 bits.
    assert bson.encode(of_json) == bson.encode(of_bson)
    assert kinds(of_json) == kinds(of_bson)


def kinds(value):
    """The types of a value and of all within it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    kind = int if isinstance(value, bson.Int64) else type(value)
    return kind, [kinds(one) for one in inner]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3)),
    st.booleans())  # fmt: skip
def test_what_stands_beside_a_value_does_not_change_it(value, ascii_only):
    text = json.dumps({"a": value}, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    beside = text[:-1] + b',"b":{"$numberInt":"1"}}'
    try:
        alone = from_json(text)
    except NoDocumentError as error:  # a value may look like extended JSON and be none: {"$numberLong": null}
        with pytest.raises(NoDocumentError, match=re.escape(str(error))):
            from_json(beside)
        return
    with_another = from_json(beside)
    assert repr(dict(alone)) == repr({key: one for key, one in with_another.items() if key == "a"})
    assert isinstance(alone, Mended) == isinstance(with_another, Mended)


@pytest.mark.parametrize(
    "value", [{"$numberLong": None}, {"$numberLong": None, "": None}, {"$timestamp": None}, {"": 0, "$timestamp": None}]
)
def test_what_looks_like_extended_json_and_is_none_is_refused_with_a_reason(value):
    with pytest.raises(NoDocumentError, match=r"\S"):
        from_json(json.dumps({"a": value}).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_file_in_utf_16_is_said_to_be_one(tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "d.jsonl").write_bytes((mark + '{"_id": 1}\n').encode(encoding))
    with pytest.raises(UserError, match="is text in UTF-16"):
        list(read_dump(tmp_path / "d.jsonl"))


def test_an_array_that_begins_deeper_than_any_document_is_one_line(tmp_path):
    (tmp_path / "d.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"d\.json"):
        list(read_dump(tmp_path / "d.json"))
