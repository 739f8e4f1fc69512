"""Links lead somewhere, every page can be reached, and pictures are those that stay."""

from urllib.parse import urlsplit

import pytest

from tests.support import ROOT
from tests.support.pages import all_pages, english, local_target, named, parse_page, read_page, translations

PAGES = all_pages()


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path):
    for link in read_page(path).links:
        parts = urlsplit(link.target)
        if parts.scheme:
            assert parts.scheme == "https", link.target
            assert "." in parts.netloc, link.target
            continue
        target, anchor = local_target(path, link.target)
        assert target.exists(), link.target
        assert target.is_relative_to(ROOT), link.target
        if anchor:
            assert target.suffix == ".md", link.target
            assert anchor in read_page(target).anchors, link.target


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_pictures_are_those_that_stay_when_a_team_commits_its_own_run(path):
    for link in read_page(path).links:
        if link.picture and not urlsplit(link.target).scheme:
            target, _ = local_target(path, link.target)
            assert target.is_relative_to(ROOT / "docs"), link.target
            assert link.text, f"{link.target} needs an alternative text"


def test_each_page_can_be_reached_from_the_readme_of_its_language():
    spanish = set(translations())
    for start, wanted in ((ROOT / "README.md", set(english())), (ROOT / "README.es.md", spanish)):
        linked = {local_target(start, link.target)[0] for link in read_page(start).links}
        assert wanted <= linked | {start}, [named(path) for path in wanted - linked]


def test_a_page_and_its_translation_lead_to_each_other():
    for spanish, original in translations().items():
        for one, other in ((spanish, original), (original, spanish)):
            assert other in {local_target(one, link.target)[0] for link in read_page(one).links}, named(one)


def test_anchors_are_those_of_github():
    """As its documentation has them: in lower case, without signs, a hyphen for each blank, numbered when repeated."""
    text = "# A `stage` that: works\n## Días de lluvia\n## Twice\n## Twice\n## [Linked](a.md) words, & more\n"
    assert parse_page(ROOT / "README.md", text).anchors == {
        "a-stage-that-works", "días-de-lluvia", "twice", "twice-1", "linked-words--more",
    }  # fmt: skip
