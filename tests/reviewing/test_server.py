"""The server answers this page alone, refuses all else in a line, and loses nothing where a disk or a photo fails."""

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.images.shards import shard_name, shard_of
from stages.verdicts.reading import read_verdicts
from stages.web.local_server import ADDRESS
from tests.support.review_data import VERDICTS_IN, Served, serving, write_data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "repo"
    folder.mkdir()
    write_data(folder)
    return folder


@pytest.fixture
def repo(made, tmp_path):
    shutil.copytree(made, tmp_path / "repo")
    return tmp_path / "repo"


@pytest.fixture(scope="module")
def page(made):
    """A page that is only asked what it refuses."""
    with serving(made) as (served, _):
        yield served


def verdict(page: Served) -> dict:
    said = {"verdict": "confirm", "species": None, "reason": None, "alone": False, "note": ""}
    return {"turn": page.now()["turn"]} | said


def no_verdict_in(folder: Path) -> bool:
    return not read_verdicts(folder / VERDICTS_IN).height


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another server of this machine
        ({"Origin": "https://{netloc}"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://{netloc}", "Host": "evil.example"}, 421),  # a name that was pointed here
        ({"Origin": "http://evil.example", "Host": "evil.example"}, 421),
        ({"Origin": "http://127.0.0.1.evil.example", "Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost@evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Content-Type": "text/plain"}, 415),  # what a form of another page can send
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_verdict_from_elsewhere_is_refused(page, made, headers, status):
    netloc = urlsplit(page.url).netloc
    headers = {name: value.format(netloc=netloc) for name, value in headers.items()}
    found, answer = page.ask("verdict", verdict(page), headers=headers)
    assert found == status
    assert answer["error"] and "\n" not in answer["error"]
    assert no_verdict_in(made)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "[::2]", "1"])
@pytest.mark.parametrize("place", ["", "now", "species", "crop/x"])
def test_another_name_of_this_machine_gets_nothing(page, host, place):
    port = str(urlsplit(page.url).port)
    assert page.ask(place, headers={"Host": host.format(port=port)})[0] == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8765", "127.0.0.1:1", "[::1]:9"])
def test_a_tunnel_may_have_another_port(page, host):
    assert page.ask("now", headers={"Host": host})[0] == 200
    assert page.ask("now", headers={"Host": host, "Origin": f"http://{host}"})[0] == 200


def test_without_the_token_there_is_nothing(page, made):
    path = urlsplit(page.url).path
    paths = [
        "/",
        "/now",
        "//",
        path[:-2] + "/",
        path.swapcase(),
        path[:-1] + "x/now",
        "/x" + path,
        f"/%2e%2e{path}",
        "",
    ]
    for wrong in paths:
        for method in ("GET", "POST"):
            status, answer = page.ask("", {}, method=method, path=wrong)
            assert status == 403, wrong
            assert path.strip("/") not in json.dumps(answer)
    assert no_verdict_in(made)


@pytest.mark.parametrize(
    "place",
    [
        "crop/../../../../etc/passwd", "crop/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "original/..%2f..%2f..%2fparams.yaml",
        "original//etc/passwd", "crop/%00", "crop/" + "0" * 32 + ".jpg", "crop/", "page.html", "../now", "now/", "%",
        "verdict", "verdicts/ann.csv",
    ],
)  # fmt: skip
def test_what_is_no_picture_of_the_splits_is_not_there(page, place):
    status, answer = page.ask(place)
    assert status == 404
    assert answer["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"turn":true}', b'{"turn":"0"}', b"\xff", b"[" * 9_000])
def test_what_is_no_json_is_refused(page, body):
    status, answer = page.ask("verdict", {}, body=body)
    assert (status, bool(answer["error"])) == (400, True)


def test_what_is_too_long_or_does_not_say_how_long_it_is_is_refused(page, made):
    assert page.ask("verdict", {}, body=b" " * 16_385)[0] == 413
    path, netloc = urlsplit(page.url).path, urlsplit(page.url).netloc
    head = f"POST {path}verdict HTTP/1.1\r\nHost: {netloc}\r\nOrigin: http://{netloc}\r\n"
    head += "Content-Type: application/json\r\n"
    for line, status in (
        ("", b" 411 "), ("Content-Length: -1\r\n", b" 411 "), ("Content-Length: 1e3\r\n", b" 411 "),
        ("Content-Length: 99999999999\r\n", b" 411 "), ("Content-Length: 999999999\r\n", b" 413 "),
        ("Transfer-Encoding: chunked\r\n", b" 411 "), ("Content-Length: 50\r\n", b" 400 "),
        ("Host: evil.example\r\nContent-Length: 2\r\n", b" 421 "), ("X: " + "y" * 70_000 + "\r\n", b" 431 "),
        ("X: y\r\n" * 200, b" 431 "),
    ):  # fmt: skip
        answer = page.raw(f"{head}{line}\r\n".encode() + b"{}")
        assert status in answer.partition(b"\r\n")[0], (line[:40], answer[:200])
        assert b"Connection: close" in answer
    long = f"GET {path}{'x' * 70_000} HTTP/1.1\r\nHost: {netloc}\r\n\r\n"
    assert b" 414 " in page.raw(long.encode()).partition(b"\r\n")[0]
    for method in ("PUT", "DELETE", "OPTIONS", "<b>", "HEAD"):
        assert (
            b" 501 " in page.raw(f"{method} {path} HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode()).partition(b"\r\n")[0]
        )
    assert no_verdict_in(made)


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(page, request_bytes):
    page.raw(request_bytes)
    assert page.ask("now")[0] == 200


def test_what_it_sends_is_locked_up(page):
    parts = urlsplit(page.url)
    answer = page.raw(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    for line in ("nosniff", "no-referrer", "same-origin", "default-src 'none'", "frame-ancestors 'none'", "no-store"):
        assert line.encode() in head
    assert b"unsafe-inline" not in head
    assert b"Python" not in head
    # One file, which asks nobody for anything.
    assert b"http://" not in body.replace(b"http://www.w3.org", b"")
    assert b"https://" not in body
    assert b"innerHTML" not in body


def test_it_listens_on_this_machine_alone(page):
    port = urlsplit(page.url).port
    assert ADDRESS == "127.0.0.1"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} " in line]
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


def test_an_answer_to_an_old_page_is_not_taken_for_the_question_of_now(repo):
    with serving(repo) as (page, _):
        old = verdict(page)
        assert page.ask("verdict", old)[0] == 200
        before = (repo / VERDICTS_IN / "ann.csv").read_bytes()
        for place in ("verdict", "undo"):
            status, answer = page.ask(place, old if place == "verdict" else {"turn": old["turn"]})
            assert status == 409
            assert "nothing was saved twice" in answer["error"]
        assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == before


def test_undo_without_anything_to_undo_is_said(repo):
    with serving(repo) as (page, _):
        assert "nothing to undo" in page.undo()[1]["error"]
        page.judge("confirm")
        assert page.undo()[0] == 200
        assert not (repo / VERDICTS_IN / "ann.csv").exists()
        assert page.undo()[0] == 409


def test_where_the_file_cannot_be_written_the_question_stays_and_nothing_is_lost(repo):
    folder = repo / VERDICTS_IN
    with serving(repo) as (page, _):
        page.judge("confirm")
        before, kept = page.now(), (folder / "ann.csv").read_bytes()
        # For root as well, whom no rights keep from writing.
        aside = folder.with_name("aside")
        folder.rename(aside)
        (folder.parent / "verdicts").write_bytes(b"")
        status, answer = page.judge("skip")
        assert status in (409, 507)
        assert "verdicts" in answer["error"]
        folder.unlink()
        aside.rename(folder)
        after = page.now()
        assert after["question"] == before["question"]
        assert (folder / "ann.csv").read_bytes() == kept
        assert page.judge("skip")[0] == 200


def test_a_change_by_another_program_is_taken_and_the_key_is_asked_for_again(repo):
    with serving(repo) as (page, _):
        page.judge("confirm")
        path = repo / VERDICTS_IN / "ann.csv"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        status, answer = page.judge("confirm")
        assert status == 409
        assert "was changed by another program" in answer["error"]
        assert page.judge("confirm")[0] == 200
        path.write_text("<<<<<<< a merge\n")
        status, answer = page.judge("confirm")
        assert status == 409
        assert "a merge was left undone" in answer["error"]
        assert path.read_text() == "<<<<<<< a merge\n"


def test_a_photo_that_is_gone_damaged_or_another_one_is_said_in_a_line(repo):
    with serving(repo) as (page, review):
        images = review._catalog.images["image_name"].to_list()
        assert page.ask(f"crop/{images[0]}")[1][:2] == b"\xff\xd8"
        shown = cv2.imdecode(np.frombuffer(page.ask(f"original/{images[0]}")[1], np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape == (120, 160, 3)
        cache = repo / "data/sources/sample/images"
        (cache / images[0]).unlink()
        (cache / images[1]).write_bytes(b"another")
        for name, said in ((images[0], "is missing"), (images[1], "its bytes changed")):
            status, answer = page.ask(f"original/{name}")
            assert (status, said in answer["error"]) == (410, True)
    packed = repo / "data/packed"
    cut, flipped = (next(name for name in images if shard_of(name, 4) == number) for number in (1, 2))
    (packed / shard_name(1)).write_bytes(b"cut")
    content = bytearray((packed / shard_name(2)).read_bytes())
    with serving(repo) as (page, review):
        jpeg = review._pictures.crop(flipped, review._catalog.of(flipped)["sha256"])
    content[content.index(jpeg) + 200] ^= 1
    (packed / shard_name(2)).write_bytes(content)
    with serving(repo) as (page, _):
        for name, said in ((cut, "is missing or cut"), (flipped, "is damaged at")):
            status, answer = page.ask(f"crop/{name}")
            assert (status, said in answer["error"], "dvc checkout" in answer["error"]) == (410, True, True)
        # And what is asked goes on.
        for _ in range(20):
            assert page.judge("confirm")[0] == 200
