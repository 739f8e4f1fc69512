"""Ranges of counts have names that say them, sort as text, and hold each count in one range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tables.size_bins import bins_of, name_bins


@pytest.mark.parametrize(
    ("bounds", "names"),
    [
        ([1, 5, 10], ["01", "02-05", "06-10", "11 or more"]),
        ([1, 2, 9], ["01", "02", "03-09", "10 or more"]),
        ([3], ["1-3", "4 or more"]),
    ],
)
def test_names_of_ranges(bounds, names):
    assert name_bins(bounds) == names


@given(st.sets(st.integers(1, 10**7), min_size=1).map(sorted), st.lists(st.integers(1, 10**8), min_size=1))
def test_names_sort_as_their_numbers_and_a_count_lies_in_the_range_of_its_name(bounds, counts):
    names = name_bins(bounds)
    assert names == sorted(names)
    for count, number in zip(counts, bins_of(np.array(counts), bounds), strict=True):
        name = names[number]
        if name.endswith(" or more"):
            assert count >= int(name.removesuffix(" or more"))
        else:
            low, _, high = name.partition("-")
            assert int(low) <= count <= int(high or low)
