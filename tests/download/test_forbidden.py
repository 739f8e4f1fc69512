"""403 is of one photo or of a host that has had enough: no photo is refused for a ban, and every run ends."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Download, HostLimits, Params
from stages.download.answer import Answer, Kind
from stages.download.forbidden import MOST_IN_A_ROW, PAUSES_TO_GIVE_UP, ROW, Forbidden
from stages.download.intake import Taken
from stages.download.ledger import Ledger
from stages.download.scheduler import Limits, Scheduler
from stages.records.shapes import image_name
from tests.support.bench import START_S, TRIES, FastClock, allow, numbered
from tests.support.examples import at_most
from tests.support.image_server import image, image_server, status
from tests.support.pictures import jpeg, picture

HOST = "host.example"


def banning(bench, photos: dict[str, bytes], *, until_s: float, dead: set[str] = frozenset(), **headers: str) -> None:
    """Let the server answer 403 for everything until a moment, and ever after for what is gone."""
    for url, content in photos.items():
        path = url.removeprefix(bench.server.url(""))
        sound, no = image(content), status(403, **headers)

        def reply(handler, *, sound=sound, no=no, url=url):
            banned = START_S <= bench.clock.now_s() < until_s
            (no if banned or url in dead else sound)(handler)

        bench.server.script(path, reply)


@pytest.mark.parametrize("concurrent", [1, 4])
@pytest.mark.parametrize("photos", [ROW, 12])
def test_several_403_in_a_row_are_a_ban_that_costs_no_image(bench, capsys, photos, concurrent):
    bench.host["concurrent"] = concurrent
    wanted = numbered(bench.server, photos)
    banning(bench, wanted, until_s=START_S + 100)
    bench.fetch(*wanted)
    assert len(bench.stored()) == photos
    assert bench.reasons() == {}
    said = capsys.readouterr().err
    pauses = [line for line in said.splitlines() if "pauses" in line]
    assert f"{bench.server.host}: http_403, pauses 60 s, until" in pauses[0]
    assert "pauses 120 s" in pauses[1]
    assert len(pauses) == 2
    assert f"{bench.server.host}: answers again" in said
    assert bench.server.asked.total() <= photos + ROW + concurrent + 3


@pytest.mark.parametrize("value", ["1234", "1234.0", "120, 1234"])
def test_one_403_with_a_retry_after_is_a_ban(bench, value):
    wanted = numbered(bench.server, 3)
    bench.host["concurrent"] = 1
    banning(bench, wanted, until_s=START_S + 1200, Retry_After=value)
    bench.fetch(*wanted)
    assert len(bench.stored()) == 3
    assert bench.server.asked.total() == 4
    assert bench.clock.time_s >= START_S + 1234


def test_a_403_that_says_nothing_of_when_to_come_again_is_a_ban_too(bench):
    url = bench.server.script("/a.jpg", status(403, Retry_After="later"), image(jpeg(picture())))
    bench.fetch(url)
    assert len(bench.stored()) == 1
    assert bench.clock.time_s >= START_S + 60


def test_a_403_between_proper_answers_is_of_its_photo(bench):
    bench.host["concurrent"] = 1
    wanted = numbered(bench.server, 20)
    gone = set(sorted(wanted, key=image_name)[::3])
    banning(bench, wanted, until_s=0, dead=gone)
    bench.fetch(*wanted)
    assert bench.reasons() == {image_name(url): "http_403" for url in gone}
    assert set(bench.server.asked.values()) == {1}
    assert bench.clock.waited_s == []


@pytest.mark.parametrize("concurrent", [1, 4])
def test_a_few_in_a_row_are_asked_again_and_then_final(bench, concurrent):
    bench.host["concurrent"] = concurrent
    wanted = numbered(bench.server, 20)
    gone = set(sorted(wanted, key=image_name)[8:11])
    banning(bench, wanted, until_s=0, dead=gone)
    bench.fetch(*wanted)
    assert bench.reasons() == {image_name(url): "http_403" for url in gone}
    assert max(bench.server.asked.values()) <= 2 * TRIES
    assert bench.clock.time_s < START_S + 900


@pytest.mark.parametrize("concurrent", [1, 4])
def test_a_row_of_photos_that_are_gone_holds_nothing_up_and_is_final(bench, concurrent, capsys):
    """The bucket: 10 photos gone one after the other, between others."""
    bench.host["concurrent"] = concurrent
    wanted = numbered(bench.server, 16)
    in_order = sorted(wanted, key=image_name)
    gone = set(in_order[3:13])
    banning(bench, wanted, until_s=0, dead=gone)
    display = bench.fetch(*wanted)
    assert bench.reasons() == {image_name(url): "http_403" for url in gone}
    assert display.counts == {"stored": 6, "refused": 10}
    assert bench.clock.time_s < START_S + 3600
    assert max(bench.server.asked[url.removeprefix(bench.server.url(""))] for url in gone) <= 2 * TRIES
    assert "asked no more" not in capsys.readouterr().err


def test_where_nothing_but_photos_that_are_gone_is_left_what_the_host_sent_before_tells(bench):
    first = bench.server.script("/first.jpg", image(jpeg(picture())))
    bench.fetch(first)
    gone = [bench.server.script(f"/gone{n}.jpg", status(403)) for n in range(12)]
    bench.fetch(first, *gone)
    assert bench.reasons() == {image_name(url): "http_403" for url in gone}
    assert list(bench.stored()) == [image_name(first)]
    assert bench.server.asked["/first.jpg"] > 1
    with bench.ledger() as ledger:
        assert ledger.history().height == 12  # nothing of what was asked to see whether the host answers


def test_a_ban_that_does_not_end_leaves_all_images_and_says_so(bench, capsys):
    with image_server("127.0.0.2") as other:
        bench.content["download"]["hosts"] |= allow(other.host)
        free = other.script("/free.jpg", image(jpeg(picture(seed=99))))
        wanted = numbered(bench.server, 30)
        banning(bench, wanted, until_s=float("inf"))
        display = bench.fetch(*wanted, free)
    said = capsys.readouterr()
    assert list(bench.stored()) == [image_name(free)]
    assert bench.reasons() == {}
    assert display.counts["refused"] == 0
    assert f"{bench.server.host}: answers 403 after each of {PAUSES_TO_GIVE_UP} pauses" in said.err
    assert "30 left (http_403" in said.out
    assert "may be a ban, so these images are not refused" in said.out
    assert bench.server.asked.total() <= ROW + 4 + 2 * PAUSES_TO_GIVE_UP
    banning(bench, wanted, until_s=0)
    bench.fetch(*wanted, free)
    assert len(bench.stored()) == 31


@pytest.mark.parametrize("photos", range(2, ROW))
def test_some_403_that_nothing_tells_of_are_asked_again_after_a_pause(bench, photos):
    wanted = numbered(bench.server, photos)
    banning(bench, wanted, until_s=START_S + 30)
    bench.fetch(*wanted)
    assert len(bench.stored()) == photos
    assert bench.clock.time_s < START_S + 90


def test_a_host_that_has_never_answered_anything_else_is_left_and_costs_later_runs_nothing(bench):
    bench.content["download"]["pauses_s"] = [60.0]
    urls = [bench.server.script(f"/{n}.jpg", status(403)) for n in range(ROW - 1)]
    display = bench.fetch(*urls)
    assert bench.reasons() == {}
    assert display.reasons["left"] == {"http_403": ROW - 1}
    for _ in range(2):
        bench.fetch(*urls)
    asked = bench.server.asked.total()
    for _ in range(3):
        start_s = bench.clock.time_s
        display = bench.fetch(*urls)
        assert bench.clock.time_s - start_s <= 60
        assert display.reasons["left"]["http_403"] >= 1
    assert bench.server.asked.total() <= asked + 3 * 2
    assert bench.reasons() == {}


def test_one_403_alone_is_final(bench):
    url = bench.server.script("/one.jpg", status(403))
    bench.fetch(url)
    assert bench.reasons() == {image_name(url): "http_403"}
    assert bench.clock.time_s == START_S


def test_a_probe_tells_of_a_ban(bench, capsys):
    wanted = numbered(bench.server, 8)
    bench.host["concurrent"] = 1
    banning(bench, wanted, until_s=START_S + 30)
    bench.fetch(*wanted, images=8, probe=True)
    said = capsys.readouterr().out
    assert "probe: 8 of 8 succeeded; no 429 came; other answers that want a pause (http_403 5)" in said
    assert f"{bench.server.host}: paused 60 s for http_403; now running" in said


def test_only_an_answer_to_what_started_later_tells():
    """A slow image that was under way before the ban comes after its first answers, and tells nothing of them."""
    forbidden: Forbidden[str] = Forbidden()
    for number in range(2, ROW):
        forbidden.add(f"photo {number}", number, after_a_pause=False)
    assert forbidden.answered(1) == forbidden.answered(2) == []
    assert forbidden.answered(4) == [("photo 2", False), ("photo 3", False)]
    assert list(forbidden) == ["photo 4"]


def test_what_came_alone_is_told_from_a_row():
    forbidden: Forbidden[str] = Forbidden()
    forbidden.add("alone", 1, after_a_pause=False)
    assert forbidden.answered(1) == []  # an image that had started before: no proof, but no row either
    forbidden.add("first of two", 2, after_a_pause=False)
    forbidden.add("second of two", 3, after_a_pause=False)
    assert forbidden.answered(9) == [("alone", True), ("first of two", False), ("second of two", False)]
    assert len(forbidden) == 0


def test_each_false_alarm_makes_the_next_one_come_later():
    forbidden: Forbidden[int] = Forbidden()
    lengths = []
    for _ in range(8):
        length = 1
        while not forbidden.add(0, 0, after_a_pause=False):
            length += 1
        lengths.append(length)
        forbidden.take_back(begins=True)
        forbidden.ban_ended()
    assert lengths == [5, 10, 20, 40, 80, MOST_IN_A_ROW, MOST_IN_A_ROW, MOST_IN_A_ROW]


def test_after_a_pause_two_in_a_row_are_enough():
    forbidden: Forbidden[int] = Forbidden()
    assert [forbidden.add(0, 0, after_a_pause=True) for _ in range(2)] == [False, True]


BAN_PAGE = f"https://{HOST}/banned"
OF_A_BAN = {
    "403": Answer(Kind.FORBIDDEN, "http_403"),
    "403 with a time": Answer(Kind.FORBIDDEN, "http_403", retry_after="90"),
    "to a page": Answer(Kind.REDIRECT, "redirected", location=BAN_PAGE),  # which is a 403
    "429": Answer(Kind.THROTTLED, "http_429"),
    "503 with a time": Answer(Kind.THROTTLED, "http_503", retry_after="30"),
    "timeout": Answer(Kind.PASSING, "timeout"),
    "reset": Answer(Kind.PASSING, "connection"),
}
SEEN_AT_ONCE = {"403 with a time", "429", "503 with a time"}


@dataclass
class Hosts:
    """A host without a network: each answer follows from the photo and the moment."""

    clock: FastClock
    dead: set[str]
    bans: list[tuple[float, float, list[str]]]  # when each begins, how long it is, what it answers in turn
    came: list[tuple[str, int]] = field(default_factory=list)  # of each answer: the photo and the number of its ban
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, url: str, _limits, _name: str) -> Answer:
        with self.lock:
            passed_s = self.clock.now_s() - START_S
            for number, (begin, length, answers) in enumerate(self.bans):
                if begin <= passed_s < begin + length and BAN_PAGE not in url:
                    turn = sum(met == number for _, met in self.came)
                    self.came.append((url, number))
                    return OF_A_BAN[answers[turn % len(answers)]]
        no = url in self.dead or BAN_PAGE in url
        return Answer(Kind.FORBIDDEN, "http_403") if no else Answer(Kind.IMAGE, "sound", 1)

    def abort_overdue(self) -> None: ...

    def close(self) -> None: ...


class Everything:
    """Takes every image, and has room for it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def take(self, image_name: str, *_: object) -> Taken:
        self._ledger.stored(image_name)
        return Taken(True, [], 1)

    def has(self, _size: int) -> bool:
        return True


@at_most(30)  # of bans that last, a run is a long one
@given(
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from([2, 5, 20, 90, 700, 10**5]),
            st.one_of(
                st.sampled_from([["403"], ["403 with a time"], ["to a page"]]),
                st.lists(st.sampled_from(list(OF_A_BAN)), min_size=1, max_size=6),
            ),
        ),
        max_size=3,
    ),
    st.integers(1, 4),
)
def test_no_photo_is_refused_for_a_ban_and_every_run_ends(params, tmp_path_factory, dead, bans, concurrent):
    """Over orders of photos that are gone and not, and bans that begin at any moment and answer anything."""
    folder = tmp_path_factory.mktemp("ledger")
    names = [f"{n:032x}.jpg" for n in range(len(dead))]
    urls = [f"https://{HOST}/{name}" for name in names]
    clock = FastClock()
    hosts = Hosts(clock, {url for url, is_dead in zip(urls, dead, strict=True) if is_dead}, bans)
    refused, stored = run_all(folder, names, urls, asking(params, concurrent), hosts, clock)
    forbidden = {url for url, name in zip(urls, names, strict=True) if refused.get(name) == "http_403"}
    assert not set(refused) & set(stored)
    # A ban that nobody could see, as it met fewer requests than make one, is a 403 like any other.
    met = Counter(ban for _, ban in hosts.came)
    unseen = {ban for ban, times in met.items() if times < ROW and not SEEN_AT_ONCE & set(bans[ban][2][:times])}
    assert forbidden <= hosts.dead | {url for url, ban in hosts.came if ban in unseen}
    assert clock.now_s() < START_S + 8 * 3600
    if not bans and not all(dead):
        assert set(stored) == {name for name, is_dead in zip(names, dead, strict=True) if not is_dead}
        assert set(refused) == set(names) - set(stored)


@pytest.mark.parametrize("concurrent", [1, 4])
@pytest.mark.parametrize(
    ("length_s", "answers"),
    [
        (2, ["403", "429"]),
        (12, ["429", "403"]),
        (2, ["403", "503 with a time"]),
        (5, ["403", "timeout", "timeout", "timeout", "timeout"]),
        (5, ["reset", "reset", "reset", "403", "reset"]),
        (90, ["to a page"]),
    ],
)
def test_a_403_beside_other_signs_of_a_ban_refuses_nothing(params, tmp_path, length_s, answers, concurrent):
    names = [f"{n:032x}.jpg" for n in range(20)]
    urls = [f"https://{HOST}/{name}" for name in names]
    clock = FastClock()
    hosts = Hosts(clock, set(), [(0, length_s, answers)])
    refused, stored = run_all(tmp_path, names, urls, asking(params, concurrent), hosts, clock)
    assert refused == {}
    assert sorted(stored) == names


def asking(params: Params, concurrent: int) -> Download:
    limits = HostLimits(requests_per_s=1.0, concurrent=concurrent, gb_an_hour=None, gb_a_day=None, private=True)
    return params.download.model_copy(update={"hosts": {HOST: limits}, "pauses_s": [10.0, 20.0, 50.0]})


def run_all(folder: Path, names, urls, download, hosts, clock) -> tuple[dict[str, str], list[str]]:
    """Run until nothing waits; give the names of the refused, with the reason, and of the stored images."""
    wanted = pl.DataFrame({"image_name": names, "original": urls}).with_columns(
        mirror=pl.lit(None, pl.String), open_data=pl.lit(None, pl.String), route=pl.lit("original"),
        host=pl.lit(HOST), failures=pl.lit(0), interrupted=pl.lit(0),
    )  # fmt: skip
    with Ledger(folder) as ledger:
        parts = {"client": hosts, "intake": Everything(ledger), "room": Everything(ledger), "clock": clock}
        scheduler = Scheduler(wanted, download, ledger=ledger, tell=lambda _line: None, **parts)
        outcomes = [outcome for outcome in scheduler.run(Limits()) if outcome is not None]
        assert ledger.execute("SELECT count(*) FROM images WHERE asking IS NOT NULL") == [(0,)]
        noted = ledger.history().filter(pl.col("refused") == 1).select("image_name", "reason").rows()
    refused = [(outcome.image_name, outcome.reason) for outcome in outcomes if outcome.what == "refused"]
    assert sorted(noted) == sorted(refused)
    return dict(refused), [outcome.image_name for outcome in outcomes if outcome.what == "stored"]
