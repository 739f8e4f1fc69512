"""Only a whole, sound image gets in, in time, and each under its own name."""

import struct
import zlib

import pytest

from stages.records.shapes import image_name
from tests.support.bench import PHOTO, START_S, TRIES, black
from tests.support.image_server import (
    announced,
    broken_off,
    dripping,
    endless,
    image,
    page,
    reset,
    status,
    until_closed,
)
from tests.support.memory import peak_memory_kb
from tests.support.pictures import encoded, jpeg, picture


def bomb() -> bytes:
    """A JPEG whose header says 30,000 x 30,000 px."""
    marker = PHOTO.index(b"\xff\xc0")
    size = (30_000).to_bytes(2, "big")
    return PHOTO[: marker + 5] + size + size + PHOTO[marker + 9 :]


REFUSED = {
    "http_404": (1, status(404)),
    "http_403": (1, status(403)),
    "http_410": (1, status(410)),
    "http_451": (1, status(451)),
    "http_204": (1, status(204)),
    "blank": (1, image(black())),
    "too_small": (1, image(jpeg(picture(40, 40)))),
    "too_large": (1, image(bomb())),
    "http_418": (1, broken_off(418)),
    "redirect_to_nowhere": (1, status(302)),
    "not_an_image": (TRIES, page(b"<html><body>Too many requests</body></html>")),
    "empty": (TRIES, image(b"")),
    "truncated": (TRIES, image(PHOTO[: len(PHOTO) // 2])),
    "cut_off": (TRIES, announced(PHOTO[: len(PHOTO) // 2], len(PHOTO))),
    "http_500": (TRIES, status(500)),
    "connection": (TRIES, reset()),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_sound_image_is_refused_with_its_reason(bench, reason):
    asked, reply = REFUSED[reason]
    url = bench.server.script("/a.jpg", reply)
    display = bench.fetch(url)
    assert bench.reasons() == {image_name(url): reason}
    assert bench.server.asked["/a.jpg"] == asked
    assert bench.stored() == {}
    assert display.reasons["refused"] == {reason: 1}
    bench.fetch(url)
    assert bench.server.asked["/a.jpg"] == asked
    assert not list(bench.directory.glob("*.tmp"))


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (page(b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>', "application/xml"), "not_an_image"),
        (page(b"<html>", "image/jpeg"), "not_an_image"),
        (announced(PHOTO, len(PHOTO) - 200), "truncated"),
        (announced(PHOTO, len(PHOTO) + 200), "cut_off"),
        (until_closed(PHOTO[:-300]), "truncated"),
        (image(encoded(picture(), "PNG")[:-500]), "truncated"),
        (image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n"), "not_an_image"),
    ],
)
def test_a_lie_about_type_or_length_gets_nothing_into_the_cache(bench, reply, reason):
    url = bench.server.script("/a.jpg", reply)
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): reason}
    assert bench.stored() == {}


@pytest.mark.parametrize("content", [PHOTO, encoded(picture(), "PNG"), encoded(picture(), "WEBP")])
@pytest.mark.parametrize("reply", [image, until_closed])
def test_a_sound_image_of_any_kind_is_kept_as_it_came(bench, content, reply):
    url = bench.server.script("/a.jpg", reply(content))
    bench.fetch(url)
    assert list(bench.stored().values()) == [content]


def test_a_body_is_cut_off_at_the_limit(bench):
    bench.content["download"]["max_image_mb"] = 0.2
    endless_url = bench.server.script("/endless.jpg", endless(PHOTO))
    announced_url = bench.server.script("/large.jpg", announced(PHOTO, 300_000_000))
    display = bench.fetch(endless_url, announced_url)
    assert set(bench.reasons().values()) == {"too_long"}
    assert display.counts["refused"] == 2
    assert bench.server.asked.total() == 2


@pytest.mark.parametrize(
    ("reply", "size"),
    [
        (announced(PHOTO, len(PHOTO) + 200), len(PHOTO)),
        (page(b"x" * 9000), 9000),
        (status(404), 3),
        (image(black()), len(black())),
    ],
)
def test_bytes_that_were_no_use_count_too(bench, reply, size):
    bench.content["download"]["tries"] = 1
    bench.fetch(bench.server.script("/a.jpg", reply))
    with bench.ledger() as ledger:
        assert ledger.traffic(START_S)[bench.server.host] == [(START_S // 60, size)]


@pytest.mark.parametrize(
    "where",
    [{"from_byte": 0}, {"from_byte": 3000}, {"in_header": True}, {"last": True}, {"from_byte": 3000, "last": True}],
)
def test_an_answer_that_drips_ends_at_the_time_limit(bench, where):
    bench.content["download"] |= {"timeout_s": 0.3, "tries": 1}
    slow = bench.server.script("/slow.jpg", dripping(PHOTO, **where))
    bench.fetch(slow)
    assert bench.reasons() == {image_name(slow): "timeout"}


def test_a_png_of_30000_x_30000_is_refused_by_its_header(bench):
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(50_000_000), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    before = peak_memory_kb(anew=True)
    bench.fetch(bench.server.script("/a.png", image(png)))
    assert set(bench.reasons().values()) == {"too_large"}
    assert peak_memory_kb() - before < 200_000  # decoded it would be 2.7 GB


@pytest.mark.parametrize(("code", "stored"), [(100, 7), (102, 7), (103, 7), (101, 1), (204, 1), (304, 1)])
def test_each_image_gets_its_own_bytes_whatever_comes_before_them(bench, code, stored):
    """Announcements are passed over; what hosts send after an answer without a body is of no other image."""
    bench.host.update({"concurrent": 1})
    bench.content["download"]["tries"] = 1

    def two_answers(content):
        def reply(handler):
            handler.wfile.write(b"HTTP/1.1 %d Early\r\nLink: <a>\r\n\r\n" % code)
            handler.wfile.flush()
            handler.server.closing.wait(0.05)
            handler.send(200, content)

        return reply

    photos = {bench.server.url(f"/{n}.jpg"): jpeg(picture(seed=n)) for n in range(6)}
    for number, content in enumerate(photos.values()):
        bench.server.script(f"/{number}.jpg", two_answers(content))
    photos[bench.server.script("/own.jpg", image(PHOTO))] = PHOTO
    bench.fetch(*photos)
    assert len(bench.stored()) == stored
    assert bench.stored().items() <= {image_name(url): content for url, content in photos.items()}.items()


def test_any_address_that_a_record_may_hold_can_be_asked_again(bench):
    """White space and backslashes in a path, of a host that wants a pause first."""
    paths = {"/a b.jpg": "/a%20b.jpg", "/c\\d.jpg": "/c%5Cd.jpg", "/e\tf.jpg": "/ef.jpg", "/\u00fc.jpg": "/%C3%BC.jpg"}
    bench.content["download"]["tries"] = 20
    for number, path in enumerate(paths.values()):
        bench.server.script(path, status(429), status(500), image(jpeg(picture(seed=number))))
    bench.fetch(*(bench.server.url(path) for path in paths))
    assert bench.reasons() == {}
    assert len(bench.stored()) == 4
