"""The download against a real HTTP server that does everything wrong, and against kill -9."""

import hashlib
import itertools
import os
import random
import resource
import signal
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from queue import Empty

import numpy as np
import polars as pl
import pytest
import yaml

from stages.cache.index import INDEX_NAME, ImageIndex
from stages.config.reading import validate
from stages.config.schema import HostLimits, Params
from stages.download.answer import retry_after_s
from stages.download.connection import connect_checked, is_public
from stages.download.display import state_of
from stages.download.ledger import LEDGER_NAME, Ledger
from stages.download.run import fetch
from stages.download.scheduler import Limits
from stages.download.wanted import host_of
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from stages.runtime.wording import duration_in_words
from stages.tables.cache_filter import AVAILABLE
from stages.tables.classes import SPLITS
from stages.tables.export import RECORDS
from stages.tables.split import SPLIT
from stages.tables.table import write_table
from tests.conftest import ROOT, available_rows, complaint, encoded, jpeg, picture
from tests.support.image_server import (
    ImageServer,
    announced,
    broken_off,
    dripping,
    endless,
    image,
    image_server,
    page,
    redirect,
    reset,
    status,
    until_closed,
)

START_S = 1_800_000_000.0
PHOTO = jpeg(picture())
TRIES = 4


@dataclass
class FastClock:
    """A clock that stands still while a request is under way, and jumps to when the next one may start."""

    time_s: float = START_S
    waited_s: list[float] = field(default_factory=list)

    def now_s(self) -> float:
        return self.time_s

    def wait(self, answers, seconds, *, busy):
        if busy:
            try:
                return answers.get(timeout=0.05)
            except Empty:
                return None
        self.time_s += max(seconds, 0.001)
        self.waited_s.append(seconds)
        return None


@dataclass
class Bench:
    """A cache, a server, and a download from the one into the other."""

    directory: Path
    server: ImageServer
    content: dict
    clock: FastClock = field(default_factory=FastClock)

    @property
    def host(self) -> dict:
        return self.content["download"]["hosts"][0]

    def params(self) -> Params:
        return validate(self.content)

    def fetch(self, *urls: str, records: pl.DataFrame | None = None, **options):
        records = records_of(*urls) if records is None else records
        return fetch(records, self.directory, self.params(), clock=self.clock, **options)

    def stored(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.directory.glob("*.jpg")}

    def ledger(self) -> Ledger:
        return Ledger(self.directory)

    def reasons(self) -> dict[str, str]:
        with self.ledger() as ledger:
            return dict(ledger.history().filter(pl.col("refused") == 1).select("image_name", "reason").iter_rows())


def allow(host: str, **limits) -> dict:
    unlimited = {"requests_per_s": None, "concurrent": 4, "gb_an_hour": None, "gb_a_day": None, "private": True}
    return {"host": host} | unlimited | limits


def records_of(*urls: str, **columns: list) -> pl.DataFrame:
    rows = [
        dict.fromkeys(RECORDS)
        | {"image_url": url, "image_name": image_name(url), "species": "A", "source": "s"}
        | {name: values[number] for name, values in columns.items()}
        for number, url in enumerate(urls)
    ]
    return pl.DataFrame(rows, schema=RECORDS)


@pytest.fixture
def server():
    with image_server() as server:
        yield server


@pytest.fixture
def bench(workspace, server, params_content) -> Bench:
    directory = workspace / "cache"
    directory.mkdir()
    params_content["download"] |= {"contact": "test@host.example", "hosts": [allow(server.host)], "timeout_s": 20.0}
    params_content["download"]["tries"] = TRIES
    return Bench(directory, server, params_content)


def numbered(server: ImageServer, number: int) -> dict[str, bytes]:
    """Photos on the server: their bytes by URL."""
    photos = {}
    for index in range(number):
        content = jpeg(picture(seed=index))
        photos[server.script(f"/photos/{index}.jpg", image(content))] = content
    return photos


def test_it_fills_the_cache_to_the_bit_and_asks_for_nothing_twice(bench):
    photos = numbered(bench.server, 30)
    assert bench.fetch(*photos).counts["stored"] == 30
    assert bench.stored() == {image_name(url): content for url, content in photos.items()}
    assert bench.fetch(*photos).counts["stored"] == 0
    assert set(bench.server.asked.values()) == {1}
    assert bench.server.agents == {"plant-teacher/0.1 (test@host.example)"}
    assert {path.name for path in bench.directory.iterdir()} - bench.stored().keys() <= {
        f"{name}{suffix}" for name in (INDEX_NAME, LEDGER_NAME) for suffix in ("", "-wal", "-shm")
    }


def bomb() -> bytes:
    """A JPEG whose header says 30,000 x 30,000 px."""
    marker = PHOTO.index(b"\xff\xc0")
    size = (30_000).to_bytes(2, "big")
    return PHOTO[: marker + 5] + size + size + PHOTO[marker + 9 :]


def black(number: int = 0) -> bytes:
    return jpeg(np.full((120, 160, 3), number, np.uint8))


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


def test_what_fails_for_a_while_comes_later(bench):
    url = bench.server.script("/a.jpg", status(500), reset(), page(b"<html>"), image(PHOTO))
    others = numbered(bench.server, 3)
    bench.fetch(url, *others)
    assert len(bench.stored()) == 4
    assert bench.server.asked["/a.jpg"] == 4


def test_tries_are_counted_over_runs(bench):
    url = bench.server.script("/a.jpg", status(500))
    bench.content["download"]["tries"] = 3
    with bench.ledger() as ledger:
        ledger.leave(image_name(url), "original", 2, "timeout")
    bench.fetch(url)
    assert bench.server.asked["/a.jpg"] == 1
    assert bench.reasons() == {image_name(url): "http_500"}


def test_refusals_are_asked_again_on_request(bench, capsys):
    urls = [bench.server.script("/a.jpg", status(404), image(PHOTO)), bench.server.script("/b.jpg", image(black()))]
    bench.fetch(*urls)
    bench.fetch(*urls)
    assert "2 were refused in earlier runs (blank 1, http_404 1)" in capsys.readouterr().out
    bench.fetch(*urls, again=["http_404"])
    assert set(bench.stored()) == {image_name(urls[0])}
    assert bench.server.asked["/b.jpg"] == 1
    with pytest.raises(UserError, match=r"nothing was refused for 'blanc'; refused so far \(blank 1\)"):
        bench.fetch(*urls, again=["blanc"])


def test_a_failure_is_given_time_to_pass(bench):
    moments = []
    bench.server.before_reply = lambda _handler: moments.append(bench.clock.now_s() - START_S)
    bench.fetch(bench.server.script("/a.jpg", status(502)))
    assert [round(moment) for moment in moments] == [0, 60, 180, 480]


def test_a_png_of_30000_x_30000_is_refused_by_its_header(bench):
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(50_000_000), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bench.fetch(bench.server.script("/a.png", image(png)))
    assert set(bench.reasons().values()) == {"too_large"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB; decoded it would be 2.7 GB


# Politeness


def test_a_429_is_one_even_if_its_body_breaks_off(bench):
    url = bench.server.script("/a.jpg", broken_off(429, Retry_After="5000"), image(PHOTO))
    bench.fetch(url)
    assert bench.clock.time_s >= START_S + 5000
    assert len(bench.stored()) == 1


def test_a_429_pauses_the_host_and_not_the_others(bench, capsys):
    with image_server("127.0.0.2") as other:
        bench.content["download"]["hosts"].append(allow(other.host))
        bench.host["concurrent"] = 1
        limited = [
            bench.server.script(f"/{n}.jpg", *([status(429)] * 3 if n == 0 else []), image(jpeg(picture(seed=n))))
            for n in range(5)
        ]
        free = [other.script(f"/f{n}.jpg", image(jpeg(picture(seed=100 + n)))) for n in range(5)]
        moments: dict[str, float] = {}
        for server in (bench.server, other):
            server.before_reply = lambda handler: moments.setdefault(handler.path, bench.clock.now_s())
        bench.fetch(*limited, *free)
    assert len(bench.stored()) == 10
    assert all(moments[f"/f{n}.jpg"] == START_S for n in range(5))
    said = capsys.readouterr().err
    first = next(line for line in said.splitlines() if "pauses" in line)
    assert first.startswith(f"fetch: {bench.server.host}: http_429, pauses 60 s, until ")
    assert f"{bench.server.host}: answers again" in said


def test_pauses_of_60_120_300_and_600_s_while_the_ban_lasts(bench):
    bench.content["download"]["tries"] = 10
    bench.host["concurrent"] = 1
    url = bench.server.script("/a.jpg", *[status(429)] * 6, image(PHOTO))
    moments = []
    bench.server.before_reply = lambda _handler: moments.append(bench.clock.now_s())
    bench.fetch(url)
    pauses = [round(later - earlier) for earlier, later in itertools.pairwise(moments)]
    assert pauses == [60, 120, 300, 600, 600, 600]
    assert len(bench.stored()) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_is_heeded_in_seconds_and_as_a_date(bench, code):
    date = formatdate(START_S + 4000, usegmt=True)
    bench.host["concurrent"] = 1
    url = bench.server.script("/a.jpg", status(code, Retry_After="1234"), status(code, Retry_After=date), image(PHOTO))
    moments = []
    bench.server.before_reply = lambda _handler: moments.append(bench.clock.now_s() - START_S)
    bench.fetch(url)
    assert [round(moment) for moment in moments] == [0, 1234, 4000]


def test_a_pause_outlives_the_run_and_ends_by_itself(bench):
    urls = [bench.server.script(f"/{n}.jpg", status(429, Retry_After="5000")) for n in range(3)]
    bench.host["concurrent"] = 1
    bench.fetch(*urls, hours=1)
    assert bench.server.asked.total() == 1
    assert bench.clock.time_s < START_S + 60  # to wait for what comes after the end is no use
    for number in range(3):
        bench.server.script(f"/{number}.jpg", image(jpeg(picture(seed=number))))
    bench.fetch(*urls)
    assert bench.clock.time_s >= START_S + 5000
    assert len(bench.stored()) == 3


def test_a_host_that_is_down_is_paused_and_costs_no_images_their_tries(bench):
    photos = numbered(bench.server, 40)
    down = {"until": START_S + 500}

    def down_for_a_while(handler):
        if bench.clock.now_s() < down["until"]:
            handler.connection.close()
            raise ConnectionResetError

    replies = {path: script[0] for path, script in bench.server.scripts.items()}

    def scripted(path):
        def reply(handler):
            down_for_a_while(handler)
            replies[path](handler)

        return reply

    for path in replies:
        bench.server.script(path, scripted(path))
    display = bench.fetch(*photos)
    assert display.counts["stored"] == 40
    assert bench.server.asked.total() < 40 + 30


def test_a_rate_and_a_number_at_once_are_kept(bench):
    bench.host.update({"requests_per_s": 0.5, "concurrent": 3})
    moments = []
    bench.server.before_reply = lambda _handler: moments.append(bench.clock.now_s())
    bench.fetch(*numbered(bench.server, 8))
    distances = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert min(distances) >= 2 - 1e-6


def test_no_more_requests_at_once_than_allowed(bench):
    bench.host["concurrent"] = 3
    lock, counts = threading.Lock(), {"now": 0, "most": 0}
    three = threading.Event()

    def enter(handler):
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
            if counts["now"] == 3:
                three.set()
        three.wait(5)
        with lock:
            counts["now"] -= 1

    bench.server.before_reply = enter
    bench.fetch(*numbered(bench.server, 20))
    assert counts["most"] == 3


def test_bytes_an_hour_and_a_day_are_kept_over_restarts(bench):
    bench.content["download"]["max_image_mb"] = 0.05
    bench.host.update({"gb_an_hour": 0.0001, "gb_a_day": 0.0003, "concurrent": 4})
    photos = numbered(bench.server, 60)
    came = []
    bench.server.before_reply = lambda handler: came.append(
        (bench.clock.now_s(), len(photos[bench.server.url(handler.path)]))
    )
    for _ in range(40):
        bench.fetch(*photos, images=5)
    assert len(bench.stored()) == 60
    for window_s, allowed in ((3600, 100_000), (86_400, 300_000)):
        for end_s, _ in came:
            assert sum(size for moment, size in came if end_s - window_s < moment <= end_s) <= allowed
    assert came[-1][0] - came[0][0] > 86_400


def test_a_killed_run_is_counted_as_if_all_had_come(bench):
    url = bench.server.script("/a.jpg", image(PHOTO))
    with bench.ledger() as ledger:
        ledger.ask(image_name(url), "original", bench.server.host)
        ledger.settle_interrupted(START_S, 40_000_000)
        assert ledger.traffic(START_S)[bench.server.host] == [(START_S // 60, 40_000_000)]
        assert ledger.history().select("interrupted", "refused").rows() == [(1, 0)]


def test_a_clock_that_was_ahead_blocks_nothing(bench):
    bench.content["download"]["max_image_mb"] = 0.05
    bench.host.update({"gb_a_day": 0.0001})
    with bench.ledger() as ledger:
        ledger.count_traffic(bench.server.host, START_S + 400 * 86_400, 80_000)
    bench.fetch(*numbered(bench.server, 2))
    assert len(bench.stored()) == 2
    assert bench.clock.time_s < START_S + 3 * 86_400


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


# Routes


def test_the_bucket_is_asked_in_the_wanted_size_and_the_record_once_after_it(bench, monkeypatch):
    from stages.download import wanted

    # The real bucket is not here: the same rules, with the test server in its place.
    monkeypatch.setattr("stages.records.inaturalist.OPEN_DATA_HOST", bench.server.host)
    monkeypatch.setattr("stages.download.wanted.add_routes", _over_http(wanted.add_routes))
    urls = [f"https://static.inaturalist.org/photos/{n}/original.jpg" for n in (1, 2)]
    bench.server.script("/photos/1/large.jpg", image(PHOTO))
    bench.server.script("/photos/2/large.jpg", status(403))
    with image_server("127.0.0.2") as static:
        static.script("/photos/2/original.jpg", image(jpeg(picture(seed=2))))
        bench.content["download"]["hosts"].append(allow(static.host))
        records = records_of(*(f"http://{static.host}/photos/{n}/original.jpg" for n in (1, 2)))
        records = records.with_columns(
            license=pl.lit("cc-by"),
            image_name=pl.Series([image_name(url) for url in urls]),
            photo_id=pl.Series(["1", "2"]),
        )
        bench.fetch(records=records)
        assert static.asked == {"/photos/2/original.jpg": 1}
    assert bench.server.asked == {"/photos/1/large.jpg": 1, "/photos/2/large.jpg": 1}
    assert bench.stored().keys() == {image_name(url) for url in urls}


def _over_http(add_routes):
    def routed(records, download):
        inaturalist = records.with_columns(
            image_url=pl.format("https://static.inaturalist.org{}", pl.col("image_url").str.extract(r"(/photos/.*)"))
        )
        table = add_routes(inaturalist, download)
        return table.with_columns(
            image_url=records["image_url"],
            original=records["image_url"],
            open_data=pl.col("open_data").str.replace("https://", "http://", literal=True),
        )

    return routed


def test_the_mirror_comes_first_and_the_source_after_it(bench):
    with image_server("127.0.0.2") as mirror:
        bench.content["download"] |= {"mirror": f"http://{mirror.host}/plants"}
        bench.content["download"]["hosts"].append(allow(mirror.host))
        photos = numbered(bench.server, 3)
        first = next(iter(photos))
        mirror.script(f"/plants/{image_name(first)}", image(photos[first]))
        bench.fetch(*photos)
        assert mirror.asked.total() == 3
    assert bench.server.asked.total() == 2
    assert len(bench.stored()) == 3


# No one is let in


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://evil.example/a.jpg", "redirect_not_allowed"),
        ("http://169.254.169.254/latest/meta-data/", "redirect_not_allowed"),
        ("file:///etc/passwd", "redirect_not_allowed"),
        ("ftp://127.0.0.1/a.jpg", "redirect_not_allowed"),
        ("//[broken", "redirect_to_nowhere"),
        ("/again.jpg", "too_many_redirects"),
    ],
)
def test_a_redirect_leads_nowhere_else(bench, location, reason):
    bench.server.script("/again.jpg", redirect("/again.jpg"))
    url = bench.server.script("/a.jpg", redirect(location))
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): reason}
    assert bench.server.asked.total() <= 7


def test_a_redirect_to_a_private_address_of_an_allowed_name_is_refused(bench):
    """The name is on the list, and resolves to this machine."""
    with image_server() as inside:
        inside.script("/secret.jpg", image(PHOTO))
        port = inside.server_address[1]
        bench.content["download"]["hosts"].append(allow(f"localhost:{port}", private=False))
        url = bench.server.script("/a.jpg", redirect(f"http://localhost:{port}/secret.jpg"))
        bench.fetch(url)
        assert bench.reasons() == {image_name(url): "private_address"}
        assert inside.asked.total() == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_rules_is_followed(bench, code):
    with image_server("127.0.0.2") as other:
        bench.content["download"]["hosts"].append(allow(other.host))
        other.script("/b.jpg", image(PHOTO))
        url = bench.server.script("/a.jpg", redirect(other.url("/b.jpg"), code))
        bench.fetch(url)
    assert bench.stored() == {image_name(url): PHOTO}


def test_only_hosts_of_the_list_are_asked(bench, capsys):
    with image_server("127.0.0.2") as other:
        url = other.script("/a.jpg", image(PHOTO))
        with pytest.raises(UserError, match=r"2 images are missing, and none is at a host of download\.hosts") as error:
            bench.fetch(url, "http://user:secret@127.0.0.1/a.jpg")
        assert host_of(url) in str(error.value)
        bench.fetch(url, bench.server.script("/b.jpg", image(PHOTO)))
        assert other.asked.total() == 0
    assert f"1 images are at hosts that are not in download.hosts ({host_of(url)} 1)" in capsys.readouterr().out


def test_a_location_may_hold_any_letter(bench):
    bench.server.script("/%C3%BC.jpg", image(PHOTO))
    url = bench.server.script("/a.jpg", redirect("/\u00fc.jpg".encode().decode("latin-1")))
    spaced = bench.server.script("/b.jpg", redirect("/a b.jpg"))
    bench.fetch(url, spaced)
    assert bench.stored().keys() == {image_name(url)}
    assert bench.reasons() == {image_name(spaced): "http_404"}


def test_under_tls_the_certificate_must_be_the_hosts(bench, certificate, monkeypatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    bench.content["download"]["tries"] = 1
    with image_server(tls=tls) as server:
        url = server.script("/a.jpg", image(PHOTO))
        bench.content["download"]["hosts"].append(allow(server.host))
        bench.fetch(url)
        assert bench.reasons() == {image_name(url): "bad_certificate"}
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        bench.fetch(url, again=[])
        assert bench.stored() == {image_name(url): PHOTO}
        other = f"localhost:{server.server_address[1]}"  # the certificate is of 127.0.0.1
        bench.content["download"]["hosts"].append(allow(other))
        bench.fetch(f"https://{other}/a.jpg")
        assert set(bench.reasons().values()) == {"bad_certificate"}
        assert server.asked == {"/a.jpg": 1}


def test_no_tls_where_tls_is_asked_for(bench):
    bench.content["download"]["tries"] = 1
    url = f"https://{bench.server.host}/a.jpg"
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): "connection"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b:1::7f00:1", False),
        ("::127.0.0.1", False),
        ("fec0::1", False),
        ("2002:0808:0808::", True),
    ],
)
def test_addresses_of_this_machine_and_network_are_not_public(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f000001", "127.1"])
def test_no_spelling_of_loopback_is_connected_to(host):
    with image_server() as server, pytest.raises(Exception, match=r"private_address|unknown_host"):
        connect_checked(host, server.server_address[1], private=False, timeout_s=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("-1", None),
        ("soon", None),
        (formatdate(START_S + 60).replace("-0000", ""), 60),
        ("1e9", None),
        ("", None),
        (None, None),
        ("9" * 40, 999999999),
        ("\u0661", None),
        (formatdate(START_S + 60, usegmt=True), 60),
        (formatdate(START_S - 60, usegmt=True), 0),
    ],
)
def test_reading_a_retry_after(value, expected):
    assert retry_after_s(value, START_S) == expected


def test_a_name_that_does_not_resolve_is_tried_later(bench):
    bench.content["download"]["hosts"] = [allow("nowhere.invalid")]
    bench.content["download"]["tries"] = 2
    bench.fetch("http://nowhere.invalid/a.jpg")
    assert set(bench.reasons().values()) == {"unknown_host"}


# Placeholders


def test_one_picture_for_several_photos_is_a_placeholder_and_is_withdrawn(bench, capsys):
    urls = [bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(5)]
    own = bench.server.script("/own.jpg", image(jpeg(picture(seed=9))))
    display = bench.fetch(*urls, own)
    assert bench.stored().keys() == {image_name(own)}
    assert set(bench.reasons().values()) == {"placeholder"}
    assert len(bench.reasons()) == 3  # the first two were sound when they came; the next run knows better
    assert display.counts["withdrawn"] == 2
    assert "2 withdrawn (placeholder)" in capsys.readouterr().out
    more = bench.server.script("/more.jpg", image(PHOTO))
    bench.fetch(*urls, more)  # known by now, also where it was stored for a while
    assert set(bench.reasons().values()) == {"placeholder"}
    assert bench.reasons().keys() == {image_name(url) for url in (*urls, more)}
    bench.fetch(*urls, more)
    assert max(bench.server.asked.values()) <= 2
    bench.content["inventory"]["placeholder_photos"] = 50
    bench.fetch(*urls, more, again=["placeholder"])
    assert len(bench.stored()) == 7


def test_an_image_that_no_record_names_any_more_tells_nothing(bench):
    """One photo under a new URL, beside old files of it: no placeholder, and nothing is lost."""
    old = [bench.server.script(f"/old{n}.jpg", image(PHOTO)) for n in range(2)]
    bench.fetch(records=records_of(*old, photo_id=["1", "1"]))
    new = bench.server.script("/new.jpg", image(PHOTO))
    bench.fetch(records=records_of(new, photo_id=["1"]))
    assert len(bench.stored()) == 3


def test_one_address_with_other_endings_is_one_photo(bench):
    urls = [bench.server.script(f"/a.jpg?v={n}", image(PHOTO)) for n in range(5)]
    bench.fetch(*urls)
    assert len(bench.stored()) == 5


def test_one_photo_under_several_urls_is_none(bench):
    urls = [bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(5)]
    bench.fetch(records=records_of(*urls, photo_id=["77"] * 5))
    assert len(bench.stored()) == 5


def test_a_placeholder_that_a_split_names_stays(bench, workspace, capsys):
    bench.host["concurrent"] = 1
    urls = sorted((bench.server.script(f"/{n}.jpg", image(PHOTO)) for n in range(3)), key=image_name)
    write_table(available_rows([{"image_name": image_name(urls[0])}]), AVAILABLE, workspace / "data/available.parquet")
    bench.fetch(*urls)
    assert bench.stored().keys() == {image_name(urls[0])}
    assert "1 images in use are placeholders and stay" in capsys.readouterr().err


def test_what_is_known_to_be_broken_is_asked_for_again(bench):
    """The black images of the old system: the inventory finds them, and the download replaces them."""
    url = bench.server.script("/a.jpg", image(PHOTO))
    gone = bench.server.script("/b.jpg", status(404))
    for each in (url, gone):
        (bench.directory / image_name(each)).write_bytes(black())
    bench.fetch(url)
    assert bench.server.asked.total() == 0  # nobody has looked at it yet
    from stages.cache.directory import list_files
    from stages.commands.inventory import take_inventory

    with ImageIndex(bench.directory) as index:
        take_inventory(bench.directory, list(list_files(bench.directory)), index, max_megapixels=200, workers=1)
    bench.fetch(url, gone)
    assert bench.stored() == {image_name(url): PHOTO, image_name(gone): black()}


# Limits of a run


def test_a_run_ends_at_its_limits(bench, capsys):
    photos = numbered(bench.server, 12)
    bench.host.update({"requests_per_s": 0.01, "concurrent": 1})
    assert bench.fetch(*photos, images=2).counts["stored"] == 2
    assert bench.fetch(*photos, hours=0.1).counts["stored"] == 4
    assert "a limit of this run was reached" in capsys.readouterr().out
    bench.content["download"]["max_image_mb"] = 0.02
    before = sum(map(len, bench.stored().values()))
    display = bench.fetch(*photos, budget_gb=0.00003)
    assert 1 <= display.counts["stored"] < 6
    assert 30_000 <= sum(map(len, bench.stored().values())) - before <= 30_000 + 20_000  # the last image may cross it


def test_the_budget_of_the_cache_is_kept_and_what_nothing_names_makes_room(bench, workspace, capsys):
    bench.content["download"] |= {"max_image_mb": 0.02, "cache_budget_gb": 0.0002}
    for number in range(15):
        (bench.directory / f"{number:032x}.jpg").write_bytes(b"x" * 10_000)
    photos = numbered(bench.server, 12)
    with pytest.raises(UserError, match="no room for another image"):
        bench.fetch(*photos)
    assert "nothing is evicted: data/available.parquet is missing" in capsys.readouterr().err
    in_use = [f"{number:032x}.jpg" for number in range(5)]
    write_tables_in_use(workspace, in_use)
    with pytest.raises(UserError, match="no room for another image"):
        bench.fetch(*photos)
    assert set(in_use) <= bench.stored().keys()
    assert sum(map(len, bench.stored().values())) <= 200_000
    assert len(bench.stored().keys() & {image_name(url) for url in photos}) >= 8


def write_tables_in_use(workspace: Path, names: list[str]) -> None:
    rows = available_rows([{"image_name": name} for name in names])
    write_table(rows, AVAILABLE, workspace / "data/available.parquet")
    for split in SPLITS:
        of_split = rows.with_columns(group=pl.lit("g")).head(1 if split != "train" else rows.height)
        write_table(of_split, SPLIT, workspace / f"data/splits/{split}.parquet")


def test_a_probe_says_whether_all_came(bench, capsys):
    photos = numbered(bench.server, 50)
    bench.fetch(*photos, images=50, probe=True)
    assert "probe: 50 of 50 succeeded; no 429 came" in capsys.readouterr().out
    missing = bench.server.script("/none.jpg", status(404))
    limited = bench.server.script("/limited.jpg", status(429), image(jpeg(picture(seed=77))))
    broken = bench.server.script("/broken.jpg", page(b"<html>"))
    with pytest.raises(UserError, match="the probe failed: 1 of 3 images succeeded"):
        bench.fetch(missing, limited, broken, images=50, probe=True)
    assert bench.server.asked["/broken.jpg"] == 1  # a probe does not wait for another try
    said = capsys.readouterr()
    assert "probe: 1 of 3 succeeded; a 429 or 503 came 1 times" in said.out
    assert f"{bench.server.host}: paused 60 s for http_429; now running" in said.out
    assert "http_429, pauses 60 s" in said.err


def test_a_log_reads_well(bench, capsys):
    bench.host.update({"requests_per_s": 0.2, "concurrent": 1})
    bench.fetch(*numbered(bench.server, 30))
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 30 images" in line]
    assert 3 <= len(lines) <= 6
    assert "images/s" in lines[0]
    assert "left; " in lines[0]
    assert f"{bench.server.host} running" in lines[0]
    assert all("\r" not in line and "\x1b" not in line for line in lines)


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (125, "2.1 min"), (9000, "2.5 h"), (400_000, "4.6 days")])
def test_times_in_words(seconds, words):
    assert duration_in_words(seconds) == words


def test_the_state_of_a_host(params):
    from stages.download.hosts import Host

    limits = HostLimits(**allow("h.example", gb_an_hour=0.05, gb_a_day=0.08))
    host = Host(limits, largest_bytes=40_000_000, pauses_s=[60.0])
    assert state_of(host, START_S) == "running"
    host.start(START_S)
    host.end(START_S, 20_000_000)
    assert state_of(host, START_S) == "has sent what it may in an hour"
    assert state_of(host, START_S + 7200) == "running"
    host.start(START_S + 7200)
    host.end(START_S + 7200, 30_000_000)
    assert state_of(host, START_S + 20_000) == "has sent what it may in a day"
    host.throttled(START_S, START_S, None, "http_429")
    assert state_of(host, START_S).endswith("(http_429)")


# Whatever happens to the machine


def test_a_full_disk_is_one_line_and_loses_nothing(bench, monkeypatch):
    photos = numbered(bench.server, 4)
    bench.fetch(*list(photos)[:2])
    before = bench.stored()
    fsync = os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        bench.fetch(*photos)
    assert error.value.filename == str(bench.directory)
    assert bench.stored() == before
    assert not list(bench.directory.glob(".*.tmp"))
    monkeypatch.setattr(os, "fsync", fsync)
    bench.fetch(*photos)
    assert len(bench.stored()) == 4


def test_a_damaged_ledger_is_not_made_anew_unasked(bench):
    (bench.directory / LEDGER_NAME).write_bytes(b"no database at all")
    with pytest.raises(UserError, match="delete it a day from now"):
        bench.fetch(bench.server.url("/a.jpg"))


def test_the_index_can_be_deleted_at_any_time(bench):
    photos = numbered(bench.server, 5)
    bench.fetch(*photos)
    (bench.directory / INDEX_NAME).unlink()
    bench.fetch(*photos)
    assert bench.server.asked.total() == 5


@pytest.fixture
def command(bench, workspace):
    """The command itself in a process of its own, for given records."""
    bench.content |= {"profile": "teacher"}

    def start(*words: str, records: pl.DataFrame | None = None, cache: str = "") -> subprocess.Popen:
        (workspace / "params.yaml").write_text(yaml.safe_dump(bench.content), encoding="utf-8")
        if records is not None:
            write_table(records, RECORDS, workspace / "data/records.parquet")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(workspace)}
        return subprocess.Popen(
            [sys.executable, "-m", "stages.commands.fetch", *words],
            cwd=workspace,
            env=environment | {"IMAGE_CACHE_DIR": cache or str(bench.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(*words: str, records: pl.DataFrame | None = None, cache: str = "") -> subprocess.CompletedProcess:
        process = start(*words, records=records, cache=cache)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return start, finish


class _Moment:
    """Says when so many requests have come; lets some more pass, and holds all others until it is over."""

    def __init__(self, *, requests: int, more: int) -> None:
        self.left, self.more = requests, more
        self.reached, self.over, self.lock = threading.Event(), threading.Event(), threading.Lock()

    def pass_or_hold(self, _handler) -> None:
        with self.lock:
            self.left -= 1
            left = self.left
        if left <= 0:
            self.reached.set()
        if left <= -self.more:
            self.over.wait(60)


def test_kill_9_at_twenty_random_moments(bench, command):
    start, finish = command
    draw = random.Random(5)
    photos = {}
    for number in range(420):
        content = jpeg(picture(96, 80, seed=number))
        photos[bench.server.script(f"/{number}.jpg", image(content))] = content
    broken = [bench.server.script(f"/broken{n}.jpg", image(black(n))) for n in range(5)]
    # Rare species come first, so the order is not that of the names.
    records = records_of(*photos, *broken, species=[f"S{n % 17}" for n in range(425)])
    for _ in range(20):
        moment = _Moment(requests=draw.randrange(1, 16), more=draw.choice([0, 0, 3, 8]))
        bench.server.before_reply = moment.pass_or_hold
        process = start(records=records)
        assert moment.reached.wait(60)
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        moment.over.set()
    killed = len(bench.stored())
    assert 40 <= killed < 400
    bench.server.before_reply = lambda _handler: None
    result = finish(records=records)
    assert result.returncode == 0, result.stderr
    assert bench.stored() == {image_name(url): content for url, content in photos.items()}
    assert set(bench.reasons()) == {image_name(url) for url in broken}
    assert max(bench.server.asked.values()) <= 2
    assert not list(bench.directory.glob(".*.tmp"))


def test_ctrl_c_says_what_was_done_and_goes_on_later(bench, command):
    start, finish = command
    photos = numbered(bench.server, 40)
    held = threading.Event()
    bench.host["concurrent"] = 1

    def hold(handler):
        if bench.server.asked.total() == 10:
            held.set()
            handler.server.closing.wait(20)

    bench.server.before_reply = hold
    process = start(records=records_of(*photos))
    assert held.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "9 images stored" in out
    assert "the same command goes on" in err
    bench.server.before_reply = lambda _handler: None
    assert "31 images stored" in finish().stdout


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_what_has_come_when_it_is_stopped_is_kept(bench, command, how):
    """A 429 whose host pauses, and images that came while another answer was awaited."""
    start, _ = command
    bench.host.update({"concurrent": 4})
    bench.content["download"]["timeout_s"] = 30.0
    photos = numbered(bench.server, 6)
    all_asked = threading.Event()

    def drip(handler):
        all_asked.set()
        dripping(PHOTO, from_byte=10, last=True)(handler)

    slow = bench.server.script("/slow.jpg", drip)
    process = start(records=records_of(*photos, slow))
    assert all_asked.wait(60)
    process.send_signal(how)
    process.communicate(timeout=15)  # it does not wait for what drips
    assert process.returncode == 130
    with bench.ledger() as ledger:
        assert ledger.execute("SELECT count(*) FROM images WHERE asking IS NOT NULL") == [(0,)]
        assert ledger.execute("SELECT sum(interrupted), sum(failures) FROM images WHERE refused = 0") in (
            [(0, 0)],
            [(None, None)],
        )
    assert not list(bench.directory.glob(".*.tmp"))


def test_a_stop_is_heeded_whenever_it_comes(bench, monkeypatch):
    """The signal arrives while the scheduler asks itself whether a limit is reached."""
    reached, signals = Limits.reached, [signal.SIGINT]  # one: a second one ends it in any case

    def interrupted(self, now_s, received_bytes):
        if signals:
            os.kill(os.getpid(), signals.pop())
        return reached(self, now_s, received_bytes)

    monkeypatch.setattr(Limits, "reached", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.fetch(*numbered(bench.server, 5))
    assert bench.server.asked.total() == 0


def test_a_run_that_ends_leaves_nothing_under_way(bench):
    urls = [bench.server.script(f"/{n}.jpg", redirect(f"/to{n}.jpg")) for n in range(6)]
    bench.host.update({"requests_per_s": 0.01, "concurrent": 1})
    bench.fetch(*urls, hours=0.05)
    assert bench.server.asked.total() == 2
    with bench.ledger() as ledger:
        assert ledger.execute("SELECT count(*) FROM images WHERE asking IS NOT NULL") == [(0,)]


def test_two_at_once_are_one_too_many(bench, command):
    start, finish = command
    held = threading.Event()

    def hold(handler):
        held.set()
        handler.server.closing.wait(30)

    bench.server.before_reply = hold
    process = start(records=records_of(*numbered(bench.server, 2)))
    try:
        assert held.wait(60)
        assert "another fetch fills" in complaint(finish())
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_it_asks_for_what_it_needs(bench, command, workspace):
    _, finish = command
    records = records_of(*numbered(bench.server, 1))
    bench.content["download"]["contact"] = None
    assert "download.contact is empty" in complaint(finish(records=records))
    bench.content["download"]["contact"] = "test@host.example"
    bench.content["download"]["mirror"] = "https://bucket.example/plants"
    assert "its host bucket.example is not in download.hosts" in complaint(finish())
    bench.content["download"]["mirror"] = None
    lock = {"stages": {"export": {"params": {"params.yaml": {"profile": "sample"}}, "outs": []}}}
    (workspace / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert "is of profile sample, not teacher: run `dvc repro export`" in complaint(finish())
    (workspace / "dvc.lock").unlink()
    (workspace / "data/records.parquet").unlink()
    assert "data/records.parquet is missing" in complaint(finish())
    assert bench.server.asked.total() == 0


def test_nothing_to_probe_is_no_success(bench):
    with pytest.raises(UserError, match="there is nothing to ask for"):
        bench.fetch(records=records_of(), images=5, probe=True)


def test_a_wait_for_another_try_is_told(bench, capsys):
    bench.fetch(bench.server.script("/a.jpg", status(500)))
    lines = [line for line in capsys.readouterr().err.splitlines() if "waits until" in line]
    assert lines
    assert lines[0].endswith("to try again what failed")


def test_the_plan_downloads_nothing(bench, command):
    _, finish = command
    bench.content["download"]["contact"] = None
    result = finish("--plan", records=records_of(*numbered(bench.server, 7), "https://elsewhere.example/a.jpg"))
    assert result.returncode == 0, result.stderr
    assert bench.server.asked.total() == 0
    assert any(line.split()[:2] == [bench.server.host, "7"] for line in result.stdout.splitlines())
    assert "not in download.hosts" in result.stdout
    assert not (bench.directory / LEDGER_NAME).exists()


def test_the_probe_is_a_command_with_an_exit_code(bench, command):
    _, finish = command
    photos = numbered(bench.server, 5)
    result = finish("--probe", "3", records=records_of(*photos))
    assert result.returncode == 0, result.stderr
    assert "probe: 3 of 3 succeeded; no 429 came" in result.stdout
    gone = bench.server.script("/gone.jpg", status(410))
    result = finish("--probe", "50", records=records_of(*photos, gone))
    assert result.returncode == 1
    assert "fetch: the probe failed: 2 of 3 images succeeded" in result.stderr


def test_embedded_images_are_left_alone(workspace):
    from tests.conftest import run_stage

    (workspace / "data/sources/sample/images").mkdir(parents=True)
    for what in ("fetch", "evict"):
        assert "are part of the repo" in complaint(run_stage(f"commands.{what}", workspace))


@pytest.mark.parametrize("folder", ["/sys/kernel", "/proc/self"])
def test_a_cache_that_cannot_be_written_to_is_one_line(command, folder):
    """Folders in which nobody may make a file, whoever runs the tests."""
    _, finish = command
    result = finish(records=records_of("https://static.inaturalist.org/photos/1/original.jpg"), cache=folder)
    assert folder in complaint(result)


def test_digests_in_the_index_are_those_of_the_files(bench):
    bench.fetch(*numbered(bench.server, 5))
    with ImageIndex(bench.directory) as index:
        known = index.remembered()
    for row in known.iter_rows(named=True):
        path = bench.directory / row["image_name"]
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (row["bytes"], row["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert (row["state"], len(row["phash"])) == ("decoded", 32)


def test_only_images_under_an_allowed_license_are_asked_for(bench):
    free, reserved = numbered(bench.server, 2)
    bench.content["licenses"] = {"allowed": ["cc0", "cc-by"]}
    bench.fetch(records=records_of(free, reserved, license=["CC BY 4.0", None]))
    assert list(bench.stored()) == [image_name(free)]
    assert bench.server.asked.total() == 1
