"""A Retry-After is read in seconds and as a date."""

from email.utils import formatdate

import pytest

from stages.download.answer import retry_after_s
from tests.support.bench import START_S


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("-1", None),
        ("soon", None),
        (formatdate(START_S + 60).replace("-0000", ""), 60),
        ("1e9", None),
        ("", None),
        (None, None),
        ("9" * 40, 999999999),
        ("\u0661", None),
        (formatdate(START_S + 60, usegmt=True), 60),
        (formatdate(START_S - 60, usegmt=True), 0),
    ],
)
def test_reading_a_retry_after(value, expected):
    assert retry_after_s(value, START_S) == expected
