"""Only photos under an open license are published, and whose they are is said."""

import polars as pl
import pytest

from stages.records.licenses import CODES
from stages.records.rights import Rights, rights_of, withheld_in_words

OPEN = ["cc0", "pd", "cc-by", "cc-by-sa"]


def images(*rows: tuple[str, str | None, str | None]) -> pl.DataFrame:
    schema = dict.fromkeys(("image_name", "license", "observer"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.mark.parametrize(
    ("license", "shown", "said"),
    [
        ("cc-by", True, "CC BY"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", True, "CC BY-SA"),
        ("CC0 1.0", True, "CC0"),
        ("public domain", True, "public domain"),
        ("cc-by-nc", False, "CC BY-NC"),
        ("CC BY-NC-ND 4.0", False, "CC BY-NC-ND"),
        ("all rights reserved", False, "no license"),
        (None, False, "no license"),
        ("ask me", False, "other license"),
    ],
)
def test_a_photo_is_shown_by_its_license(license, shown, said):
    rights = rights_of(images(("a", license, "ann")), OPEN)
    assert rights.may_show("a") == shown
    assert rights.credit("a") == f"ann, {said}"
    assert rights_of(images(("a", license, "ann")), None).may_show("a")


def test_of_several_records_the_least_free_license_counts():
    """However they are ordered: a photo must not be shown under a freer license than its own."""
    rows = [("a", "cc-by", None), ("a", "cc-by-nc", "ann"), ("a", "cc0", "bob"), ("b", "cc0", " ")]
    for order in (rows, rows[::-1]):
        rights = rights_of(images(*order), OPEN)
        assert not rights.may_show("a")
        assert rights.license("a") == "CC BY-NC"
        assert rights.credit("b") == "unnamed, CC0"


def test_a_photo_of_which_nothing_is_known_is_not_shown():
    rights = rights_of(images(), OPEN)
    assert not rights.may_show("a")
    assert rights.credit("a") == "unnamed, no license"
    assert Rights().may_show("a")


def test_credits_name_each_once_a_license():
    rows = [
        ("a", "cc-by", "bob"),
        ("b", "cc-by", "ann"),
        ("c", "cc-by", "bob"),
        ("d", "cc0", "bob"),
        ("e", "cc0", None),
    ]
    assert rights_of(images(*rows), OPEN).credits("abcde") == "ann, bob (CC BY); bob, unnamed (CC0)"
    assert rights_of(images(*rows), OPEN).credits([]) == ""


def test_what_is_withheld_is_said():
    rights = rights_of(images(), ["cc-by-sa", "cc0"])
    assert withheld_in_words(0, 9, rights) == ""
    said = "1,234 of 5,678 images may not be shown, as pictures.licenses allows cc0, cc-by-sa"
    assert withheld_in_words(1234, 5678, rights) == said
    assert rights_of(images(), None).what_is_allowed() == "any license"


def test_every_license_has_its_words():
    assert len({Rights({"a": code}).license("a") for code in CODES}) == len(CODES)
