"""A photo whose address a person typed: what comes, and each trouble in a line, in bounded bytes and time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.download.typed_url import MOST_BYTES, UrlError, fetch_typed, is_url, shown_url
from tests.support.image_server import (
    Handler,
    announced,
    broken_off,
    image,
    image_server,
    page,
    redirect,
    reset,
    status,
    until_closed,
)
from tests.support.pictures import jpeg, picture

PHOTO = jpeg(picture())


@pytest.fixture(scope="module")
def server():
    with image_server() as running:
        yield running


def trouble(url: str, **bounds: float) -> str:
    with pytest.raises(UrlError) as caught:
        fetch_typed(url, **bounds)  # type: ignore[arg-type]
    said = str(caught.value)
    assert "\n" not in said
    return said


def drip_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    drip(handler)


def drip_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drop: ")
    drip(handler)


def drip(handler: Handler) -> None:
    while not handler.server.closing.wait(0.02):
        handler.wfile.write(b"a")
        handler.wfile.flush()


def endless(code: int, **headers: str):
    """A body that only ends where the client goes; notes how much was taken."""

    def reply(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True
        for _ in range(400):
            handler.wfile.write(bytes(1_000_000))
            sent[handler.path] = sent.get(handler.path, 0) + 1_000_000

    sent: dict[str, int] = {}
    reply.sent = sent  # type: ignore[attr-defined]
    return reply


def test_a_photo_comes_as_it_is(server):
    assert fetch_typed(server.script("/photo.jpg", image(PHOTO))) == PHOTO
    assert fetch_typed(server.script("/old.jpg", until_closed(PHOTO))) == PHOTO


def test_a_photo_behind_redirects_comes(server):
    server.script("/last.jpg", image(PHOTO))
    server.script("/second", redirect("last.jpg"))
    assert fetch_typed(server.script("/first", redirect(server.url("/second"), 301))) == PHOTO


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (status(404), "the host answered 404 Not Found"),
        (status(503), "the host answered 503 Service Unavailable"),
        (status(204), "the host answered 204 No Content"),
        (page(b" \n<!DOCTYPE html><p>a photo</p>"), "it is a page (HTML), no photo: take the address of the picture"),
        (page(b"\xef\xbb\xbf<HTML>"), "it is a page (HTML)"),
        (image(b""), "the host sent nothing"),
        (broken_off(200), "the answer ended early"),
        (reset(), "the host cannot be reached (Remote end closed connection without response)"),
        (announced(b"", MOST_BYTES + 1), "it is larger than 40.0 MB: save it, shrink it, and name the file"),
        (redirect("/odd"), "the host sends on and on, more than 5 times"),
        (redirect("file:///etc/passwd"), "only http and https are asked (found file)"),
        (redirect("http://[1"), "it is no address that can be asked"),
    ],
)
def test_each_trouble_is_said(server, reply, said):
    assert trouble(server.script("/odd", reply)).startswith(said)


def test_an_endless_body_is_left_alone(server):
    reply = endless(200)
    assert "larger than 1.0 MB" in trouble(server.script("/endless", reply), most_bytes=1_000_000)


def test_the_body_of_a_redirect_is_not_read(server):
    server.script("/there.jpg", image(PHOTO))
    reply = endless(302, Location="/there.jpg")
    assert fetch_typed(server.script("/away", reply)) == PHOTO
    assert reply.sent.get("/away", 0) < 50_000_000


@pytest.mark.parametrize("reply", [drip_body, drip_head])
def test_a_host_that_drips_is_waited_for_so_long_and_no_longer(server, reply):
    start = time.perf_counter()
    said = trouble(server.script("/drip", reply), longest_s=0.3)
    assert said == "the host did not send all of it within 0.3 s"
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/rose.jpg", "only http and https are asked (found ftp); a file is named by its path"),
        ("http://", "it names no host"),
        ("http://127.0.0.1:1/rose.jpg", "the host cannot be reached (Connection refused)"),
        ("http://127.0.0.1:99999/", "it is no address that can be asked"),
        ("http://a b/", "it is no address that can be asked"),
        ("http://[::1", "it is no address that can be asked"),
        ("http://\ud800/", "it is no address that can be asked"),
    ],
)
def test_an_address_that_cannot_be_asked(url, said):
    assert trouble(url) == said


def test_a_host_without_a_certificate_is_said(server):
    assert trouble(f"https://{server.host}/photo.jpg").startswith("no safe connection can be made (")


def test_no_secret_is_said():
    said = trouble("http://ana:secret@127.0.0.1:1/?key=topsecret")
    assert "secret" not in said


def test_a_password_goes_to_its_host_and_to_no_other(server):
    seen: dict[str, str | None] = {}

    def noted(handler: Handler) -> None:
        seen[handler.path] = handler.headers.get("Authorization")
        other = redirect(f"http://localhost:{server.server_address[1]}/other")
        (other if handler.path == "/own" else image(PHOTO))(handler)

    server.script("/own", noted)
    server.script("/other", noted)
    assert fetch_typed(server.url("/own").replace("http://", "http://ana:secret@")) == PHOTO
    assert seen["/own"]
    assert seen["/other"] is None


@given(st.text(max_size=30))
def test_whatever_stands_behind_the_scheme_is_a_line_or_a_photo(text):
    """No host of that name exists, and none is asked: the port is of nobody."""
    with pytest.raises(UrlError):
        fetch_typed(f"http://127.0.0.1:1/{text}")


def test_what_is_an_address():
    assert all(map(is_url, ("http://a", "HTTPS://a", "ftp://a", "file:///a")))
    assert not any(map(is_url, ("a.jpg", "/a/b", "www.example.org/a.jpg", "C:\\a", "://a", "a b://c", "")))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://example.org/a b.jpg", "http://example.org/a b.jpg"),
        ("http://example.org:80/@ana/rose.jpg", "http://example.org:80/@ana/rose.jpg"),
        ("http://[::1]/@ana/rose.jpg", "http://[::1]/@ana/rose.jpg"),
        ("http://[::1]:80/rose.jpg#x", "http://[::1]:80/rose.jpg#x"),
        ("http://ana:secret@example.org/rose.jpg", "http://***@example.org/rose.jpg"),
        ("http://ana:my secret@example.org/", "http://***@example.org/"),
        ("http://ana:secret@more@[::1]:80/", "http://***@[::1]:80/"),
        ("http://ana:secret/more@example.org/", "http://***@example.org/"),
        ("http://ana:secret#more@example.org/", "http://***@example.org/"),
        ("http://ana:secret?more@example.org/a?b", "http://***@example.org/a?***"),
        ("http://example.org/?key=secret,secret;secret secret", "http://example.org/?***"),
        ("http://", "http://"),
        ("http://@", "http://***@"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert shown_url(url) == shown


@given(st.text("ab1. ", max_size=4), st.text("ab1:@/?#[] .", max_size=8))
def test_a_password_is_never_shown(user, more):
    shown = shown_url(f"http://u{user}:secret{more}@example.org/rose.jpg")
    assert shown.startswith("http://***@")
    assert "secret" not in shown
