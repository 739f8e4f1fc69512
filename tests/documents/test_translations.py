"""A Spanish page says what its English one says: the same headings, commands, figures, links, rows and items."""

import re
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.pages import Page, local_target, numbers_of, parse_page, read_page, translations

PAIRS = [pytest.param(spanish, english, id=spanish.name) for spanish, english in translations().items()]
OWNERS_FIVE = ("what_was_improved", "failed_training", "rate_limiting", "cheat_sheet", "eviction")


def test_the_owners_five_documents_are_there_in_both_languages():
    assert {path.stem for path in (ROOT / "docs/es").glob("*.md")} == set(OWNERS_FIVE)
    assert (ROOT / "README.es.md").is_file()


@pytest.mark.parametrize(("spanish", "english"), PAIRS)
def test_a_translation_is_in_step(spanish, english):
    for what, one, other in differences(read_page(spanish), read_page(english)):
        assert one == other, what


def differences(spanish: Page, english: Page) -> list[tuple[str, object, object]]:
    """Give what must be alike of both."""
    return [(what, of(spanish), of(english)) for what, of in ALIKE.items()]


def depths(page: Page) -> list[int]:
    return [level for level, _ in page.headings]


def commands(page: Page) -> list[str]:
    """Blocks of code, whose comments may be translated."""
    return [re.sub(r"(?m)(?:^|\s+)#\s.*$", "", block) for _, block in page.blocks]


def files(page: Page) -> list[Path]:
    """What links lead to; to a translated page, its translation does as well."""
    english_of = translations()
    found = [local_target(page.path, link.target)[0] for link in page.links if "://" not in link.target]
    partner = english_of.get(page.path, page.path)
    return [path for path in (english_of.get(path, path) for path in found) if path != partner and path != page.path]


def figures(page: Page) -> list[list[tuple[float, int]]]:
    """The numbers of linked figures in their order, then those of all prose and tables, in any order."""
    linked = [numbers_of(link.text) for link in page.links if link.title]
    return [*linked, sorted(number for text in (*page.prose, *page.cells) for number in numbers_of(text))]


ALIKE = {
    "depths of headings": depths,
    "code": commands,
    "code in lines": lambda page: sorted(page.code),
    "where links lead": files,
    "figures": figures,
    "table rows and list items": lambda page: page.counts,
    "titles of links": lambda page: [link.title for link in page.links if link.title],
}

ENGLISH = """# Title

**For** all. [0.5](../x.json "a.b") of 1,234 in `code`.

- one
- two

```sh
make demo   # all of it
```
"""
SPANISH = """# Título

**Para** todos. [0.5](../x.json "a.b") de 1\u00a0234 en `code`.

- uno
- dos

```sh
make demo   # todo
```
"""


def parsed(text: str) -> Page:
    return parse_page(ROOT / "docs/NAME.md", text)


def test_a_translation_in_step_is_taken_for_one():
    assert all(one == other for _, one, other in differences(parsed(SPANISH), parsed(ENGLISH)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("# Título", "## Título", "depths of headings"),
        ("make demo", "make test", "code"),
        ("`code`", "`cache`", "code in lines"),
        ("../x.json", "../y.json", "where links lead"),
        ("[0.5]", "[0.6]", "figures"),
        ("1\u00a0234", "1\u00a0243", "figures"),
        ("- dos\n", "", "table rows and list items"),
        ('"a.b"', '"a.c"', "titles of links"),
    ],
)
def test_what_is_out_of_step_is_seen(old, new, told):
    assert old in SPANISH
    wrong = differences(parsed(SPANISH.replace(old, new)), parsed(ENGLISH))
    assert told in {what for what, one, other in wrong if one != other}
