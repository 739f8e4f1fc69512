"""The order of the random sample is a draw, and a name keeps its place whatever comes or goes."""

from hypothesis import given
from hypothesis import strategies as st

from stages.verdicts.random_order import random_order


@given(st.sets(st.text(max_size=8), max_size=30), st.data())
def test_what_comes_or_goes_leaves_the_others_in_their_order(names, data):
    order = random_order(names)
    assert sorted(order) == sorted(names)
    left = data.draw(st.sets(st.sampled_from(order))) if order else set()
    assert random_order(left) == [name for name in order if name in left]


def test_the_order_is_the_same_for_ever():
    assert random_order(["a.jpg", "b.jpg", "c.jpg", "d.jpg"]) == ["c.jpg", "d.jpg", "a.jpg", "b.jpg"]


def test_every_image_is_equally_likely_to_be_in_the_sample():
    names = [f"{number:032x}.jpg" for number in range(20_000)]
    sample = random_order(names)[:2_000]
    assert 900 < sum(name < names[10_000] for name in sample) < 1_100  # four standard errors and more
