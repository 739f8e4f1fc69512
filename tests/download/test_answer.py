"""What a status and its headers mean; a Retry-After is read in whatever form hosts write it."""

from email.message import Message
from email.utils import formatdate
from http.client import HTTPMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.download.answer import Kind, answer_without_image, retry_after_of, retry_after_s
from tests.support.bench import START_S


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0.3", 0.3),
        ("120.0", 120),
        (".5", 0.5),
        ("5.", 5),
        ("+5", 5),
        ("30s", 30),
        ("30 seconds", 30),
        ("120, 60", 120),
        ("60,120.5", 120.5),
        ("60, 120 seconds", 120),
        ("soon, 90", 90),
        (f"{formatdate(START_S + 60, usegmt=True)}, 30", 60),
        ("-1", None),
        ("-0.5", None),
        ("soon", None),
        ("1.5.2", None),
        ("0x10", None),
        ("1_0", None),
        ("nan", None),
        ("inf", None),
        (formatdate(START_S + 60).replace("-0000", ""), 60),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60),
        ("Friday, 15-Jan-27 08:01:00 GMT", 60),
        ("Fri Jan 15 08:01:00 2027", 60),
        ("Fri, 15 Jan 2027 09:01:00 +0100", 60),
        ("2027-01-15T08:01:00Z", 60),
        ("Fri, 99 Foo 2027 08:01:00 GMT", None),
        ("1e9", None),
        ("1e3", None),
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


@given(st.one_of(st.text(max_size=60), st.text(alphabet="0123456789.,+-eE :GMTJan", max_size=40)))
def test_no_text_breaks_the_reading_of_a_retry_after(value):
    seconds = retry_after_s(value, START_S)
    assert seconds is None or 0 <= seconds < 1e12


@given(st.integers(0, 999_999), st.integers(0, 999_999))
def test_of_two_values_the_longer_counts(one, other):
    assert retry_after_s(f"{one}, {other}", START_S) == max(one, other)


def headers(*retry_after: str) -> HTTPMessage:
    message = HTTPMessage()
    for value in retry_after:
        Message.add_header(message, "Retry-After", value)
    return message


def test_a_header_that_comes_twice_is_read_as_one():
    assert retry_after_of(headers("60", " 120 ")) == "60, 120"
    assert retry_after_of(headers(" ")) is None
    assert retry_after_of(headers()) is None


@pytest.mark.parametrize(
    ("status", "alone", "with_retry_after"),
    [
        (403, Kind.FORBIDDEN, Kind.FORBIDDEN),
        (404, Kind.FINAL, Kind.FINAL),
        (410, Kind.FINAL, Kind.FINAL),
        (400, Kind.FINAL, Kind.THROTTLED),
        (451, Kind.FINAL, Kind.THROTTLED),
        (408, Kind.PASSING, Kind.THROTTLED),
        (420, Kind.THROTTLED, Kind.THROTTLED),
        (425, Kind.PASSING, Kind.THROTTLED),
        (429, Kind.THROTTLED, Kind.THROTTLED),
        (500, Kind.PASSING, Kind.THROTTLED),
        (502, Kind.PASSING, Kind.THROTTLED),
        (503, Kind.THROTTLED, Kind.THROTTLED),
        (504, Kind.PASSING, Kind.THROTTLED),
        (509, Kind.THROTTLED, Kind.THROTTLED),
        (520, Kind.PASSING, Kind.THROTTLED),
        (529, Kind.THROTTLED, Kind.THROTTLED),
        (204, Kind.FINAL, Kind.FINAL),
    ],
)
def test_what_says_when_to_come_again_wants_a_pause(status, alone, with_retry_after):
    assert answer_without_image(status, "https://host.example/a.jpg", headers()).kind is alone
    assert answer_without_image(status, "https://host.example/a.jpg", headers("60")).kind is with_retry_after
