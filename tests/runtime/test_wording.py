"""Durations are said in the unit that fits."""

import pytest

from stages.runtime.wording import duration_in_words


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (125, "2.1 min"), (9000, "2.5 h"), (400_000, "4.6 days")])
def test_times_in_words(seconds, words):
    assert duration_in_words(seconds) == words
