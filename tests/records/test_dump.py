"""Dumps of every format hold the same, and a damaged one says where."""

import gzip
import json

import bson
import pytest

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
