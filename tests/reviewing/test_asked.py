"""What is asked: suspects by rank, a sample of all images mixed in, and each image once."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.reviewing.asked import Judged, Order, Question
from stages.verdicts.random_order import random_order

NAMES = [f"{number:032x}.jpg" for number in range(60)]


def together(name: str) -> list[str]:
    """Groups of two."""
    place = NAMES.index(name)
    return [name, NAMES[place ^ 1]]


def judged_by(said: dict[str, str], others=frozenset(), sampled_by_others=frozenset()) -> Judged:
    return Judged(said, others, sampled_by_others)


def order_of(suspected: list[str], share: float) -> Order:
    return Order([Question(name, "suspect") for name in suspected], random_order(NAMES), share)


def play(order: Order, said: dict[str, str], alone: list[bool]) -> list[Question]:
    """Answer all questions, each for its group or alone, as a review does."""
    asked = []
    for turn in range(1000):
        upcoming = order.upcoming(judged_by(said), together, 6)
        if not upcoming.questions:
            return asked
        question = upcoming.questions[0]
        asked.append(question)
        said.update(dict.fromkeys(upcoming.taken, "random"))
        for name in together(question.image_name)[: 1 if alone[turn % len(alone)] else 2]:
            if name == question.image_name:
                said[name] = question.asked_as
            else:
                said.setdefault(name, "neighbor")
    raise AssertionError("without end")


@given(
    st.lists(st.sampled_from(NAMES), unique=True), st.sampled_from([0.0, 0.2, 0.7]), st.lists(st.booleans(), min_size=1)
)
def test_each_image_is_asked_once_suspects_by_rank_and_the_sample_is_a_beginning(suspected, share, alone):
    said: dict[str, str] = {}
    asked = play(order_of(suspected, share), said, alone)
    assert max(Counter(question.image_name for question in asked).values(), default=1) == 1
    assert set(suspected) <= said.keys()
    by_rank = [question.image_name for question in asked if question.asked_as == "suspect"]
    assert by_rank == [name for name in suspected if name in set(by_rank)]
    sample = [name for name in random_order(NAMES) if said.get(name) == "random"]
    assert sample == random_order(NAMES)[: len(sample)]
    if not share:
        assert not sample


@given(st.lists(st.sampled_from(NAMES), unique=True), st.integers(0, 40))
def test_what_is_loaded_ahead_is_what_is_asked_and_a_new_start_goes_on(suspected, turns):
    said: dict[str, str] = {}
    ahead: list[Question] = []
    for turn in range(turns):
        # Nothing is kept between two turns but what was said.
        upcoming = order_of(suspected, 0.4).upcoming(judged_by(said), together, 6)
        if turn:
            assert upcoming.questions[: len(ahead)] == ahead
            assert len(ahead) == 5 or len(upcoming.questions) == len(ahead)
        if not upcoming.questions:
            return
        ahead = upcoming.questions[1:]
        said.update(dict.fromkeys(upcoming.taken, "random"))
        first = upcoming.questions[0]
        said[first.image_name] = first.asked_as
        said.setdefault(together(first.image_name)[1], "neighbor")


def test_of_the_questions_the_share_is_of_the_sample():
    names = [f"{number:032x}.jpg" for number in range(20_000)]
    suspected = [Question(name, "suspect") for name in names[:10_000]]
    order = Order(suspected, random_order(names), 0.2)
    found = order.upcoming(judged_by({}), lambda name: [name], 2_000).questions
    share = sum(question.asked_as == "random" for question in found) / len(found)
    assert 0.16 < share < 0.24  # four standard errors
    # And no rhythm tells which: after one of the sample comes another as often as after a suspect.
    after = [b.asked_as for a, b in pairwise(found) if a.asked_as == "random"]
    assert 0.1 < after.count("random") / len(after) < 0.3


def test_what_was_judged_as_a_suspect_is_of_the_sample_when_its_turn_comes_and_not_asked_again():
    sample = random_order(NAMES)
    said = {sample[0]: "suspect", sample[1]: "neighbor", sample[4]: "suspect"}
    order = Order([], sample, 1.0)
    upcoming = order.upcoming(judged_by(said), lambda name: [name], 2)
    assert [question.image_name for question in upcoming.questions] == sample[2:4]
    assert upcoming.taken == sample[:2]  # that of sample[4] is not reached yet


def test_the_sample_goes_on_through_what_another_reviewer_drew_and_not_through_what_he_suspected():
    sample = random_order(NAMES)
    judged = judged_by({}, others={sample[0], sample[1]}, sampled_by_others={sample[0]})
    upcoming = Order([], sample, 1.0).upcoming(judged, lambda name: [name], 1)
    # Without it, the sample of all would lack just the images that were suspected.
    assert upcoming.questions == [Question(sample[1], "random")]
    order = Order([Question(name, "suspect") for name in sample[:3]], sample, 0.0)
    assert order.upcoming(judged, lambda name: [name], 1).questions == [Question(sample[2], "suspect")]


@pytest.mark.parametrize("suspected", [0, 300, 900])
def test_the_error_rate_of_the_sample_is_that_of_all_whatever_is_suspected(suspected):
    """The wrong labels are suspected before all others; a sample that left these out would find none of them."""
    names = [f"{number:032x}.jpg" for number in range(2_000)]
    wrong = set(names[:300])
    order = Order([Question(name, "suspect") for name in names[:suspected]], random_order(names), 0.6)
    said: dict[str, str] = {}
    while questions := (upcoming := order.upcoming(judged_by(said), lambda name: [name], 1)).questions:
        said.update(dict.fromkeys(upcoming.taken, "random"))
        said[questions[0].image_name] = questions[0].asked_as
    drawn = [name for name, asked_as in said.items() if asked_as == "random"]
    assert set(drawn) == set(random_order(names)[: len(drawn)])
    if suspected:
        assert len(drawn) > suspected
        rate = sum(name in wrong for name in drawn) / len(drawn)
        assert abs(rate - 0.15) < 4 * (0.15 * 0.85 / len(drawn)) ** 0.5


def test_how_much_is_left_counts_observations():
    order = order_of(NAMES[:20], 0.5)
    group = {name: together(name)[0] if NAMES.index(name) % 2 == 0 else together(name)[1] for name in NAMES}
    assert order.left(judged_by({}), group.__getitem__) == 20
    assert order.left(judged_by({NAMES[0]: "suspect", NAMES[1]: "neighbor"}), group.__getitem__) == 18
    assert order.left(judged_by({}, others={NAMES[2], NAMES[3]}), group.__getitem__) == 18
    assert Order([], random_order(NAMES), 1.0).left(judged_by({}), group.__getitem__) == 30


def test_the_sample_alone_goes_through_all_images():
    said: dict[str, str] = {}
    play(Order([], random_order(NAMES), 1.0), said, [False])
    assert said.keys() == set(NAMES)
    assert set(said.values()) <= {"random", "neighbor"}
