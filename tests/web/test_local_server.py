"""What any page of this machine is refused, and that it hears the line that says why."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from threading import enumerate as running_threads
from time import monotonic
from urllib.parse import urlsplit

import pytest

from stages.runtime.errors import UserError
from stages.web import local_server
from stages.web.local_server import HTML, JSON, LocalHandler, LocalServer, encoded
from tests.support.local_page import LocalPage

MOST = 1_000_000
PAGE = b"<!DOCTYPE html><title>page</title><style>a{}</style><script>1</script>"


class Handler(LocalHandler):
    """Gives back how much it was sent."""

    def get(self, place: str) -> tuple[str, bytes]:
        if place == "fault":
            raise ZeroDivisionError
        return HTML, self.server.page

    def post(self, place: str) -> tuple[str, bytes]:
        if place == "unread":
            return JSON, encoded(0)
        if place == "wrong":
            raise UserError("/a/b is wrong:\nmend it at https://ann:pass@host.example/?key=1")
        return JSON, encoded(len(self.body("application/octet-stream", most=MOST, what="a file")))


@contextmanager
def serving() -> Iterator[LocalPage]:
    server = LocalServer(PAGE, Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield LocalPage(server.url)
    finally:
        server.shutdown()
        thread.join()
        server.end()


@pytest.fixture(scope="module")
def page():
    with serving() as served:
        yield served


def send(page: LocalPage, body: bytes, place: str = "", **headers: str):
    return page.ask(place, {}, body=body, headers={"Content-Type": "application/octet-stream"} | headers)


def head(page: LocalPage, *lines: str) -> bytes:
    parts = urlsplit(page.url)
    origin = f"Origin: http://{parts.netloc}"
    request = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", origin, *lines]
    return "\r\n".join([*request, "Content-Type: application/octet-stream", "", ""]).encode()


@pytest.mark.parametrize("size", [0, 1, 262_144, MOST])
def test_what_fits_is_read_whole(page, size):
    assert send(page, bytes(size)) == (200, size)


@pytest.mark.parametrize("size", [MOST + 1, 60_000_000])
def test_what_is_too_long_is_told_so_in_a_line_by_a_connection_that_does_not_break(page, size):
    """Of a server that closes without hearing it out, the client sees a reset and no line, as 60 MB fit no buffer."""
    status, answer = send(page, bytes(size))
    assert status == 413
    assert answer == {"error": "a file has at most 1,000,000 bytes", "trouble": "too_large"}


def test_whoever_is_refused_for_something_else_hears_it_too(page):
    for headers, status in (
        ({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 421), ({"Content-Type": "text/plain"}, 415)
    ):  # fmt: skip
        assert send(page, bytes(30_000_000), **headers)[0] == status


def test_what_nobody_read_is_not_taken_for_the_next_request(page):
    parts = urlsplit(page.url)
    smuggled = f"GET {parts.path}fault HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    request = head(page, f"Content-Length: {len(smuggled)}").replace(b" HTTP", b"unread HTTP", 1) + smuggled
    answer = page.raw(request)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answer


def test_who_drips_or_stops_is_left_after_a_while_and_nobody_waits_for_them(monkeypatch):
    monkeypatch.setattr(local_server, "PATIENCE_S", 0.3)
    monkeypatch.setattr(Handler, "timeout", 0.3)
    with serving() as page, page.connect() as stopped, page.connect() as dripping:
        for connection in (stopped, dripping):
            connection.sendall(head(page, f"Content-Length: {MOST}"))
        assert send(page, b"abc") == (200, 3)
        # One byte whenever the server is seen to be alive: each alone is in time, all of them are not.
        end = monotonic() + 10
        with pytest.raises(OSError):
            while monotonic() < end:
                dripping.sendall(b".")
                assert send(page, b"") == (200, 0)
        assert stopped.recv(1) == b""


def test_what_is_cut_is_said(page):
    answer = page.raw(head(page, "Content-Length: 50") + b"0123456789")
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "a file came cut: send it again", "trouble": "cut"}


def test_errors_are_a_line_without_secrets_and_a_fault_is_shown_in_the_terminal_alone(page, capfd):
    status, answer = send(page, b"", "wrong")
    assert (status, answer["error"]) == (409, "/a/b is wrong: mend it at https://***@host.example/?***")
    assert "Traceback" not in capfd.readouterr().err
    status, answer = page.ask("fault")
    assert (status, answer["trouble"]) == (500, "failed")
    assert "ZeroDivisionError" not in answer["error"]
    for thread in running_threads():  # the answer comes first, and what is read while it is written may be lost
        if "process_request_thread" in thread.name:
            thread.join(timeout=30)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_port_that_is_taken_or_none_is_a_line(page):
    taken = urlsplit(page.url).port
    for port in (taken, 70_000, -1):
        with pytest.raises(UserError, match=rf"port {port} of 127\.0\.0\.1 cannot be listened on .*--port N"):
            LocalServer(PAGE, Handler, port=port or 0)
