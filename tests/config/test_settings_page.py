"""docs/settings.md has every section of params.yaml, and reads YAML as DVC and the stages do."""

import datetime
import re

import pytest

from stages.cache.directory import own_cache_directory
from stages.config.reading import validate
from stages.runtime.errors import UserError
from stages.runtime.yaml_files import parse_yaml
from tests.support import ROOT
from tests.support.pages import read_page

PAGE = ROOT / "docs/settings.md"
TEXT = PAGE.read_text(encoding="utf-8")


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    (table,) = re.findall(rf"^#+ {heading}$.*?((?:^\|[^\n]*\n)+)", TEXT, re.MULTILINE | re.DOTALL)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


def test_every_section_of_params_yaml_has_its_line(params_content):
    assert [row[0].strip("`") for row in rows_of("Parameters")] == list(params_content)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("010", 10), ("yes", "yes"), ("on", "on"), ("1:20", "1:20"),
        ("2026-11-23", datetime.date(2026, 11, 23)), ("", None), ("null", None),
    ],
)  # fmt: skip
def test_yaml_is_read_as_the_page_says(written, value):
    assert parse_yaml(f"key: {written}\n".encode()) == {"key": value}
    told = [cell for row in rows_of("Written as YAML 1.2") for cell in re.findall(r"`([^`]+)`", row[0])]
    assert not written or written in told


def test_a_date_without_quotes_is_refused_where_text_is_wanted(params_content):
    params_content["profiles"]["teacher"]["source"]["snapshot"] = datetime.date(2026, 11, 23)
    with pytest.raises(UserError, match="snapshot"):
        validate(params_content)


def test_a_missing_setting_is_told_as_the_page_has_it(workspace, monkeypatch):
    monkeypatch.delenv("IMAGE_CACHE_DIR", raising=False)
    with pytest.raises(UserError) as refused:
        own_cache_directory("teacher")
    quoted = [line for language, block in read_page(PAGE).blocks if language == "text" for line in block.splitlines()]
    assert quoted == [str(refused.value)]
