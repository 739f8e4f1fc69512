"""A figure in a page is that of the file which it is linked to, and stands by hand in one place alone."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.pages import all_pages, english, local_target, named, numbers_of, read_page, value_in

# Pages that hold what they have measured themselves, as no file has it. All other pages link their figures.
MEASURED = {
    "crops", "photos", "figures", "long_tail", "networks", "gpu", "same_bits", "performance", "wrong_labels",
    "use_a_model", "synonyms", "watch", "experiments", "what_runs", "failed_training",
}  # fmt: skip
RESULT = re.compile(r"(?<![\w.,:/-])(?:\d[\d,]*\.\d+(?!\.?\d)(?: ?%)?|\d[\d,]* ?%)(?!\w)")
# What looks like a result and is none: versions, and how sure an interval is.
VERSION = re.compile(r"95 % intervals?|(?:Python|YAML|CC [A-Z-]+|OpenCV|torch|timm|opset) (?:\d+\.\d+)(?:\.\d+)*")


def source_of(path: Path, target: str) -> Path | None:
    """The file of figures that a link leads to, if it does."""
    file, _ = local_target(path, target)
    return file if file.suffix in (".json", ".yaml") else None


def disagreement(text: str, value: object) -> str | None:
    """Say in which number a text does not show a value, as rounded as it shows it; percentages for shares."""
    values = value if isinstance(value, list) else [value]
    shown = numbers_of(text)
    if len(shown) != len(values):
        return f"{text!r} has {len(shown)} numbers, the file {len(values)}"
    for (number, digits), true in zip(shown, values, strict=True):
        if isinstance(true, bool) or not isinstance(true, int | float):
            return f"{true!r} is no number"
        exact = true * 100 if "%" in text else true
        if abs(exact - number) > 0.5000001 * 10**-digits:
            return f"{text!r} is {exact} in the file"
    return None


@pytest.mark.parametrize("path", all_pages(), ids=named)
def test_a_linked_figure_is_that_of_its_file(path):
    for link in read_page(path).links:
        file = source_of(path, link.target)
        if file is not None and link.title:
            assert not (wrong := disagreement(link.text, value_in(file, link.title))), (
                f"{link.title}: {wrong}: `make docs`"
            )
        elif re.match(r"\d[\d.,]* ?%?$", link.text):
            target, _ = local_target(path, link.target)
            assert file is None, f"{link.text}: the link to {link.target} has no key in its title"
            page = read_page(target)
            held = [*page.prose, *page.cells, *(linked.text for linked in page.links)]
            number = re.escape(link.text)
            assert any(re.search(rf"(?<![\d.,]){number}(?![\d]|[.,]\d)", text) for text in held), (
                f"{link.text} does not stand in {link.target}"
            )


@pytest.mark.parametrize("path", [path for path in english() if path.stem not in MEASURED], ids=named)
def test_a_guide_has_no_figure_by_hand(path):
    page = read_page(path)
    for text in (*page.prose, *page.cells):
        assert not RESULT.findall(VERSION.sub("", text)), text


def test_no_figure_of_prose_stands_by_hand_in_two_pages():
    """Tables of different things may well have the same number; a sentence that repeats another page's is a copy."""
    places = defaultdict(set)
    for path in english():
        for text in read_page(path).prose:
            for figure in RESULT.findall(VERSION.sub("", text)):
                if len(figure.replace(".", "").replace(",", "").strip("0 %")) >= 3:
                    places[figure].add(path.name)
    assert {figure: pages for figure, pages in places.items() if len(pages) > 1} == {}


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("0.92", 0.91667, True), ("0.91", 0.91667, False), ("92 %", 0.91667, True), ("91 %", 0.91667, False),
        ("0.03 %", 0.0003, True), ("0.3 %", 0.0003, False), ("741,533", 741533, True), ("741\u00a0533", 741533, True),
        ("741,534", 741533, False), ("60, 120, 300, 600 s", [60, 120, 300, 600], True),
        ("60, 120, 300 s", [60, 120, 300, 600], False), ("70 to 80 minutes", [70, 80], True), ("220 GB", 220, True),
        ("none", 220, False), ("1", True, False), ("0.00003", 0.00003, True), ("92", "92", False),
        ("5 to 15 %", [0.05, 0.15], True),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_seen(text, value, right):
    assert (disagreement(text, value) is None) == right


def test_what_counts_as_a_figure():
    found = RESULT.findall(VERSION.sub("", "Python 3.11, 0.92 of 3, 12 %, 1,234.5 and 5, v1.2.3, CC BY 4.0, 3.5x"))
    assert found == ["0.92", "12 %", "1,234.5"]


def test_the_samples_copies_are_those_of_its_run(params_content):
    """In a commit of another profile they stay as they are: the documents speak of the sample."""
    copies = sorted((ROOT / "docs/sample").iterdir())
    assert {path.suffix for path in copies} == {".json", ".png"}
    if params_content["profile"] != "sample":
        pytest.skip("this commit's run is not the sample's")
    for copy in copies:
        original = ROOT / ("metrics" if copy.suffix == ".json" else "plots") / copy.name
        assert copy.read_bytes() == original.read_bytes(), f"{copy.name} is of another run: `make docs`"
