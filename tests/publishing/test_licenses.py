"""What the licenses of photos and of starting weights let a model be passed on under."""

import re
from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import License, PublishLicense
from stages.publishing.licenses import (
    WANTED,
    allowed_licenses,
    by_license,
    check_license,
    forbidden_by,
    weights_code,
)
from stages.records.licenses import BY_FREEDOM, CODES
from stages.runtime.errors import UserError
from tests.support import ROOT

# Written by hand, a row a license of photos: y where a model that they made may be passed on.
COLUMNS = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "apache-2.0", "mit")
TABLE = {
    #               0  by sa nc ns ap mit
    "cc0":         "y  y  y  y  y  y  y",
    "pd":          "y  y  y  y  y  y  y",
    "cc-by":       "-  y  y  y  y  y  y",
    "cc-by-sa":    "-  -  y  -  -  -  -",
    "cc-by-nc":    "-  -  -  y  y  -  -",
    "cc-by-nc-sa": "-  -  -  -  y  -  -",
    "cc-by-nd":    "-  -  -  -  -  -  -",
    "cc-by-nc-nd": "-  -  -  -  -  -  -",
    "none":        "-  -  -  -  -  -  -",
    "other":       "-  -  -  -  -  -  -",
}  # fmt: skip
PAIRS = [
    (of_photos, wanted, mark == "y")
    for of_photos, row in TABLE.items()
    for wanted, mark in zip(COLUMNS, row.split(), strict=True)
]
# As sources write them.
WRITTEN = {"none": "all rights reserved", "other": "ask me first", "pd": "public domain"}


def test_the_docs_show_this_table():
    text = (ROOT / "docs/use_a_model.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|$", text.split("| license of a photo of")[1], re.MULTILINE)
    shown = {code: re.findall(r"`([^`]+)`", under) for codes, under in rows for code in re.findall(r"`([^`]+)`", codes)}
    shown["cc-by"] = [wanted for wanted in COLUMNS if wanted not in shown["cc-by"]]  # which are those that it is not
    allowed = {code: [wanted for of, wanted, fine in PAIRS if of == code and fine] for code in CODES}
    assert shown == allowed


def photos(*licenses: str | None) -> pl.DataFrame:
    names = [f"{number:02}.jpg" for number in range(len(licenses))]
    return pl.DataFrame(
        {"image_name": names, "license": licenses}, schema={"image_name": pl.String, "license": pl.String}
    )


def test_the_table_has_each_license_there_is():
    assert set(TABLE) == {*CODES} == {*get_args(License)}
    assert COLUMNS == WANTED == get_args(PublishLicense)


@pytest.mark.parametrize(("of_photos", "wanted", "allowed"), PAIRS)
def test_each_license_of_photos_allows_what_the_table_says(of_photos, wanted, allowed):
    images = photos("cc0", WRITTEN.get(of_photos, of_photos))
    assert (forbidden_by(wanted, images, None) == []) == allowed
    assert (wanted in allowed_licenses(images, None)) == allowed
    if allowed:
        check_license(wanted, images, None)
    else:
        with pytest.raises(UserError, match=f"publish.license {wanted} is forbidden.*1 photo "):
            check_license(wanted, images, None)


@given(st.lists(st.sampled_from(CODES), min_size=1, max_size=12), st.sampled_from(WANTED), st.randoms())
def test_licenses_together_allow_what_each_of_them_allows(codes, wanted, random):
    """And each photo that forbids is counted once, in whatever order they come."""
    images = photos(*(WRITTEN.get(code, code) for code in codes))
    forbidding = [code for code in codes if (code, wanted, False) in PAIRS]
    objections = forbidden_by(wanted, images, None)
    assert {each.license: each.images for each in objections} == {code: codes.count(code) for code in forbidding}
    shuffled = images.sample(fraction=1, shuffle=True, seed=random.randrange(100))
    assert forbidden_by(wanted, shuffled, None) == objections


@pytest.mark.parametrize("unsaid", [None, "", "  "])
def test_a_photo_of_which_nothing_is_said_forbids_any_license(unsaid):
    assert allowed_licenses(photos("cc0", unsaid), None) == []


def test_what_forbids_is_said_in_a_line_with_what_to_do():
    images = photos("cc-by-nc", "cc-by-nc", "cc0", "cc-by-sa", None)
    with pytest.raises(UserError) as caught:
        check_license("cc-by-4.0", images, "cc-by-nc-4.0")
    assert str(caught.value) == (
        "publish.license cc-by-4.0 is forbidden by what the model was made of: "
        "2 photos under cc-by-nc (no commercial use), such as 00.jpg; "
        "1 photo under cc-by-sa (to be passed on under cc-by-sa alone), such as 03.jpg; "
        "1 photo without a license (all rights reserved, or nothing said), such as 04.jpg; "
        "the starting weights under cc-by-nc-4.0 (no commercial use). "
        "Either leave publish.license null, as no license is allowed by all of them; "
        "or train without them (licenses.allowed, model.weights)"
    )
    with pytest.raises(UserError, match=r"Either set publish.license to cc-by-nc-4.0 or cc-by-nc-sa-4.0; or train"):
        check_license("mit", photos("cc0", "cc-by-nc"), None)


def test_no_license_wanted_is_forbidden_by_nothing():
    check_license(None, photos("all rights reserved"), "cc-by-nd-4.0")


@pytest.mark.parametrize(
    ("written", "forbidden"),
    [
        (None, ""),
        ("", ""),
        ("unknown", ""),
        ("Apache-2.0", "cc0-1.0"),
        ("apache-2.0", "cc0-1.0"),
        ("Apache License 2.0", "cc0-1.0"),
        ("Apache License, Version 2.0", "cc0-1.0"),
        ("Apache Software License", "cc0-1.0"),
        ("MIT", "cc0-1.0"),
        ("MIT License", "cc0-1.0"),
        ("BSD-3-Clause", "cc0-1.0"),
        ("ISC", "cc0-1.0"),
        ("cc-by-4.0", "cc0-1.0"),
        ("cc0-1.0", ""),
        ("Unlicense", ""),
        ("CC BY-NC 4.0", "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 apache-2.0 mit"),
        ("cc-by-nc-4.0", "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 apache-2.0 mit"),
        ("cc-by-nc-sa-4.0", "cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 apache-2.0 mit"),
        ("cc-by-sa-4.0", "cc0-1.0 cc-by-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 apache-2.0 mit"),
        ("gpl-3.0", " ".join(COLUMNS)),
        ("agpl-3.0", " ".join(COLUMNS)),
        ("openrail", " ".join(COLUMNS)),
        ("other", " ".join(COLUMNS)),
        ("fair-noncommercial-research-license", " ".join(COLUMNS)),
        ("apache-2.0 with commons clause", " ".join(COLUMNS)),
        ("cc-by-nd-4.0", " ".join(COLUMNS)),
    ],
)
def test_the_license_of_starting_weights_counts_where_it_is_known(written, forbidden):
    found = {wanted: forbidden_by(wanted, photos("cc0"), written) for wanted in WANTED}
    assert [wanted for wanted in WANTED if found[wanted]] == forbidden.split()
    assert all(each.images == 0 and written in str(each) for objections in found.values() for each in objections)


@given(st.text(max_size=40))
def test_any_text_of_weights_has_a_code_or_is_unknown(text):
    assert weights_code(text) in {None, *CODES}


def test_photos_are_counted_by_license_from_the_freest():
    counts = by_license(photos(None, "cc-by", "CC BY 4.0", "ask me", "CC0"))
    assert counts == {"cc0": 1, "cc-by": 2, "other": 1, "none": 1}
    assert list(counts) == [code for code in BY_FREEDOM if code in counts]
