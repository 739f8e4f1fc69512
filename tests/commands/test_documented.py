"""The command lines of fetch and evict in the documents can be given, and their pages say what the code does."""

import re
import shlex
import sys
from http.client import HTTPMessage

import pytest

from stages.cache.directory import FILLING_LOCK
from stages.cache.eviction import BATCH, DRY_RUN_LIST, EVICTED_LOG, WHY
from stages.cache.index import INDEX_NAME
from stages.commands import evict, fetch
from stages.commands.fetch import PROBE_HOURS
from stages.download.answer import Kind, answer_without_image
from stages.download.forbidden import MOST_IN_A_ROW, PAUSES_TO_GIVE_UP, ROW
from stages.download.hosts import FAILURES_TO_PAUSE
from stages.download.ledger import LEDGER_NAME
from tests.support import ROOT
from tests.support.pages import all_pages, read_page

PARSERS = {"fetch": fetch._arguments, "evict": evict._arguments}
LINES = sorted(
    {
        (command, words)
        for page in all_pages()
        for command, of_make, of_python in re.findall(
            r"(?:make |python -m stages\.commands\.)(fetch|evict)(?: ARGS=\"([^\"]*)\"|((?: --?[\w-]+| [\w.]+)*))",
            page.read_text(encoding="utf-8"),
        )
        for words in [of_make or of_python.partition(">")[0]]
    }
)


@pytest.mark.parametrize(("command", "words"), LINES)
def test_a_command_line_of_the_documents_can_be_given(command, words, monkeypatch):
    monkeypatch.setattr(sys, "argv", [command, *shlex.split(words)])
    PARSERS[command]()


def test_all_options_stand_in_the_documents():
    named = " ".join(words for _, words in LINES)
    for option in ("--plan", "--probe", "--limit", "--hours", "--host", "--again", "--dry-run", "--to-gb"):
        assert option in named, option
    assert "--also-in-use" in named


def words_of(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


def test_the_page_on_rate_limiting_says_what_the_code_does():
    page = words_of("rate_limiting.md")
    assert f"| {FAILURES_TO_PAUSE} failures in a row" in page
    assert f"| {ROW} times 403 in a row" in page
    assert f"403 after each of {PAUSES_TO_GIVE_UP} pauses in a row" in page
    assert f"(up to {MOST_IN_A_ROW})" in page
    assert PROBE_HOURS == 1
    assert "A probe waits for an hour at the most" in page
    statuses = [int(code) for code in re.search(r"\| ((?:\d{3}, )+\d{3}) \| it pauses", page)[1].split(", ")]
    throttling = [code for code in range(400, 600) if kind(code) is Kind.THROTTLED]
    assert sorted(statuses) == throttling


@pytest.mark.parametrize("page", ["eviction.md", "es/eviction.md"])
def test_the_page_on_eviction_says_what_the_code_does(page):
    words = words_of(page)
    assert re.findall(r"\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|", words) == list(WHY)
    for name in (EVICTED_LOG, DRY_RUN_LIST, INDEX_NAME, LEDGER_NAME, f" {BATCH} "):
        assert name in words
    assert FILLING_LOCK not in words
    shown = re.findall(r"^  (\w+): [\d,]+ (.+) \([\d.]+ MB\)$", blocks_of(page), re.MULTILINE)
    assert len(shown) > 4
    assert all(WHY[why] == meaning for why, meaning in shown)


def blocks_of(page: str) -> str:
    return "".join(block for _, block in read_page(ROOT / "docs" / page).blocks)


def kind(status: int) -> Kind:
    return answer_without_image(status, "https://host.example/a.jpg", HTTPMessage()).kind
