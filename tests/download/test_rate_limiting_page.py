"""What docs/rate_limiting.md quotes of the log is what a run says, with the pauses of params.yaml and no waiting."""

import itertools
import re

import pytest

from stages.runtime.errors import UserError
from tests.support import ROOT
from tests.support.bench import START_S, allow
from tests.support.image_server import Handler, Reply, image, status
from tests.support.pages import read_page
from tests.support.pictures import jpeg, picture

PAGE = (ROOT / "docs/rate_limiting.md").read_text(encoding="utf-8")
BLOCKS = [block for _, block in read_page(ROOT / "docs/rate_limiting.md").blocks if block.startswith("fetch: ")]
DIFFERS = re.compile(r"127\.0\.0\.1:\d+|\d\d:\d\d:\d\d|\([\d.]+ MB\)|[\d.]+ (?:s|min), [\d.]+ images/s, [\d.]+ MB/s$")


def events(log: str) -> list[str]:
    """The lines of a log but its progress, without what another host, hour and size of the photos change."""
    lines = [line for line in log.splitlines() if not re.match(r"fetch: \d+ of \d+ images", line)]
    return [DIFFERS.sub("…", line).removesuffix("…") for line in lines]


@pytest.fixture
def said(capsys):
    """What a run has said: its log, then its summary."""

    def events_of_it() -> list[str]:
        captured = capsys.readouterr()
        return events(captured.err + captured.out)

    return events_of_it


@pytest.fixture
def answering(bench):
    """Photos whose server answers by the number of the request, then by the photo."""
    bench.content["download"]["hosts"] = allow(bench.server.host, requests_per_s=1.0, concurrent=1)

    def photos(number: int, by_request: dict[int, Reply], by_photo: dict[int, Reply] | None = None) -> list[str]:
        count = itertools.count(1)

        def reply_of(photo: int) -> Reply:
            content = (by_photo or {}).get(photo) or image(jpeg(picture(seed=photo)))

            def reply(handler: Handler) -> None:
                by_request.get(next(count), content)(handler)

            return reply

        return [bench.server.script(f"/{photo}.jpg", reply_of(photo)) for photo in range(number)]

    return photos


def test_the_pauses_of_a_429(bench, answering, said):
    bench.fetch(*answering(40, dict.fromkeys(range(13, 17), status(429))))
    assert said()[:-1] == events(BLOCKS[0])
    assert len(BLOCKS[0].splitlines()) == len(events(BLOCKS[0])) + 1


def test_a_ban_by_403_and_photos_that_are_gone(bench, answering, said):
    gone = {11: status(404), 40: status(403)}
    bench.fetch(*answering(80, dict.fromkeys(range(20, 29), status(403)), gone))
    assert said()[1:-1] == events(BLOCKS[1])
    assert set(bench.reasons().values()) == {"http_404", "http_403"}


def test_a_ban_that_does_not_end(bench, answering, said):
    bench.fetch(*answering(40, dict.fromkeys(range(11, 1000), status(403))))
    (told,) = events(BLOCKS[2])
    assert told in said()
    assert (bench.clock.time_s - START_S) // 60 == 88
    assert " 88 minutes" in PAGE


def test_a_probe(bench, answering, said):
    photos = answering(50, {20: status(429, Retry_After="20")}, {11: status(404)})
    with pytest.raises(UserError) as failed:
        bench.fetch(*photos, images=50, probe=True)
    *told, last = events(BLOCKS[3])
    assert told == [line for line in said() if not line.startswith("  next: ")]
    assert last == f"fetch: {failed.value}"
