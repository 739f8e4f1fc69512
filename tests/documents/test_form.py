"""Each page begins with who it is for, README is a page, the cheat sheet a screen, and no page waits for words."""

import re
from itertools import pairwise

import pytest

from tests.support import ROOT
from tests.support.pages import all_pages, english, named, read_page, translations

GUIDES = [path for path in all_pages() if path.parent != ROOT]
MOST_LINES = {"README.md": 150, "README.es.md": 150, "cheat_sheet.md": 45}
READMES = [path for path in all_pages() if path.name.startswith("README")]


@pytest.mark.parametrize("path", GUIDES, ids=named)
def test_a_page_begins_with_who_it_is_for_and_what_one_can_do_after_it(path):
    text = path.read_text(encoding="utf-8")
    who, after = (
        (r"\*\*Para\*\* ", r"\*\*Después\*\* ") if path in translations() else (r"\*\*For\*\* ", r"\*\*After it\*\* ")
    )
    assert re.match(rf"# [^\n]+\n\n{who}[^\n]+(?:\n[^\n]+)*", text), "title, blank line, for whom"
    first = text.split("\n\n")[1]
    assert re.search(after, first), "and what one can do after it"


@pytest.mark.parametrize("path", all_pages(), ids=named)
def test_a_page_has_one_title_and_no_level_is_left_out(path):
    levels = [level for level, _ in read_page(path).headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("path", [path for path in all_pages() if path.name in MOST_LINES], ids=named)
def test_a_short_page_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES[path.name]


@pytest.mark.parametrize("path", READMES, ids=named)
def test_the_readme_can_be_read_in_a_terminal(path):
    """At most 100 columns, but for rows of tables and lines that are a sentence with a link in them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        assert len(line) <= 100 or line.startswith("|") or "](" in line, line


@pytest.mark.parametrize("path", all_pages(), ids=named)
def test_no_place_waits_for_words(path):
    assert not re.search(
        r"^(TODO|TABLE\d*|FIGURES|FRONT|REAL|XXX)$|\b(TBD|TODO|FIXME)\b", path.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_spelling_is_american():
    british = re.compile(
        r"\b(colour|centre|licence|behaviour|artefact|grey|catalogue|organis|normalis|optimis)\w*\b",
        re.IGNORECASE,
    )
    for path in english():
        page = read_page(path)
        for text in (*page.prose, *page.cells, *(heading for _, heading in page.headings)):
            assert not british.search(text), f"{path.name}: {british.search(text)[0]}"
