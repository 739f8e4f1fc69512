"""A log reads well, and says what each host does."""

from stages.config.schema import HostLimits
from stages.download.display import state_of
from stages.download.hosts import Host
from tests.support.bench import START_S, allow, numbered


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
