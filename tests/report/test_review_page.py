"""The page and the comment of a review: no larger than they may be, and whatever names hold, it is text."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.evaluation.paired import Side, compare
from stages.evaluation.review import Change, compare_splits, curves_of
from stages.report import review_comment, review_page
from stages.report.review_comment import escaped, write_comment
from stages.report.review_content import Card, FigureRow, Gallery, Picture, Plot, Review, points, shown, with_interval
from stages.report.review_page import write_page
from stages.report.review_pictures import plot_picture, thumbnail
from stages.report.review_sections import tone, verdict
from tests.support.markup import Markup
from tests.support.pictures import encoded, exif_jpeg, picture
from tests.support.predictions import Example, example

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}{% raw %}<!--|`*_[a](b)@all"
VEGA = "window.vegaEmbed = () => Promise.resolve();"


def side(made: Example, name: str) -> Side:
    trained_on = made.splits["train"].select("split", "image_name", "sha256", "group")
    return Side(made.predictions["test"], made.splits["test"], made.species, trained_on, name)


@pytest.fixture(scope="module")
def comparison():
    base, head = (example(1, classes=8, train=30, val=10, test=120, skill=skill) for skill in (1.5, 5.0))
    return compare(side(base, "main"), side(head, "mine"), min_groups=10)


def everywhere(text: str, comparison) -> Review:
    """Give a review in which a text stands wherever one of strangers may."""
    images = comparison.images.with_columns(species=comparison.images["species"].replace_strict({}, default=text))
    species = comparison.species.with_columns(species=comparison.species["species"].replace_strict({}, default=text))
    card = Card(text, text, text, 0.5, None, None, None, text)
    return Review(
        base=text,
        head="working tree",
        about=[text],
        alarms=[text],
        missing=[text, f"`{text}` `"],
        comparison=replace(comparison, images=images, species=species),
        gallery=Gallery([card], [card], [text]),
        figures=[FigureRow(text, (0.5, None, None), None, text)],
        metrics=[Change(text, text, 1)],
        params=[Change(text, text, [text])],
        code=[text],
        curves=[{"run": text, "epoch": 1, "share": 0.5, "of": "top-1", "images": "training"}],
        plots=[Plot(text, {"data": {"values": [{"name": text}]}})],
        pictures=[Picture(text, b"no picture", None)],
    )


def test_no_text_of_strangers_becomes_a_tag_a_script_or_a_link(comparison):
    plain, hostile = (Markup(write_page(everywhere(text, comparison), VEGA)) for text in ("Rosa", HOSTILE))
    del hostile.tags["code"], plain.tags["code"]  # what stands between backticks, wherever they come from
    assert hostile.tags == plain.tags
    assert hostile.asks_for() == []
    assert hostile.runs() == []
    assert " ".join(HOSTILE.replace("`", "").split()) in hostile.text.replace("`", "")
    assert "49" not in write_page(everywhere(HOSTILE, comparison), VEGA).split("{{ 7*7 }}")[0][-40:]
    comment = write_comment(everywhere(HOSTILE, comparison))
    assert not re.search(r"<[a-z/!]", comment.replace("&lt;", ""))
    assert "@all" not in comment
    assert comment.count("\n|") == write_comment(everywhere("Rosa", comparison)).count("\n|")


@given(st.text(max_size=60) | st.text("\\<>&lt;`*_[]", max_size=12))
def test_markdown_shows_every_text_as_it_is(text):
    """What is written, with its escapes taken away as Markdown does, is what stood there."""
    found = escaped(text)
    assert "\n" not in found
    assert not re.search(r"(?<!\\)[`*_\[\]<>~]", found.replace("&lt;", "").replace("&gt;", ""))
    back = found.replace("\u2060", "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert re.sub(r"\\([\\`*_{}\[\]#~!])", r"\1", back) == shown(text.replace("\u2060", ""), 1_000)


@pytest.mark.parametrize(
    "text", ["@all", "#12", "ann/flora#12", "Merge pull request #12 from ann/roses", "GH-12", "_gh-1",
             "www.host.example", "_www.host.example", "http://host.example", "ftp://host.example"]
)  # fmt: skip
def test_nothing_in_a_comment_calls_somebody_or_another_issue_or_becomes_a_link(text):
    """A forge looks for these in the text that Markdown has become, where an escape is gone."""
    shown_there = re.sub(r"\\(?=[#@_])", "", escaped(text))
    assert not re.search(r"@\w|#\d|gh-\d|www\.|://", shown_there, re.IGNORECASE)


def test_a_page_is_never_too_large_and_names_what_it_leaves_out(comparison):
    noise = np.random.default_rng(1).integers(0, 255, (700, 700, 3)).astype(np.uint8)
    pictures = [
        Picture(f"plots/{number}.png", encoded(noise, "PNG"), encoded(noise[::-1], "PNG")) for number in range(2)
    ]
    plots = [Plot(f"plot {number}", {"data": {"values": ["x" * 900_000]}}) for number in range(9)]
    review = replace(everywhere("Rosa", comparison), pictures=pictures, plots=plots)
    page = write_page(review, f"/* {'v' * 900_000} */")
    assert 4_000_000 < len(page.encode()) < review_page.LARGEST_BYTES
    text = Markup(page).text
    assert re.search(r"\d plots are left out, as the page would be too large: plot \d", text)
    assert "is left out, as the page would be too large." in text
    assert "top-1: better by" in text


def test_a_comment_is_never_too_large_and_names_what_it_leaves_out(comparison):
    long = "Ä" * 5_000
    many = [Change(f"{long}{number}", long, long) for number in range(5_000)]
    review = replace(everywhere(long, comparison), params=many, metrics=many, alarms=[long] * 99, missing=[long] * 99)
    comment = write_comment(review)
    assert len(comment.encode()) < review_comment.LARGEST_BYTES
    assert "top-1: better by" in comment
    assert "More is said in the page." in comment
    assert re.search("Not in this comment, for its length, but in the page: .*Data", comment)


def test_the_verdict_is_of_what_was_compared_and_says_what_is_not_in_it(comparison):
    review = everywhere("main", comparison)
    first, *_, last = verdict(review)
    assert first.startswith("top-1: better by ")
    assert last.startswith("What another seed of the training would change is not in it")
    assert tone(review) == "better"
    worse = {name: replace(found, verdict="worse") for name, found in comparison.differences.items()}
    assert tone(replace(review, comparison=replace(comparison, differences=worse))) == "worse"
    # One of three figures is different by chance too often: the color is that of the first line.
    both = comparison.differences | {"top5": worse["top5"]}
    assert tone(replace(review, comparison=replace(comparison, differences=both))) == "better"
    for neither in ("no difference shown", "too few to say"):
        top1 = replace(comparison.differences["top1"], verdict=neither)
        found = replace(comparison, differences=comparison.differences | {"top1": top1})
        assert tone(replace(review, comparison=found)) == ""
        assert write_comment(replace(review, comparison=found)).splitlines()[2].startswith("⚪ ")
    assert verdict(replace(review, comparison=None))[0].startswith("No verdict: ")
    assert tone(replace(review, comparison=None)) == ""


def test_figures_of_other_tests_are_said_not_to_compare(comparison):
    said = "The tests are not of the same images, so these figures do not compare"
    review = everywhere("main", comparison)
    assert said not in write_comment(review)
    counts = comparison.counts | {"removed": 3, "common": 117, "compared": 117}
    comment = write_comment(replace(review, comparison=replace(comparison, counts=counts)))
    assert comment.count(said) == 2
    assert "Left out: 3 that only the test of main has." in comment


def test_a_plot_of_what_is_no_number_is_json_that_a_browser_reads():
    curve = pl.read_csv(b"epoch,val_top1\n1,NaN\n2,inf\n3,0.5\n")
    page = write_page(Review("main", "mine", curves=curves_of({"mine": curve})), VEGA)
    written = re.findall(r'<script type="application/json">(.*?)</script>', page)
    assert len(written) == 1
    values = json.loads(written[0], parse_constant=pytest.fail)["data"]["values"]
    assert [point["share"] for point in values] == [None, None, 0.5]


def test_where_nothing_is_compared_no_figure_is_said_of_it():
    base, head = example(1, classes=8, train=30, val=10, test=40), example(2, classes=8, train=30, val=10, test=40)
    others = pl.col("image_name", "group").str.replace("^", "x"), pl.col("sha256").str.replace("^0", "f")
    strangers = {name: table.with_columns(*others) for name, table in head.splits.items()}
    renamed = (
        strangers["test"].select("image_name", "sha256").hstack(head.predictions["test"].drop("image_name", "sha256"))
    )
    head = replace(head, splits=strangers, predictions=head.predictions | {"test": renamed})
    compared = compare(side(base, "main"), side(head, "mine"), min_groups=10)
    assert compared.counts["compared"] == 0
    comment = write_comment(Review("main", "mine", comparison=compared))
    assert "| top-1 | – | – |  |  |  | 0 | 0 | too few to say |" in comment
    assert not re.search(r"\bnan\b", comment)


COLUMNS = ("image_name", "sha256", "species", "group", "split")


@pytest.mark.parametrize(
    ("base", "head", "other"),
    [
        ({"a": "test", "b": "train"}, {"a": "test", "b": "train"}, False),
        ({"a": "test", "b": "train"}, {"a": "test"}, False),
        ({"a": "test"}, {"a": "test", "b": "test"}, True),
        ({"a": "test", "b": "test"}, {"a": "test"}, True),
        ({"a": "test", "b": "train"}, {"a": "test", "b": "test"}, True),
        ({"a": "test", "b": "test"}, {"a": "test", "b": "val"}, True),
    ],
)
def test_figures_of_other_tests_are_said_not_to_compare_without_a_comparison_too(base, head, other):
    """As where the base is of before the stage predict: its splits are at hand, its answers are not."""
    sides = [
        pl.DataFrame([(name, name, "Rosa", name, split) for name, split in side.items()], schema=COLUMNS, orient="row")
        for side in (base, head)
    ]
    data = compare_splits(sides[0], sides[1], (["Rosa"], ["Rosa"]))
    review = Review("main", "mine", figures=[FigureRow("top-1", (0.5, None, None), None, "2")], data=data)
    assert ("The tests are not of the same images, so these figures do not compare." in write_comment(review)) == other


def test_two_names_of_one_picture_and_what_is_no_picture(comparison):
    content = encoded(picture(), "PNG")
    pictures = [Picture("plots/a.png", content, content), Picture("plots/b.png", b"cut", content)]
    text = Markup(write_page(replace(everywhere("main", comparison), pictures=pictures), VEGA)).text
    assert "the same in both" in text
    assert "That of main is damaged, and cannot be shown." in text


def test_photos_become_small_and_keep_nothing_beside_their_pixels():
    uri = thumbnail(exif_jpeg(picture(640, 480), 6))
    assert uri is not None
    small = opened(uri)
    assert max(small.size) == 160
    assert not small.getexif()
    assert thumbnail(b"none") is None
    assert plot_picture(b"none") is None
    assert opened(plot_picture(encoded(picture(), "PNG")) or "").size == (160, 120)


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_figures_are_said_with_their_intervals():
    assert with_interval(0.9166, 0.8, 0.95) == "0.917 (0.800 to 0.950)"
    assert with_interval(0.5, None, None) == "0.500"
    assert (points(0.0151), points(-0.2), points(None)) == ("+1.5", "-20.0", "")


def test_curves_of_one_epoch_are_points():
    frame = pl.DataFrame({"epoch": [1], "val_top1": [0.5]})
    review = Review("main", "working tree", curves=curves_of({"main": frame, "working tree": frame}))
    page = write_page(review, VEGA)
    assert '"type": "point"' in page
    assert page.count('"epoch": 1') == 2
