"""Where nothing gets to any host, a run ends at once and blames no image; where it gets to some, this may pass."""

import errno

import pytest

from stages.download.answer import network_reason
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from tests.support.bench import START_S, allow, numbered
from tests.support.image_server import image_server

NAMES = ["nowhere.invalid", "nobody.invalid"]


@pytest.fixture
def offline(bench):
    """Two hosts whose names do not resolve, with more images than make a pause."""
    bench.content["download"]["hosts"] = allow(NAMES[0]) | allow(NAMES[1])
    return [f"http://{name}/{number}.jpg" for name in NAMES for number in range(8)]


@pytest.mark.parametrize("options", [{"probe": True, "images": 10}, {"probe": True, "images": 1}, {}, {"images": 1}])
def test_a_run_without_a_network_ends_at_once_in_one_line(bench, offline, capsys, options):
    with pytest.raises(UserError, match=r"no host can be reached \(.*\.invalid: its name does not resolve") as error:
        bench.fetch(*offline, **options)
    assert "no image is refused for it" in str(error.value)
    assert bench.clock.time_s <= START_S + 1
    assert bench.reasons() == {}
    assert capsys.readouterr().out == ""
    with bench.ledger() as ledger:
        assert set(ledger.history()["failures"]) == {0}


@pytest.mark.parametrize("options", [{"probe": True, "images": 10}])
def test_so_does_the_next_one_and_the_first_with_a_network_waits_for_nothing(bench, offline, capsys, options):
    for _ in range(2):
        with pytest.raises(UserError, match="its name does not resolve"):
            bench.fetch(*offline, **options)
    assert bench.clock.time_s <= START_S + 2
    with bench.ledger() as ledger:  # as if the server were one of those
        pause = ledger.hosts()[NAMES[0]]
        ledger.pause(bench.server.host, pause.paused_until_s, pause.strikes, pause.why)
    bench.content["download"]["hosts"] = allow(bench.server.host)
    begun_s = bench.clock.time_s
    bench.fetch(*numbered(bench.server, 3))
    assert len(bench.stored()) == 3
    assert bench.clock.time_s == begun_s


def test_a_run_of_a_few_images_counts_no_try_either(bench):
    bench.content["download"]["hosts"] = allow(NAMES[0])
    for _ in range(6):
        with pytest.raises(UserError, match="no host can be reached"):
            bench.fetch(f"http://{NAMES[0]}/a.jpg")
    assert bench.reasons() == {}


def test_one_name_that_does_not_resolve_is_tried_later_while_others_answer(bench):
    bench.content["download"]["hosts"] |= allow(NAMES[0])
    bench.content["download"]["tries"] = 2
    url = f"http://{NAMES[0]}/a.jpg"
    photos = numbered(bench.server, 3)
    bench.fetch(url, *photos)
    assert len(bench.stored()) == 3
    assert bench.reasons() == {image_name(url): "unknown_host"}


def test_a_probe_does_not_wait_for_a_host_that_takes_no_connection_and_a_run_does(bench):
    with image_server("127.0.0.2") as gone:
        host = gone.host
    bench.content["download"]["hosts"] = allow(host)
    url = f"http://{host}/a.jpg"
    with pytest.raises(UserError, match="it takes no connection"):
        bench.fetch(url, probe=True, images=1)
    assert bench.clock.time_s == START_S
    bench.fetch(url)
    assert bench.clock.time_s >= START_S + 60 + 120 + 300
    assert bench.reasons() == {image_name(url): "connection_refused"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connection_refused"),
        (OSError(errno.ENETUNREACH, "network"), "no_route"),
        (OSError(errno.EHOSTUNREACH, "host"), "no_route"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "connection"),
        (TimeoutError(), "timeout"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "timeout"),
        (ValueError("cut"), "connection"),
    ],
)
def test_what_does_not_get_through_has_a_reason_of_its_own(error, reason):
    assert network_reason(error) == reason
