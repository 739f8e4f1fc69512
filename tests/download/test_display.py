"""A log reads well, and says what each host does."""

import time

import pytest

from stages.config.schema import HostLimits
from stages.download.clock import clock_time
from stages.download.display import state_of, waits_in_words
from stages.download.hosts import Host
from stages.runtime.errors import UserError
from tests.support.bench import PHOTO, START_S, allow, numbered
from tests.support.image_server import image, status


def test_a_log_reads_well(bench, capsys):
    bench.host.update({"requests_per_s": 0.2, "concurrent": 1})
    bench.fetch(*numbered(bench.server, 30))
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 30 images" in line]
    assert 3 <= len(lines) <= 6
    assert "images/s" in lines[0]
    assert "left; " in lines[0]
    assert f"{bench.server.host} running" in lines[0]
    assert all("\r" not in line and "\x1b" not in line for line in lines)


def test_the_state_of_a_host(params):
    limits = HostLimits(**allow("h.example", gb_an_hour=0.05, gb_a_day=0.08)["h.example"])
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


@pytest.fixture
def in_madrid(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Madrid")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW_S = 1_795_947_605.0  # Sunday 29 November 2026, 10:20:05 UTC


@pytest.mark.parametrize(
    ("later_s", "said"),
    [
        (0, "11:20:05"),
        (600, "11:30:05"),
        (12 * 3600, "23:20:05"),
        (13 * 3600, "Mon 30 Nov 00:20:05"),
        (86_400, "Mon 30 Nov 11:20:05"),
        (10 * 86_400, "Wed 09 Dec 11:20:05"),
    ],
)
def test_a_moment_of_another_day_has_its_day(in_madrid, params, later_s, said):
    assert clock_time(NOW_S + later_s, NOW_S) == said
    host = Host(HostLimits(**allow("h.example")["h.example"]), largest_bytes=40_000_000, pauses_s=[60.0])
    host.throttled(NOW_S, NOW_S, max(later_s, 1), "http_429")
    if 0 < later_s <= 86_400:  # no pause is longer
        assert state_of(host, NOW_S) == f"paused until {said} (http_429)"


def test_a_pause_of_a_day_shows_its_day_wherever_it_is_said(bench, in_madrid, capsys):
    bench.clock.time_s = NOW_S
    bench.host["concurrent"] = 1
    url = bench.server.script("/a.jpg", status(429, Retry_After="86400"))
    with pytest.raises(UserError, match="the probe failed"):
        bench.fetch(url, images=1, hours=1, probe=True)
    said = capsys.readouterr()
    assert "pauses 86,400 s, until Mon 30 Nov 11:20:05" in said.err
    assert "paused 86,400 s for http_429; now paused until Mon 30 Nov 11:20:05 (http_429)" in said.out
    bench.fetch(url, hours=1)
    assert "paused until Mon 30 Nov 11:20:05 (http_429)" in capsys.readouterr().err


def test_while_everything_is_paused_no_time_left_is_said(bench, capsys):
    bench.host["concurrent"] = 1
    photos = numbered(bench.server, 6)
    bench.server.script("/photos/3.jpg", status(429, Retry_After="300"), image(PHOTO))
    bench.fetch(*photos)
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 6 images" in line]
    assert len(lines) >= 8
    assert all(" left; " not in line for line in lines if "paused until" in line)
    assert any(", paused; " in line for line in lines)


def test_what_the_hosts_wait_for():
    limits = HostLimits(**allow("h.example", gb_an_hour=0.05)["h.example"])
    paused, free, used_up = (Host(limits, largest_bytes=40_000_000, pauses_s=[60.0]) for _ in range(3))
    paused.throttled(START_S, START_S, None, "http_429")
    used_up.start(START_S)
    used_up.end(START_S, 20_000_000)
    assert waits_in_words({}, START_S) == ""
    assert waits_in_words({"a": (paused, START_S)}, START_S) == "paused"
    assert waits_in_words({"a": (paused, START_S), "b": (free, START_S)}, START_S) == ""
    assert waits_in_words({"a": (paused, START_S), "b": (used_up, START_S)}, START_S) == "waiting"
    assert waits_in_words({"a": (paused, START_S), "b": (free, START_S + 9)}, START_S) == "waiting"
