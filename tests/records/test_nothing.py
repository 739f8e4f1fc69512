"""What programs and people write for "nothing" is told, and nothing else is."""

import pytest

from stages.records.nothing import is_null_like
from tests.support.nothing import NULL_LIKE


@pytest.mark.parametrize("text", NULL_LIKE)
def test_nothing_is_told_in_every_spelling(text):
    assert is_null_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "77",
        "-77",
        "walk-a",
        "A",
        "x",
        "0001",
        "null-3",
        "none of these",
        "🌹",
        "Nana",
        "1, 2",
        "None, 5",
        "ObjectId('5')",
    ],
)
def test_what_names_something_is_not_nothing(text):
    assert not is_null_like(text)
