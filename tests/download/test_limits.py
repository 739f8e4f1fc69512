"""A run asks for so many images, of hosts that may be asked now, and says which limit ended it."""

import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import HostLimits
from stages.download.hosts import Host
from stages.download.queue import HostQueue, Job
from stages.download.quota import Quota
from stages.records.shapes import image_name
from stages.runtime.errors import UserError
from tests.support.bench import PHOTO, START_S, allow, numbered
from tests.support.image_server import image, image_server, redirect, status
from tests.support.pictures import jpeg, picture


@pytest.fixture
def other(bench):
    """A second host, with twelve photos by URL."""
    with image_server("127.0.0.2") as server:
        bench.content["download"]["hosts"] |= allow(server.host)
        yield {server.script(f"/{n}.jpg", image(jpeg(picture(seed=50 + n)))): server for n in range(12)}


def names_of(urls) -> set[str]:
    return {image_name(url) for url in urls}


def test_a_host_that_pauses_holds_no_place_of_a_run(bench, other):
    with bench.ledger() as ledger:
        ledger.pause(bench.server.host, START_S + 5000, 1, "http_429")
    photos = numbered(bench.server, 12)
    display = bench.fetch(*photos, *other, images=6)
    assert display.counts == {"stored": 6}
    assert bench.stored().keys() <= names_of(other)
    assert bench.clock.time_s < START_S + 60
    assert bench.server.asked.total() == 0


def test_nor_does_one_that_begins_to_pause(bench, other):
    photos = numbered(bench.server, 12)
    for number in range(12):
        bench.server.script(f"/photos/{number}.jpg", status(429, Retry_After="5000"))
    display = bench.fetch(*photos, *other, images=8)
    assert display.counts == {"stored": 8}
    assert bench.clock.time_s < START_S + 60
    assert bench.server.asked.total() <= 4
    assert bench.reasons() == {}


def test_nor_does_one_that_has_sent_what_it_may(bench, other):
    bench.content["download"]["max_image_mb"] = 0.05
    bench.host["gb_an_hour"] = 0.00006
    with bench.ledger() as ledger:
        ledger.count_traffic(bench.server.host, START_S - 60, 50_000)
    display = bench.fetch(*numbered(bench.server, 12), *other, images=8)
    assert display.counts == {"stored": 8}
    assert bench.stored().keys() <= names_of(other)
    assert bench.clock.time_s < START_S + 60


def test_where_no_host_may_be_asked_now_the_run_waits(bench):
    with bench.ledger() as ledger:
        ledger.pause(bench.server.host, START_S + 500, 1, "http_429")
    assert bench.fetch(*numbered(bench.server, 5), images=3).counts == {"stored": 3}
    assert bench.clock.time_s >= START_S + 500


def test_where_there_are_too_few_others_the_rest_is_of_the_host_that_pauses(bench, other):
    with bench.ledger() as ledger:
        ledger.pause(bench.server.host, START_S + 500, 1, "http_429")
    assert bench.fetch(*numbered(bench.server, 5), *list(other)[:2], images=4).counts == {"stored": 4}
    assert bench.server.asked.total() == 2


def no_job() -> Job:
    return Job("", {}, "original", "")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 45), st.data())
def test_the_places_of_a_run_are_never_more_and_go_to_open_hosts_in_order(order, images, data):
    limits = HostLimits(requests_per_s=None, concurrent=1, gb_an_hour=None, gb_a_day=None, private=True)
    places = {host: np.flatnonzero(np.array(order) == host).astype(np.int64) for host in "abc"}
    queues = {
        host: HostQueue(Host(limits, largest_bytes=1, pauses_s=[1.0]), None, iter([no_job()] * 40)) for host in "abc"
    }
    quota = Quota(places, images)
    is_open = data.draw(st.sets(st.sampled_from("abc")))
    quota.begin(queues, is_open)
    taken = 0
    for _ in range(12):
        left = {host: len(places[host]) - queues[host].taken for host in "abc"}
        assert taken + sum(queue.granted for queue in queues.values()) == min(images, len(order))
        assert all(queues[host].granted <= left[host] for host in "abc")
        if images < len(order) and any(queues[host].granted for host in "abc" if host not in is_open):
            assert all(queues[host].granted == left[host] for host in is_open)
        host = data.draw(st.sampled_from("abc"))
        if queues[host].granted and host in is_open:
            assert queues[host].take(0.0) is not None
            taken += 1
        is_open = data.draw(st.sets(st.sampled_from("abc")))
        quota.hand_over(queues, is_open)


def test_the_first_places_are_those_of_the_most_helpful_images():
    limits = HostLimits(requests_per_s=None, concurrent=1, gb_an_hour=None, gb_a_day=None, private=True)
    queues = {host: HostQueue(Host(limits, largest_bytes=1, pauses_s=[1.0]), None, iter([])) for host in "ab"}
    Quota({"a": np.array([0, 1, 5]), "b": np.array([2, 3, 4])}, 4).begin(queues, {"a", "b"})
    assert (queues["a"].granted, queues["b"].granted) == (2, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"images": 2}, "a limit of this run was reached, --limit 2: the same command goes on"),
        ({"hours": 0.05}, "a limit of this run was reached, --hours 0.05: the same command goes on"),
        ({"budget_gb": 1e-6}, "a limit of this run was reached, --budget-gb 1e-06: the same command goes on"),
    ],
)
def test_the_summary_names_the_limit_that_ended_the_run(bench, capsys, options, said):
    bench.host.update({"requests_per_s": 0.01, "concurrent": 1})
    bench.fetch(*numbered(bench.server, 8), **options)
    assert f"  {said}\n" in capsys.readouterr().out


def test_a_probe_names_its_own(bench, capsys):
    bench.host.update({"requests_per_s": 0.001, "concurrent": 1})
    photos = numbered(bench.server, 8)
    bench.fetch(*photos, images=1, probe=True)
    assert "a limit of this run was reached, --probe 1: the same" in capsys.readouterr().out
    with pytest.raises(UserError, match="the probe failed: 4 of 5"):
        bench.fetch(*photos, images=5, hours=1, probe=True)
    assert "a limit of this run was reached, the 1 h of a probe (--hours)" in capsys.readouterr().out


def test_a_run_that_did_all_names_no_limit(bench, capsys):
    bench.fetch(*numbered(bench.server, 3), images=3, hours=5, budget_gb=1)
    assert "limit" not in capsys.readouterr().out


def test_the_budget_of_the_cache_and_a_full_disk_are_named_too(bench, capsys, monkeypatch):
    photos = numbered(bench.server, 4)
    bench.content["download"] |= {"max_image_mb": 0.02, "cache_budget_gb": 0.00003}
    with pytest.raises(UserError, match="no room for another image"):
        bench.fetch(*photos)
    assert "ended by download.cache_budget_gb 3e-05\n" in capsys.readouterr().out
    bench.content["download"]["cache_budget_gb"] = 1

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        bench.fetch(*photos)
    assert "ended by a full disk\n" in capsys.readouterr().out


def test_one_host_alone_is_asked(bench, other):
    photos = numbered(bench.server, 3)
    bench.fetch(*photos, *other, hosts=[bench.server.host])
    assert bench.stored().keys() == names_of(photos)
    assert {server.asked.total() for server in other.values()} == {0}
    bench.fetch(*photos, *other, hosts=[bench.server.host, next(iter(other.values())).host])
    assert len(bench.stored()) == 15


def test_what_goes_on_at_a_host_that_is_not_named_is_left_and_not_refused(bench, other, capsys):
    target, server = next(iter(other.items()))
    url = bench.server.script("/a.jpg", redirect(target))
    gone = numbered(bench.server, 1)
    bench.content["download"]["mirror"] = bench.server.url("/copy")  # has nothing: the record's own URL is next
    display = bench.fetch(url, *gone, target, hosts=[bench.server.host])
    assert display.reasons["left"] == {"at_another_host": 2}
    assert "at_another_host: these images go on at a host that --host does not name" in capsys.readouterr().out
    assert server.asked.total() == 0
    assert bench.reasons() == {}
    bench.content["download"]["mirror"] = None
    bench.fetch(url, *gone, target)
    assert bench.stored()[image_name(url)] == bench.stored()[image_name(target)]


def test_a_host_without_missing_images_is_said(bench, other):
    photos = numbered(bench.server, 2)
    with pytest.raises(
        UserError, match=r"nothing is missing at 127\.0\.0\.2:\d+; images are missing at \(127\.0\.0\.1"
    ):
        bench.fetch(*photos, hosts=[next(iter(other.values())).host])


def test_what_stands_in_the_place_of_an_image_is_named_and_stops_nothing(bench, capsys):
    photos = numbered(bench.server, 5)
    by_name = sorted(photos, key=image_name)
    (bench.directory / image_name(by_name[0])).mkdir()
    (bench.directory / image_name(by_name[1])).symlink_to("nowhere")
    (bench.directory / f".{image_name(by_name[2])}.tmp").mkdir()
    display = bench.fetch(*photos)
    said = capsys.readouterr().out
    assert "in the place of 3 images there is no file that can be read, so these are passed over (" in said
    assert f"{bench.directory / image_name(by_name[0])} is a directory; " in said
    assert f"{bench.directory / image_name(by_name[1])} is a symbolic link to nowhere" in said
    assert said.count("move it away") == 1
    assert "more images are missing" not in said
    assert display.counts["stored"] == 2
    assert bench.reasons() == {}
    with pytest.raises(UserError, match="something else stands in the place of each"):
        bench.fetch(*by_name[:3])
    (bench.directory / image_name(by_name[0])).rmdir()
    assert bench.fetch(*photos).counts["stored"] == 1


def test_a_directory_that_comes_while_it_runs_costs_its_image_alone(bench, capsys):
    photos = numbered(bench.server, 4)
    name = image_name(next(iter(photos)))
    bench.server.before_reply = lambda _handler: (bench.directory / name).mkdir(exist_ok=True)
    display = bench.fetch(*photos)
    assert display.counts == {"stored": 3, "left": 1}
    assert display.reasons["left"] == {"in_the_way": 1}
    assert f"{bench.directory / name} is a directory: move it away" in capsys.readouterr().err
    assert not list(bench.directory.glob(".*.tmp"))


def test_a_later_run_refuses_nothing_that_was_left(bench):
    url = bench.server.script("/a.jpg", image(PHOTO))
    bench.fetch(url)
    with bench.ledger() as ledger:
        assert ledger.hosts()[bench.server.host].sent_url == url
        assert ledger.history().filter(pl.col("refused") == 1).is_empty()


@pytest.mark.parametrize(("query", "kept"), [("", True), ("?1234", True), ("?X-Amz-Signature=abc", False)])
def test_no_key_that_a_url_holds_is_kept_beside_the_images(bench, query, kept):
    """It would open the door to whoever reads the ledger, and be a 403 when it has expired, which is no ban."""
    url = bench.server.script(f"/a.jpg{query}", image(PHOTO))
    bench.fetch(url)
    with bench.ledger() as ledger:
        assert ledger.hosts()[bench.server.host].sent_url == (url if kept else "")
    assert b"Signature" not in b"".join(path.read_bytes() for path in bench.directory.glob(".downloads*"))
