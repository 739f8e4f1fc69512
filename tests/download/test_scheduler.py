"""Hosts are asked as they want it: paused, slowed down, tried again, and never forgotten about."""

import itertools
import os
import signal
import threading
from email.utils import formatdate

import pytest

from stages.download.ledger import LEDGER_NAME
from stages.download.scheduler import Limits
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from tests.support.bench import PHOTO, START_S, allow, black, numbered
from tests.support.image_server import broken_off, image, image_server, page, redirect, reset, status
from tests.support.pictures import jpeg, picture


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


def test_a_429_is_one_even_if_its_body_breaks_off(bench):
    url = bench.server.script("/a.jpg", broken_off(429, Retry_After="5000"), image(PHOTO))
    bench.fetch(url)
    assert bench.clock.time_s >= START_S + 5000
    assert len(bench.stored()) == 1


def test_a_429_pauses_the_host_and_not_the_others(bench, capsys):
    with image_server("127.0.0.2") as other:
        bench.content["download"]["hosts"] |= allow(other.host)
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


def retry_page(handler):
    handler.send(200, b"<html>slow down</html>", Content_Type="text/html", Retry_After="1234")


@pytest.mark.parametrize(
    "reply",
    [
        status(500, Retry_After="1234"),
        status(502, Retry_After="1233.5"),
        status(520, Retry_After="60, 1234"),
        status(400, Retry_After="1234"),
        retry_page,
    ],
)
def test_whatever_says_when_to_come_again_is_a_pause_and_no_failure(bench, reply):
    bench.content["download"]["tries"] = 2
    bench.host["concurrent"] = 1
    url = bench.server.script("/a.jpg", reply, image(PHOTO))
    with bench.ledger() as ledger:
        ledger.leave(image_name(url), "original", 1, "http_500")  # one more failure would refuse it
    bench.fetch(url)
    assert len(bench.stored()) == 1
    assert START_S + 1233 <= bench.clock.time_s <= START_S + 1240


@pytest.mark.parametrize("value", ["90.5", "0.3"])
def test_a_fraction_of_a_second_counts(bench, value):
    bench.host["concurrent"] = 1
    bench.fetch(bench.server.script("/a.jpg", status(429, Retry_After=value), image(PHOTO)))
    assert bench.clock.time_s - START_S == pytest.approx(max(float(value), 1.0), abs=0.01)


def test_a_run_that_ends_amid_403_refuses_none_of_them(bench):
    """Some photos of a ban come before the end of the run's time, and nobody knows yet."""
    bench.host.update({"requests_per_s": 0.1, "concurrent": 1})
    photos = numbered(bench.server, 10)
    for number in range(10):
        bench.server.script(f"/photos/{number}.jpg", status(403))
    display = bench.fetch(*photos, hours=25 / 3600)
    assert bench.server.asked.total() == 3
    assert bench.reasons() == {}
    assert display.reasons["left"] == {"http_403": 3}


def test_a_ledger_of_an_earlier_version_keeps_what_it_knows(bench):
    path = bench.directory / LEDGER_NAME
    photos = numbered(bench.server, 3)
    refused, *_ = map(image_name, photos)
    with bench.ledger() as ledger:
        ledger.leave(refused, "original", 0, "http_404", refused=True)
        ledger.execute("ALTER TABLE hosts DROP COLUMN sent_url")
        ledger.execute("PRAGMA user_version = 1")
    bench.fetch(*photos)
    assert bench.reasons() == {refused: "http_404"}
    assert len(bench.stored()) == 2
    assert path.is_file()


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
        three.wait(60)
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


def test_a_wait_for_another_try_is_told(bench, capsys):
    bench.fetch(bench.server.script("/a.jpg", status(500)))
    lines = [line for line in capsys.readouterr().err.splitlines() if "waits until" in line]
    assert lines
    assert lines[0].endswith("to try again what failed")
