"""Figures in pages are written anew as rounded as they stood there, and nothing else of a page is changed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.in_docs import with_figures
from stages.runtime.errors import UserError
from tests.support import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {"top1": 0.91667, "images": 741533, "pauses_s": [60, 120.0], "hosts": {"a.b.example": {"gb": 5.0}}}
    (tmp_path / "x.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[0.5](x.json "top1")', '[0.9](x.json "top1")'),
        ('[0.500 of all](x.json "top1")', '[0.917 of all](x.json "top1")'),
        ('[5 %](x.json "top1")', '[92 %](x.json "top1")'),
        ('[5.5 %](x.json "top1")', '[91.7 %](x.json "top1")'),
        ('[1,234](x.json "images")', '[741,533](x.json "images")'),
        ('[1\u00a0234](x.json "images")', '[741\u00a0533](x.json "images")'),
        ('[1](x.json "images")', '[741,533](x.json "images")'),
        ('[1 to 2 s](x.json "pauses_s")', '[60 to 120 s](x.json "pauses_s")'),
        ('[1 GB](x.json "hosts.a.b.example.gb")', '[5 GB](x.json "hosts.a.b.example.gb")'),
        ("[0.5](x.json)", "[0.5](x.json)"),
        ('![0.5](x.json "top1")', '![0.5](x.json "top1")'),
        ('[0.5](x.md "top1")', '[0.5](x.md "top1")'),
        ("0.5 of `0.5`", "0.5 of `0.5`"),
    ],
)
def test_a_figure_gets_the_value_of_its_file(folder, old, new):
    assert with_figures(f"before {old} after\n", folder) == f"before {new} after\n"


@pytest.mark.parametrize(
    "wrong", ['[0.5](x.json "top5")', '[0.5](y.json "top1")', '[none](x.json "top1")', '[1, 2](x.json "top1")']
)
def test_what_cannot_be_filled_in_is_an_error_that_names_it(folder, wrong):
    with pytest.raises(UserError, match=r"[xy]\.json") as told:
        with_figures(wrong, folder)
    assert wrong in str(told.value)


@given(st.floats(0, 1, allow_nan=False), st.integers(0, 5))
def test_what_is_written_is_the_value_as_rounded_as_before(tmp_path_factory, value, digits):
    folder = tmp_path_factory.getbasetemp()
    (folder / "x.json").write_text(json.dumps({"a": value}), encoding="utf-8")
    text = with_figures(f'[{0:.{digits}f}](x.json "a")', folder)
    shown = text[1:].partition("]")[0]
    assert len(shown.partition(".")[2]) == digits
    assert abs(float(shown) - value) <= 0.5000001 * 10**-digits


def test_the_pages_are_as_they_would_be_written():
    for path in (*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert with_figures(text, path.parent) == text, path
