"""The documents, read by a Markdown parser of the field: their headings, links, code, figures and prose."""

import json
import os.path
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from tests.support import ROOT

# A number as English or Spanish pages write it: 741,533, 741 533 (with a no-break space), 0.92, 60.
NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Link:
    text: str
    target: str
    title: str
    picture: bool = False


@dataclass
class Page:
    """A page, taken apart. ``prose``, ``cells``: what stands outside and inside of tables, without code and links."""

    path: Path
    headings: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)
    blocks: list[tuple[str, str]] = field(default_factory=list)  # language, text
    code: list[str] = field(default_factory=list)  # inside of lines
    prose: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)  # of table rows and list items


def english() -> list[Path]:
    """The pages that people read: README, CONTRIBUTING and docs/."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def translations() -> dict[Path, Path]:
    """The English page of each Spanish one."""
    found = {path: ROOT / path.name.replace(".es.md", ".md") for path in ROOT.glob("*.es.md")}
    return found | {path: ROOT / "docs" / path.name for path in sorted((ROOT / "docs/es").glob("*.md"))}


def all_pages() -> list[Path]:
    return [*english(), *translations()]


@cache
def read_page(path: Path) -> Page:
    """Take a page apart."""
    return parse_page(path, path.read_text(encoding="utf-8"))


def parse_page(path: Path, text: str) -> Page:
    page = Page(path)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    in_table, heading = False, 0
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = int(token.tag[1])
            case "table_open" | "table_close":
                in_table = token.type == "table_open"
            case "tr_open" | "list_item_open":
                page.counts[token.type.removesuffix("_open")] += 1
            case "fence" | "code_block":
                page.blocks.append((token.info.strip(), token.content))
            case "inline":
                plain = _take_inline(page, token.children or [])
                if heading:
                    page.headings.append((heading, token.content))
                    page.anchors.add(_anchor(token.content, page.anchors))
                    heading = 0
                else:
                    (page.cells if in_table else page.prose).append(plain)
    return page


def _take_inline(page: Page, tokens: list) -> str:
    """Note the links and code of a paragraph, and give the rest of it as text."""
    plain, target, title, words = [], None, "", []
    for token in tokens:
        match token.type:
            case "link_open":
                target, title, words = token.attrs["href"], token.attrs.get("title", ""), []
            case "link_close":
                page.links.append(Link("".join(words), target, title))
                target = None
            case "image":
                page.links.append(Link(token.content, token.attrs["src"], token.attrs.get("title", ""), picture=True))
            case "code_inline":
                page.code.append(token.content)
                (plain if target is None else words).append("`" if target is None else token.content)
            case "text":
                (plain if target is None else words).append(token.content)
            case "softbreak" | "hardbreak":
                (plain if target is None else words).append(" ")
    return "".join(plain)


def _anchor(heading: str, taken: set[str]) -> str:
    """Give a heading's anchor as GitHub makes it: letters, digits, hyphens and underscores of it, in lower case."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    kept = "".join(sign for sign in text.lower() if sign in " -_" or unicodedata.category(sign)[0] in "LNM")
    anchor = kept.replace(" ", "-")
    number = 0
    while (found := f"{anchor}-{number}" if number else anchor) in taken:
        number += 1
    return found


def named(path: Path) -> str:
    """Give a page its name in the list of tests."""
    return str(path.relative_to(ROOT))


def local_target(page: Path, target: str) -> tuple[Path, str]:
    """The file and the anchor of a link that leads into the repo."""
    path, _, anchor = unquote(target).partition("#")
    return (Path(os.path.normpath(page.parent / path)) if path else page), anchor


def numbers_of(text: str) -> list[tuple[float, int]]:
    """Give the numbers of a text, each with its digits behind the point."""
    found = []
    for number in NUMBER.findall(text):
        plain = re.sub("[,\u00a0\u202f]", "", number)
        found.append((float(plain), len(plain.partition(".")[2])))
    return found


@cache
def _content(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else YAML(typ="safe").load(text)


def value_in(path: Path, key: str) -> Any:
    """Give what stands in a JSON or YAML file under a key whose parts are joined by dots; a part may have dots itself.

    Raises:
        KeyError: nothing does.
    """
    return _value(_content(path), key.split("."), key)


def _value(content: Any, parts: list[str], key: str) -> Any:
    if not parts:
        return content
    for end in range(len(parts), 0, -1):
        name = ".".join(parts[:end])
        if isinstance(content, dict) and name in content:
            return _value(content[name], parts[end:], key)
        if isinstance(content, list) and name.isdecimal() and int(name) < len(content):
            return _value(content[int(name)], parts[end:], key)
    raise KeyError(key)


def typed_lines(page: Page) -> list[str]:
    """The commands that a page gives to type, without comments: the lines of its shell blocks."""
    lines = [
        re.sub(r"\s+#\s.*$|^#.*$", "", line).strip()
        for language, block in page.blocks
        if language in ("sh", "bash", "shell")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [line for line in lines if line]


def named_commands(page: Page) -> list[str]:
    """The commands that its text names, as `make predict`: some of them are not all that one has to type."""
    return [code for code in page.code if re.match(r"(make|dvc|git|python -m|torchrun) \S", code)]
