"""Figures are rounded, what is used again is exact, and both are the same bytes for the same content."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tables.json_files import write_figures, write_json

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(max_size=8), FLOATS | st.integers() | st.text() | st.lists(FLOATS, max_size=3)))
def test_content_is_written_the_same_whatever_its_order_and_comes_back_to_the_bit(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("json")
    write_json(folder / "a.json", content)
    write_json(folder / "b.json", dict(reversed(content.items())))
    text = (folder / "a.json").read_text(encoding="utf-8")
    assert text == (folder / "b.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text) == content


@given(FLOATS)
def test_figures_are_rounded_and_nothing_else_is(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("json") / "a.json"
    write_figures(path, {"by": {20: [value]}, "images": 123_456_789, "name": "0.1234567"})
    assert json.loads(path.read_text()) == {
        "by": {"20": [round(value, 5)]}, "images": 123_456_789, "name": "0.1234567"
    }  # fmt: skip


@pytest.mark.parametrize("write", [write_figures, write_json])
def test_a_figure_that_is_no_number_is_refused(tmp_path, write):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "a.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
