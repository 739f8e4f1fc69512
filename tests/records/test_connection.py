"""The address of MongoDB is understood or refused, who does not answer is given up soon, and no secret comes back."""

from contextlib import redirect_stdout
from io import StringIO
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.config.schema import MongoDBSource
from stages.records import connection
from stages.records.connection import open_collection
from stages.records.mongodb import read_collection
from stages.runtime.errors import UserError
from tests.support.mongodb import free_port, running_server, silent_host

SOURCE = MongoDBSource(kind="mongodb", database="RehabDatos", collection="plants", snapshot="2026-11-23")


def read_all(uri: str, params, pause=lambda _seconds: None) -> list:
    collection = open_collection(SOURCE, uri)
    with collection.database.client:
        return list(read_collection(collection, SOURCE, params.documents, uri, pause=pause))


@pytest.mark.parametrize("name", ["Rehab Datos", "Rehab.Datos", "", "$x"])
def test_a_name_that_no_database_can_have_is_one_line(name):
    source = SOURCE.model_copy(update={"database": name})
    with pytest.raises(UserError, match=r"params\.yaml: source: no name of a database"):
        open_collection(source, "mongodb://127.0.0.1:1/")


@pytest.mark.parametrize(
    "uri",
    [
        "127.0.0.1:27017",
        "mongodb://",
        "mongodb://ann:sec/ret@127.0.0.1:1/",
        "mongodb://ann:sec@ret@127.0.0.1:1/",
        "mongodb://ann:secret@127.0.0.1:port/",
        "mongodb://ann:secret%40db.example/RehabDatos",
        "mongodb://ann:secret@127.0.0.1:1/?tlz=true",
        "mongodb://ann:secret@127.0.0.1:1/?tls=maybe",
        "mongodb://ann:secret@127.0.0.1:1/?authMechanism=secret",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(uri):
    with pytest.raises(UserError, match="MONGODB_URI is not valid") as error:
        open_collection(SOURCE, uri)
    assert "sec" not in str(error.value).replace("user and password percent-encoded", "")
    assert "ret" not in str(error.value)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=6, max_size=20))
def test_no_password_comes_back_in_a_message(password):
    uri = f"mongodb://ann:{password}@127.0.0.1:1/"
    # Longer pieces than may stand by chance in a sentence:
    try:
        open_collection(SOURCE, uri)
    except UserError as error:
        advice = "it looks like mongodb://USER:PASSWORD@HOST:PORT/?OPTIONS, user and password percent-encoded"
        assert password not in str(error).replace(advice, "")


SIGNS = st.text(st.sampled_from("QXZJKWVY/:@#?%&=,;[]+ $"), min_size=3, max_size=16)


@pytest.mark.slow
@given(SIGNS, SIGNS)
@settings(max_examples=20)  # of eight addresses each
def test_no_piece_of_a_secret_comes_out_wherever_it_fails(params, password, option):
    addresses = [
        f"mongodb://ann:{password}@127.0.0.1:1/",
        f"mongodb://ann:{password}@127.0.0.1:1/?directConnection=true",
        f"mongodb://{password}@127.0.0.1:1",
        f"mongodb://ann:{password}@",
        f"ann:{password}@127.0.0.1:1",
        f"mongodb://ann:{quote_plus(password)}@127.0.0.1:1/?directConnection=true",
        f"mongodb://127.0.0.1:1/?proxyHost=127.0.0.1&proxyUsername=ann&proxyPassword={quote_plus(option)}",
        f"mongodb://127.0.0.1:1/?tls=true&tlsCertificateKeyFilePassword={option}",
    ]
    for uri in addresses:
        with redirect_stdout(StringIO()) as out, pytest.raises(UserError) as error:
            read_all(f"{uri}{'&' if '?' in uri else '?'}serverSelectionTimeoutMS=1", params)
        said = f"{out.getvalue()}\n{error.value}".replace(connection.ADVICE, "").replace(connection.TORN, "")
        for secret in (password, option, quote_plus(password), quote_plus(option)):
            pieces = {secret[at : at + 3] for at in range(len(secret) - 2)}
            assert [piece for piece in pieces if set(piece) & set("QXZJKWVY") and piece in said] == []


@pytest.mark.parametrize(
    ("uri", "valid"),
    [
        ("mongodb://ann:12/34@127.0.0.1:1/", False),  # or else 12 would be a port, and told
        ("mongodb://ann:12?34@127.0.0.1:1/", False),
        ("mongodb://ann:x@yz/w@127.0.0.1:1/", False),
        ("mongodb://ann:12%2F34@127.0.0.1:1/", True),
        ("mongodb://127.0.0.1:1/?appName=ann%40home", True),
        ("mongodb://ann:1#2@127.0.0.1:1/", True),
    ],
)
def test_a_password_that_is_not_encoded_is_taken_for_no_host(uri, valid):
    if valid:
        assert open_collection(SOURCE, uri).database.client.topology_description.server_descriptions().keys() == {
            ("127.0.0.1", 1)
        }
        return
    with pytest.raises(UserError, match="MONGODB_URI is not valid: it looks like"):
        open_collection(SOURCE, uri)


def first_contact(port: int, params, options: str = "") -> list[float]:
    """Read from where nobody answers; give the waits before another try."""
    uri = f"mongodb://127.0.0.1:{port}/?{options}"
    waits: list[float] = []
    with pytest.raises(UserError, match=rf"MongoDB at 127.0.0.1:{port} does not answer .*: is it running\?"):
        read_all(uri, params, waits.append)
    return waits


def test_where_nobody_answers_is_said_soon_and_once(params, monkeypatch):
    assert connection.FIRST_CONTACT_S <= 4  # pymongo waits for 30 s
    monkeypatch.setattr(connection, "FIRST_CONTACT_S", 0.2)
    assert first_contact(free_port(), params) == []
    with silent_host(accepts=True) as port:
        assert first_contact(port, params) == []
    with silent_host(accepts=False) as port:
        assert first_contact(port, params) == []


def test_how_long_to_wait_for_the_first_answer_is_for_the_address_to_say(params, monkeypatch):
    monkeypatch.setattr(connection, "FIRST_CONTACT_S", 1e9)
    assert first_contact(free_port(), params, "serverSelectionTimeoutMS=50") == []


@pytest.mark.slow
def test_tls_as_pymongo_takes_it(tmp_path, certificate, params):
    words = ("--tls-cert-file", str(certificate), "--tls-key-file", str(certificate))
    with running_server(tmp_path / "data", *words) as server:
        trusted = f"tls=true&tlsCAFile={certificate}&serverSelectionTimeoutMS=30000"
        with server.client(tls=True, tlsCAFile=str(certificate)) as client:
            client.RehabDatos.plants.insert_many([{"_id": number} for number in range(5)])
        assert len(read_all(server.uri(options=trusted), params)) == 5
        with pytest.raises(UserError, match="does not answer"):
            read_all(server.uri(options="tls=true&serverSelectionTimeoutMS=300"), params)
    with pytest.raises(UserError, match=r"MONGODB_URI names a file that cannot be read|MONGODB_URI is not valid"):
        open_collection(SOURCE, f"mongodb://127.0.0.1:{free_port()}/?tls=true&tlsCAFile=/nowhere/ca.pem")
