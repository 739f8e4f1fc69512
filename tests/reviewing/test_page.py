"""The page in a real browser: its keys, what it shows, what it says where something fails, and who may use it."""

import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from stages.images.shards import shard_name, shard_of
from stages.verdicts.reading import read_pair_verdicts, read_verdicts
from tests.support.chromium import ELSEWHERE, Page, chromium, needs_chromium
from tests.support.review_data import HOSTILE, PAIRS_IN, SPECIES, VERDICTS_IN, Served, served, serving, write_data

pytestmark = [pytest.mark.slow, needs_chromium]

LOADED = "[...document.querySelectorAll('main img')].every(image => image.complete && image.naturalWidth)"
SAID = "document.getElementById('said').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser"), of_this_machine=True) as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "repo"
    folder.mkdir()
    write_data(folder, groups=240)
    return folder


@pytest.fixture
def repo(made, tmp_path):
    shutil.copytree(made, tmp_path / "repo")
    return tmp_path / "repo"


def opened(browser, url: str) -> Page:
    page = browser.open(url)
    page.resize(1400, 900)
    page.until("document.body.dataset.turn")
    return page


def press(page: Page, *keys: str, shift: bool = False) -> None:
    """Press keys, and wait until the next question is there."""
    turn = page.run("document.body.dataset.turn")
    for key in keys:
        page.press(key, shift=shift)
    page.until(f"document.body.dataset.turn !== '{turn}'")


def said_of(repo: Path, image_name: str) -> tuple | None:
    rows = read_verdicts(repo / VERDICTS_IN).rows(named=True)
    found = [(row["verdict"], row["species"], row["reason"]) for row in rows if row["image_name"] == image_name]
    return found[0] if found else None


def question_of(server: Served, page: Page, photos: int) -> dict:
    """Skip until an observation of so many photos is asked."""
    while len((question := server.now()["question"])["photos"]) != photos:
        press(page, " ")
    return question


def test_every_key_does_what_it_says(browser, repo):
    with serving(repo) as (server, _):
        page = opened(browser, server.url)
        for keys, verdict in (
            ("1", "confirm"), ("2", 0), ("3", 1), ("4", 2), ("5", 3), (" ", "skip"),
            ("dn", "not_a_plant"), ("dh", "herbarium"), ("di", "drawing"), ("dm", "several_species"),
            ("du", "unrecognizable"),
        ):  # fmt: skip
            question = server.now()["question"]
            assert page.run("document.querySelector('h1 i').textContent") == question["given"]
            press(page, *keys)
            expected = (
                ("relabel", question["candidates"][verdict], None) if isinstance(verdict, int)
                else ("drop", None, verdict) if keys[0] == "d" else (verdict, None, None)
            )  # fmt: skip
            for photo in question["photos"]:
                assert said_of(repo, photo["name"]) == expected
        before = (repo / VERDICTS_IN / "ann.csv").read_bytes()
        last = server.now()["question"]["id"]
        page.press("/")
        page.until("document.getElementById('search').open")
        page.type("pet x at")
        page.press("Enter")
        page.until(f"{SAID}.includes('Petunia × atkinsiana')")
        assert said_of(repo, last) is not None
        press(page, "z")
        assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == before
        assert server.now()["question"]["id"] == last
        assert "as it was before" in page.run(SAID)
        # Typing in the search is not judging, nor is what another dialog is closed with.
        page.press("/")
        page.until("document.getElementById('search').open")
        page.type("1")
        page.press("Escape")
        page.press("?")
        page.until("document.getElementById('help').open")
        page.press("1")
        page.press("Escape")
        page.press("d")
        page.press("x")
        page.press("Escape")
        page.until("!document.querySelector('dialog[open]')")
        assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == before
        # The original has the crop's square: of 160 x 120, the 64 at the left upper corner.
        page.press("o")
        page.until("document.querySelector('.frame .square')")
        square = page.run("document.querySelector('.square').getAttribute('style')")
        assert square == "left: 0%; top: 0%; width: 40%; height: 53.3333%;"
        assert "ann\ufffd <b>bold</b>\ufffd" in page.run("document.querySelector('.caption').textContent")
        # A note goes with the next verdict, and no other.
        page.press("t")
        page.until("document.getElementById('note').open")
        page.type('looks odd, "very"')
        page.press("Enter")
        page.until("!document.querySelector('dialog[open]')")
        press(page, "1")
        press(page, "1")
        notes = read_verdicts(repo / VERDICTS_IN).filter(image_name=last)["note"].to_list()
        assert notes == ['looks odd, "very"']
        assert page.errors == []


def test_shift_judges_the_one_photo_and_a_held_key_counts_once(browser, repo):
    with serving(repo) as (server, _):
        page = opened(browser, server.url)
        question = question_of(server, page, 3)
        assert "all 3 photos" in page.run("document.querySelector('.counts').textContent")
        page.press("ArrowRight")
        assert page.run("document.querySelectorAll('.strip button')[1].getAttribute('aria-current')") == "true"
        # Who looks at another photo than the one that was asked would judge the wrong one.
        before = server.now()["turn"]
        for keys in (["2"], ["1"], [" "], ["d", "n"]):
            for key in keys:
                page.press(key, shift=True)
            page.until(f"{SAID}.includes('another photo is shown')")
            page.press("t")  # says something else
            page.until("document.getElementById('note').open")
            page.press("Enter")
            page.until(f"{SAID} === 'No note.'")
        page.press("Escape")
        page.run("document.querySelector('.photos button').click()")
        page.press("1", shift=True)
        page.until(f"{SAID}.includes('another photo is shown')")
        assert server.now()["turn"] == before
        page.press("Escape")
        assert page.run("document.querySelectorAll('.strip button')[0].getAttribute('aria-current')") == "true"
        press(page, "2", shift=True)
        assert "This photo alone is dropped" in page.run(SAID)
        assert said_of(repo, question["id"]) == ("drop", question["candidates"][0], "one_of_observation")
        assert said_of(repo, question["photos"][1]["name"]) is None
        question = question_of(server, page, 2)
        press(page, "d", "n", shift=True)
        assert said_of(repo, question["id"]) == ("drop", None, "not_a_plant")
        assert said_of(repo, question["photos"][1]["name"]) is None
        turn = server.now()["turn"]
        page.press("1", times=20)
        page.until(f"document.body.dataset.turn === '{turn + 1}'")
        page.run("new Promise(then => fetch('now').then(() => then()))")
        assert server.now()["turn"] == turn + 1


def test_a_hundred_verdicts_a_reload_and_a_new_start(browser, repo):
    with served(repo) as server:
        page = opened(browser, server.url)
        for turn in range(100):
            page.until(LOADED)
            following = [photo["name"] for question in server.now()["ahead"] for photo in question["photos"][:1]]
            if turn == 3:
                assert len(following) == 5
                for name in following:  # five are loaded before they are asked
                    page.until(f"performance.getEntriesByType('resource').some(each => each.name.endsWith('{name}'))")
            press(page, "12 "[turn % 3])
        assert server.now()["progress"]["answered"] == 100
        content = (repo / VERDICTS_IN / "ann.csv").read_bytes()
        rows = read_verdicts(repo / VERDICTS_IN)
        assert rows.filter(asked_as="random").height + rows.filter(asked_as="suspect").height >= 100
        here = server.now()["question"]["id"]
        page.reload()
        page.until("document.body.dataset.turn === '100'")
        assert page.run("document.querySelector('.stage img').src").endswith(here)
        assert "100 of some" in page.run("document.getElementById('progress').textContent")
        assert all(url.startswith(server.url) for url in page.asked)
        assert page.errors == []
        code, said = server.stop()
        assert code == 0
        assert f"{rows.height} verdicts in data/sources/sample/verdicts/ann.csv" in said
        assert "Traceback" not in said
        # The page says that nobody is there any more.
        page.press("1")
        page.until(f"{SAID}.includes('NOT saved')")
        assert "make review-data" in page.run(SAID)
    assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == content
    assert [path.name for path in (repo / VERDICTS_IN).iterdir()] == ["ann.csv"]
    with serving(repo) as (server, _):
        assert server.now()["question"]["id"] == here


def test_two_reviewers_at_once_and_two_windows_of_one(browser, repo):
    with serving(repo, reviewer="ann") as (of_ann, _), serving(repo, reviewer="bob") as (of_bob, _):
        ann, bob = opened(browser, of_ann.url), opened(browser, of_bob.url)
        again = opened(browser, of_ann.url)
        for _ in range(3):
            press(ann, "1")
            press(bob, "2")
        rows = read_verdicts(repo / VERDICTS_IN)
        assert set(rows.select("reviewer", "verdict").unique().rows()) == {("ann", "confirm"), ("bob", "relabel")}
        # The other window shows what was asked first: its key is not taken for what is asked now.
        before = (repo / VERDICTS_IN / "ann.csv").read_bytes()
        again.press("2")
        again.until(f"{SAID}.includes('another window went on')")
        assert (repo / VERDICTS_IN / "ann.csv").read_bytes() == before
        assert again.run("document.body.dataset.turn") == "3"


def test_what_fails_is_said_on_the_page_and_nothing_is_lost(browser, repo):
    with serving(repo) as (server, _):
        name = server.now()["question"]["id"]
        given = server.now()["question"]["of_given"][0]["name"]
    path = repo / "data/packed" / shard_name(shard_of(name, 4))
    path.write_bytes(path.read_bytes()[:-1])
    (repo / "data/sources/sample/images" / name).unlink()
    with serving(repo) as (server, _):
        page = opened(browser, server.url)
        page.until("document.querySelector('.stage .broken')")
        assert f"{path.name} is missing or cut" in page.run("document.querySelector('.stage .broken').textContent")
        page.press("o")
        page.until("document.querySelector('.stage .broken')?.textContent.includes('run `make inventory`')")
        page.press("o")
        if shard_of(given, 4) == shard_of(name, 4):
            assert page.run("document.querySelectorAll('.photos .broken').length")
        press(page, " ")
        content, turn = (repo / VERDICTS_IN / "ann.csv").read_bytes(), server.now()["turn"]
        folder = repo / VERDICTS_IN
        aside = folder.with_name("aside")
        folder.rename(aside)
        folder.write_bytes(b"")
        page.press("1")
        page.until("document.getElementById('said').classList.contains('bad')")
        assert "verdicts" in page.run(SAID)
        folder.unlink()
        aside.rename(folder)
        assert (folder / "ann.csv").read_bytes() == content
        assert server.now()["turn"] in (turn, turn + 1)
        page.until("document.body.dataset.turn")
        press(page, "1")
        assert (folder / "ann.csv").read_bytes() != content


def test_names_of_strangers_are_text(browser, repo):
    with serving(repo, "--random-share", "1") as (server, _):
        page = opened(browser, server.url)
        while server.now()["question"]["given"] != HOSTILE:
            press(page, " ")
        page.until(LOADED)
        assert page.run("document.querySelector('h1').textContent") == f"Is this {HOSTILE}?"
        assert page.run("document.querySelector('.of-label .choice i').textContent") == HOSTILE
        assert HOSTILE in page.run("document.getElementById('words').textContent + document.body.textContent")
        press(page, "1")
        assert HOSTILE in page.run(SAID)
        page.press("/")
        page.until("document.getElementById('search').open")
        page.type("=rosa")
        assert page.run("document.querySelector('#found i').textContent") == HOSTILE
        page.press("Enter")
        page.until("!document.getElementById('search').open")
        assert page.run("document.title") == "Review"
        assert page.run("document.querySelectorAll('b:not(.choice b), [onerror], a, iframe').length") == 0
        assert all(url.startswith(server.url) for url in page.asked)
        assert page.errors == []
        assert set(server.ask("species")[1]) == set(SPECIES)


def test_another_page_gets_nothing_and_changes_nothing(browser, repo, tmp_path):
    """Even one that knows the address and the token."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>other</title>")

        def log_message(self, format, *args):
            pass

    other = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    (tmp_path / "file.html").write_text("<!DOCTYPE html>")
    try:
        with serving(repo) as (server, _):
            said = '{"turn":0,"verdict":"confirm","species":null,"reason":null,"alone":false,"note":""}'
            for place in (f"http://127.0.0.1:{other.server_port}/", tmp_path / "file.html"):
                page = browser.open(place)
                for options in (
                    f"{{method: 'POST', mode: 'no-cors', body: '{said}'}}",
                    f"{{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: '{said}'}}",
                    "{}",
                ):
                    address = f"{server.url}{'now' if options == '{}' else 'verdict'}"
                    asked = f"fetch('{address}', {options}).then(answer => answer.text(), () => '')"
                    assert "question" not in page.run(asked)
            parts = urlsplit(server.url)
            rebound = browser.open(f"http://{ELSEWHERE}:{parts.port}{parts.path}")
            assert rebound.run("document.body.textContent").count("another name") == 1
            body = f"{{method: 'POST', headers: {{'Content-Type': 'application/json'}}, body: '{said}'}}"
            assert rebound.run(f"fetch('{parts.path}verdict', {body}).then(answer => answer.status)") == 421
            assert server.now()["turn"] == 0
            assert not (repo / VERDICTS_IN).exists()
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


@pytest.mark.parametrize(("width", "height"), [(320, 568), (600, 900), (1000, 600), (2400, 1300)])
def test_windows_of_any_size_show_the_photo_and_the_buttons(browser, repo, width, height):
    with serving(repo) as (server, _):
        page = opened(browser, server.url)
        page.resize(width, height, dark=width == 600)
        question_of(server, page, 3)
        page.until(LOADED)
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        box = "document.querySelector('.stage img').getBoundingClientRect()"
        left, top, right = (page.run(f"{box}.{side}") for side in ("left", "top", "right"))
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert right - left >= min(200, height / 3)
        assert top < height / 2
        inside = "each => each.getBoundingClientRect().right <= innerWidth"
        assert page.run(f"[...document.querySelectorAll('nav button')].every({inside})")
        # By hand as well, without a keyboard.
        turn = page.run("document.body.dataset.turn")
        page.run("document.querySelector('.of-guess .choice').click()")
        page.until(f"document.body.dataset.turn !== '{turn}'")
        background = page.run("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(20, 23, 22)") == (width == 600)
        assert page.errors == []


def test_pairs_are_told_the_same_or_different_until_there_is_none(browser, repo):
    with serving(repo, "--pairs") as (server, _):
        page = opened(browser, server.url)
        page.until(LOADED)
        assert page.run("document.querySelectorAll('.stage img').length") == 2
        page.press("o")
        page.until("document.querySelectorAll('.square').length === 2")
        for turn in range(10):
            press(page, "12 "[turn % 3])
        assert page.run("document.querySelector('h1').textContent") == "Done"
        assert read_pair_verdicts(repo / PAIRS_IN).height == 7
        press(page, "z")
        assert read_pair_verdicts(repo / PAIRS_IN).height == 6
        assert page.errors == []
