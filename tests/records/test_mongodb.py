"""A real server gives what its dump gives, over whatever breaks on the way, and no secret comes back."""

import datetime
import hashlib
import json
from pathlib import Path

import bson
import polars as pl
import pytest
import yaml

from stages.config.reading import declared_values
from stages.config.schema import MongoDBSource
from stages.records import mongodb as mongodb_module
from stages.records.connection import open_collection
from stages.records.document import Mended, Unreadable
from stages.records.dump import read_dump
from stages.records.mongodb import projected_fields, read_collection
from stages.records.repeated_images import drop_repeated
from stages.records.shapes import DocumentReader
from stages.records.tabulate import shape_records
from stages.runtime.errors import UserError
from tests.support import SAMPLE
from tests.support.mongodb import altering, running_server
from tests.support.running import complaint, run_here

SAMPLE_DUMP = SAMPLE / "dump/plants.bson.gz"
SOURCE = MongoDBSource(kind="mongodb", database="RehabDatos", collection="plants", snapshot="2026-11-23")
PASSWORD = "p:ss/w@rd?"
QUOTED = "p%3Ass%2Fw%40rd%3F"


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("mongodb") / "data", "--enable-test-commands") as server:
        yield server


@pytest.fixture
def plants(mongodb):
    with mongodb.client() as client:
        client.drop_database("RehabDatos")
        yield client.RehabDatos.plants


def sample_documents() -> list[dict]:
    # What cannot be read, or not all of it, no server would have stored.
    return [document for document in read_dump(SAMPLE_DUMP) if type(document) is dict]


def plain_documents(number: int) -> list[dict]:
    return [
        {"_id": bson.ObjectId(f"692200000000000000{index:06x}"), "url": f"https://h.example/{index}.jpg"}
        | {"scientific_name": f"Rosa {'abcdefg'[index % 7]}lba", "rights": "cc0"}
        for index in range(number)
    ]


def read(server, params, *, options="serverSelectionTimeoutMS=2000", pause=lambda _seconds: None, source=SOURCE):
    uri = server.uri(options=options)
    return read_collection(open_collection(source, uri), source, params.documents, uri, pause=pause)


@pytest.fixture
def teacher(workspace: Path):
    """A workspace whose profile reads MongoDB, and a function that runs its export."""
    content = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8")) | {"profile": "teacher"}
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (workspace / "data").mkdir()

    def export(uri: str, **environment: str):
        return run_here("export", workspace, MONGODB_URI=uri, **environment)

    return workspace, export


def set_source(workspace: Path, source: dict) -> None:
    content = yaml.safe_load((workspace / "params.yaml").read_text(encoding="utf-8"))
    content["profiles"]["teacher"]["source"] = source
    (workspace / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


ODD_IDS = [
    *(5, 2.5, float("nan"), bson.Int64(2**40), bson.Decimal128("7.5"), "a", "", {"x": 1}, b"\x00\x01", True, None),
    *(datetime.datetime(2020, 1, 1), bson.Timestamp(1, 2), bson.MinKey(), bson.MaxKey(), bson.Code("x")),
    *(datetime.datetime(9999, 1, 1), "\u00e9\U0001f33f", bson.ObjectId("000000000000000000000000")),
]


def odd_documents() -> list[dict]:
    """Documents of every odd type, under ids of every odd type."""
    deep: dict = {"scientific_name": "too deep"}
    for _ in range(50):
        deep = {"nested": deep}
    big = "x" * 1_000_000
    bodies = [
        {"url": "https://h.example/1.jpg", "scientific_name": "Rosa \u00e7anina \U0001f339"},
        {"url": f"https://h.example/{big}.jpg", "scientific_name": "Long"},
        {"url": "https://h.example/2.jpg", "scientific_name": "A", "notes": big},
        {"url": None, "scientific_name": "A"},
        {"url": 5, "scientific_name": ["A"]},
        {"scientific_name": {"a": 1}, "url": "https://h.example/3.jpg"},
        {"plant": "a text", "images": [{"href": "https://h.example/4.jpg"}]},
        {"plant": {"species": "B"}, "images": [1, None, {"href": "https://h.example/5.jpg", "license": 7}, [], {}]},
        {"plant": {"species": "B"}, "images": "none"},
        {"plant": [{"species": "C"}], "images": []},
        {"image_url": "https://h.example/6.jpg", "photo": {"id": bson.Decimal128("12.0")}, "taxon": {"name": "D"}},
        {"image_url": "https://h.example/7.jpg", "photo": [{"id": 1}], "species": "E", "observation": bson.Regex("a")},
        {
            "image_url": "https://h.example/8.jpg",
            "species": "Rosa canina",
            "photo_id": float("nan"),
            "observation_id": b"\x01",
        },
        {"image_url": "https://h.example/9.jpg", "species": "Rosa canina", "observation_id": bson.ObjectId("6" * 24)},
        {"image_url": "https://h.example/10.jpg", "species": "Rosa canina", "observer": datetime.datetime(1970, 1, 1)},
        deep,
        {},
        {"scientific_name": "\ud55c\uad6d \u0639\u0631\u0628", "url": "https://h.example/\u00fc.jpg"},
        {"scientific_name": "G", "url": "https://h.example/11.jpg", "sighting": {"$odd.key": 1}},
    ]
    return [{"_id": identity, **body} for identity, body in zip(ODD_IDS, bodies, strict=True)]


@pytest.mark.parametrize("documents", [sample_documents, odd_documents])
def test_a_server_and_the_dump_of_it_give_the_same_bytes(teacher, mongodb, plants, documents):
    workspace, export = teacher
    plants.insert_many(documents())
    result = export(mongodb.uri())
    assert result.returncode == 0, result.stderr
    of_server = (workspace / "data/records.parquet").read_bytes()
    figures = (workspace / "metrics/export.json").read_bytes()
    report = (workspace / "data/reports/export.json").read_bytes()

    dump = workspace / "data/sources/teacher/dump/plants.bson"
    dump.parent.mkdir(parents=True)
    dump.write_bytes(b"".join(map(bson.encode, documents())))
    set_source(workspace, {"kind": "dump", "file": dump.name})
    assert export("").returncode == 0
    assert (workspace / "data/records.parquet").read_bytes() == of_server
    assert (workspace / "metrics/export.json").read_bytes() == figures
    assert (workspace / "data/reports/export.json").read_bytes() == report
    assert json.loads(figures)["documents"] == len(documents())


def test_documents_that_fit_no_shape_are_described_with_all_of_their_fields(teacher, mongodb, plants):
    """Though no shape looks at these fields, and so none of them is read with the others."""
    workspace, export = teacher
    plants.insert_many(plain_documents(3))
    plants.insert_many([{"_id": odd, "foto": "https://h.example/1.jpg", "especie": "A b"} for odd in ODD_IDS])
    result = export(mongodb.uri())
    assert result.returncode == 0, result.stderr
    assert f"  {len(ODD_IDS)}: _id, especie, foto" in result.stdout.splitlines()
    assert "      species: especie # guessed: by its name" in result.stdout.splitlines()
    unknown = json.loads((workspace / "data/reports/export.json").read_text())["unknown_shapes"]
    assert unknown["sets"] == [{"documents": len(ODD_IDS), "fields": ["_id", "especie", "foto"]}]


def test_only_the_fields_of_the_shapes_are_sent(mongodb, plants, params):
    plants.insert_one(plain_documents(1)[0] | {"notes": "x" * 1000, "plant": {"species": "A", "other": 1}})
    (document,) = read(mongodb, params)
    assert document.keys() == {"_id", "url", "scientific_name", "rights", "plant"}


def test_a_field_inside_another_one_is_not_asked_for_twice(params):
    fields = projected_fields(params.documents)
    assert "plant" in fields
    assert "plant.species" not in fields
    assert "taxon.name" in fields
    assert not any("[]" in field for field in fields)


def test_the_snapshot_bounds_the_documents_by_day(mongodb, plants, params):
    def document(day: str, offset_s: int) -> dict:
        moment = datetime.datetime.fromisoformat(f"{day}T00:00:00+00:00") + datetime.timedelta(seconds=offset_s)
        return plain_documents(1)[0] | {"_id": bson.ObjectId.from_datetime(moment), "url": str(offset_s)}

    plants.insert_many([document("2026-11-24", -1), document("2026-11-24", 0), {"_id": "no time", "url": "x"}])
    assert sorted(document["url"] for document in read(mongodb, params)) == ["-1", "x"]


@pytest.mark.parametrize(
    "options",
    # What pymongo makes of it: NotPrimaryError, CursorNotFound, AutoReconnect.
    [{"errorCode": 91}, {"errorCode": 43}, {"closeConnection": True}],
)
def test_what_breaks_in_mid_cursor_changes_nothing(mongodb, plants, params, monkeypatch, options):
    monkeypatch.setattr(mongodb_module, "BATCH_DOCUMENTS", 50)
    plants.insert_many(plain_documents(500) + odd_documents())
    undisturbed = list(read(mongodb, params))
    waits: list[float] = []
    documents = read(mongodb, params, pause=waits.append, options="retryReads=false&heartbeatFrequencyMS=500")
    got = [next(documents) for _ in range(60)]
    fail_point = {"failCommands": ["getMore"]} | options
    with mongodb.client() as client:
        command = {"configureFailPoint": "failCommand", "mode": {"times": 3}, "data": fail_point}
        client.admin.command(command)
        got += documents
        client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    # bytes, as NaN does not equal itself
    assert [bson.encode(document) for document in got] == [bson.encode(document) for document in undisturbed]
    assert len(waits) == 3


def test_it_gives_up_after_a_bounded_number_of_retries(mongodb, plants, params, monkeypatch):
    monkeypatch.setattr(mongodb_module, "BATCH_DOCUMENTS", 50)
    plants.insert_many(plain_documents(200))
    waits: list[float] = []
    documents = read(mongodb, params, pause=waits.append, options="retryReads=false&heartbeatFrequencyMS=500")
    got = [next(documents) for _ in range(50)]
    data = {"failCommands": ["getMore", "find"], "errorCode": 91}
    with mongodb.client() as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data})
        try:
            with pytest.raises(UserError, match=rf"127.0.0.1:{mongodb.port} does not answer after 50 documents and 5"):
                got += documents
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert len(got) == 50
    assert waits == [1, 2, 4, 8, 16]


@pytest.mark.slow
def test_kill_9_and_a_restart_in_mid_cursor_change_nothing(tmp_path, params, monkeypatch):
    monkeypatch.setattr(mongodb_module, "BATCH_DOCUMENTS", 100)
    documents = plain_documents(1000)
    with running_server(tmp_path / "data") as server:
        with server.client() as client:
            client.RehabDatos.plants.insert_many(documents)
        reader = read(server, params, pause=lambda _seconds: server.start() if server.process is None else None)
        got = []
        for document in reader:
            got.append(document)
            if len(got) in (150, 610):
                server.kill()
        assert [document["_id"] for document in got] == [document["_id"] for document in documents]
        shaped = shape_records(got, DocumentReader(params.documents))
        assert shaped.read == 1000
        expected = shape_records(documents, DocumentReader(params.documents))
        assert drop_repeated(shaped.records.table()).equals(drop_repeated(expected.records.table()))


@pytest.mark.slow
def test_kill_9_without_a_restart_is_one_line_and_keeps_the_old_records(tmp_path, teacher, monkeypatch, params):
    workspace, export = teacher
    (workspace / "data/records.parquet").write_bytes(b"before")
    with running_server(tmp_path / "server") as server:
        with server.client() as client:
            client.RehabDatos.plants.insert_many(plain_documents(300))
        monkeypatch.setattr(mongodb_module, "BATCH_DOCUMENTS", 100)
        waits: list[float] = []
        reader = read(server, params, pause=waits.append, options="serverSelectionTimeoutMS=1000")
        assert len([next(reader) for _ in range(100)]) == 100
        server.kill()
        with pytest.raises(UserError, match="does not answer after 100 documents and 5 retries"):
            next(reader)
        assert len(waits) == 5
        # The stage itself, on a server that is not there at all:
        said = complaint(export(server.uri(f"ann:{QUOTED}", "serverSelectionTimeoutMS=100")))
        assert f"MongoDB at 127.0.0.1:{server.port} does not answer" in said
        assert "is it running?" in said
        assert_no_secret(said)
    assert (workspace / "data/records.parquet").read_bytes() == b"before"
    assert [path.name for path in (workspace / "data").iterdir()] == ["records.parquet"]


def assert_no_secret(text: str) -> None:
    assert PASSWORD not in text
    assert QUOTED not in text
    assert "w@rd" not in text


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks who is there: ann may read RehabDatos, bob may not."""
    folder = tmp_path_factory.mktemp("guarded") / "data"
    with running_server(folder) as server:
        with server.client() as client:
            client.RehabDatos.plants.insert_many(plain_documents(20))
            client.admin.command("createUser", "ann", pwd=PASSWORD, roles=[{"role": "read", "db": "RehabDatos"}])
            client.admin.command("createUser", "bob", pwd=PASSWORD, roles=[{"role": "read", "db": "elsewhere"}])
        server.stop()
        server.words = ("--auth",)
        server.start()
        yield server


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (f"ann:{QUOTED}", None),
        ("ann:wr0ng", "refuses the user or the password: check MONGODB_URI"),
        (f"eve:{QUOTED}", "refuses the user or the password: check MONGODB_URI"),
        (f"bob:{QUOTED}", "does not let this user read RehabDatos.plants"),
        ("", "does not let this user read RehabDatos.plants"),
        ("ann:p:ss/w@rd?", "MONGODB_URI is not valid"),
    ],
)
def test_who_may_read(teacher, guarded, user, said):
    workspace, export = teacher
    (workspace / "data/records.parquet").write_bytes(b"before")
    result = export(guarded.uri(user, "authSource=admin"))
    assert_no_secret(result.stdout + result.stderr)
    if said is None:
        assert "20 documents -> 20 images" in result.stdout
    else:
        assert said in complaint(result)
        assert "wr0ng" not in result.stderr
        assert (workspace / "data/records.parquet").read_bytes() == b"before"


def test_a_database_without_what_was_asked_for_says_what_is_there(teacher, mongodb, plants):
    _, export = teacher
    assert "does not exist, and the database is empty" in complaint(export(mongodb.uri()))
    plants.database.create_collection("plants")
    assert "RehabDatos.plants is empty" in complaint(export(mongodb.uri()))
    plants.drop()
    plants.database["planets"].insert_one({"_id": 1})
    assert "does not exist (there are planets): check database and collection" in complaint(export(mongodb.uri()))
    plants.insert_one({"_id": bson.ObjectId("7f0000000000000000000000")})
    assert "holds no document up to the snapshot 2026-11-23" in complaint(export(mongodb.uri()))


def test_without_an_address_it_asks_for_one(teacher):
    _, export = teacher
    assert "export: where is MongoDB? Set MONGODB_URI" in complaint(export(""))


def read_all(uri: str, params, pause) -> list:
    collection = open_collection(SOURCE, uri)
    with collection.database.client:
        return list(read_collection(collection, SOURCE, params.documents, uri, pause=pause))


def unfit_documents() -> list[dict]:
    """Documents some of which ``UNFIT`` makes unfit to be read, or to be read without mending, by their ids too."""
    strings = [{"_id": f"cafe{index}", "url": f"https://h.example/s{index}.jpg"} for index in range(7)]
    documents = strings + plain_documents(20)
    for index in (2, 3, 10, 12, 13, 14, 26):
        documents[index]["sighting"] = 77_777
    for index in (5, 9, 18):
        documents[index]["rights"] = "cafe"
    return documents


# Latin-1 and no UTF-8; and a type that BSON does not have.
UNFIT = {b"cafe": b"caf\xe9", b"\x10sighting\x00" + (77_777).to_bytes(4, "little"): b"\x33sighting\x00" + b"????"}


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_what_cannot_be_read_is_one_document_less_over_breaks_too(
    mongodb, plants, params, monkeypatch, tmp_path, batch
):
    monkeypatch.setattr(mongodb_module, "BATCH_DOCUMENTS", batch)
    plants.insert_many(unfit_documents())
    content = b"".join(map(bson.encode, unfit_documents()))
    for old, new in UNFIT.items():
        content = content.replace(old, new)
    (tmp_path / "plants.bson").write_bytes(content)
    of_dump = list(read_dump(tmp_path / "plants.bson"))
    fail_point = {"failCommands": ["getMore"], "errorCode": 43}
    with altering(mongodb.port, UNFIT) as port, mongodb.client() as client:
        uri = f"mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=2000"
        for times in (0, 4):
            if times:
                command = {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": fail_point}
                client.admin.command(command)
            waits: list[float] = []
            read = read_all(uri, params, waits.append)
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
            assert [one for one in read if not isinstance(one, Unreadable)] == [
                one for one in of_dump if not isinstance(one, Unreadable)
            ]
            assert [type(one) for one in read] == [type(one) for one in of_dump]
            assert sum(isinstance(one, Mended) for one in read) == 5 + 3 - 1
            unreadable = [one for one in read if isinstance(one, Unreadable)]
            assert unreadable[0].place == "_id caf\ufffd2"
            assert unreadable[2].place == "_id 692200000000000000000003"
            assert len(unreadable) == 7
            assert len(waits) == (times if batch < 50 else 0)


def lock_of(workspace: Path) -> None:
    """Write the entry that DVC would write after this export."""
    md5 = hashlib.md5((workspace / "data/records.parquet").read_bytes()).hexdigest()
    entry = {
        "params": {"params.yaml": declared_values("export")},
        "outs": [{"path": "data/records.parquet", "hash": "md5", "md5": md5}],
    }
    synonyms = workspace / "data/sources/teacher/synonyms.csv"
    if synonyms.exists():
        path = str(synonyms.relative_to(workspace))
        entry["deps"] = [{"path": path, "hash": "md5", "md5": hashlib.md5(synonyms.read_bytes()).hexdigest()}]
    (workspace / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"export": entry}}))


def test_the_lock_pins_what_a_snapshot_gave(teacher, mongodb, plants):
    workspace, export = teacher
    plants.insert_many(plain_documents(10))
    records = workspace / "data/records.parquet"
    assert export(mongodb.uri()).returncode == 0
    before = records.read_bytes()
    lock_of(workspace)

    assert export(mongodb.uri()).returncode == 0
    assert records.read_bytes() == before

    plants.update_one({"_id": plain_documents(1)[0]["_id"]}, {"$set": {"scientific_name": "Renamed"}})
    said = complaint(export(mongodb.uri()))
    assert "data/records.parquet is pinned by dvc.lock to" in said
    assert records.read_bytes() == before
    assert "md5" not in complaint(export(mongodb.uri(), EXPORT_ACCEPT="0" * 32))

    accept = said.split("EXPORT_ACCEPT=")[1].split()[0]
    assert export(mongodb.uri(), EXPORT_ACCEPT=accept).returncode == 0
    assert records.read_bytes() != before


def test_other_synonyms_are_expected_to_give_other_records(teacher, mongodb, plants):
    workspace, export = teacher
    synonyms = workspace / "data/sources/teacher/synonyms.csv"
    synonyms.parent.mkdir(parents=True, exist_ok=True)
    synonyms.write_text("synonym,accepted\n")
    plants.insert_many(plain_documents(10))
    assert export(mongodb.uri()).returncode == 0
    lock_of(workspace)
    name = plain_documents(1)[0]["scientific_name"]
    synonyms.write_text(f"synonym,accepted\n{name},Rosa canina\n")
    assert export(mongodb.uri()).returncode == 0
    assert "Rosa canina" in pl.read_parquet(workspace / "data/records.parquet")["species"].to_list()


def test_a_new_snapshot_is_not_held_against_the_old_one(teacher, mongodb, plants):
    workspace, export = teacher
    plants.insert_many(plain_documents(10))
    assert export(mongodb.uri()).returncode == 0
    lock_of(workspace)
    plants.insert_many(
        [
            plain_documents(1)[0]
            | {"_id": bson.ObjectId.from_datetime(datetime.datetime(2026, 12, 1)), "url": "https://n.example"}
        ]
    )
    assert export(mongodb.uri()).returncode == 0
    assert "10 documents" in export(mongodb.uri()).stdout
    set_source(workspace, SOURCE.model_dump() | {"snapshot": "2027-11-26"})
    assert "11 documents" in export(mongodb.uri()).stdout


def test_a_lock_with_the_marks_of_a_merge_is_one_line(teacher, mongodb, plants):
    workspace, export = teacher
    plants.insert_many(plain_documents(2))
    (workspace / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n=======\n")
    assert "dvc.lock is no lock of DVC's" in complaint(export(mongodb.uri()))


def test_a_server_that_refuses_in_its_own_words_is_quoted(mongodb, plants, params):
    plants.insert_many(plain_documents(3))
    data = {"failCommands": ["find"], "errorCode": 2}
    with mongodb.client() as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data})
    with pytest.raises(UserError, match=r"refuses to read RehabDatos.plants \("):
        list(read(mongodb, params))
