"""A host's rate, allowances and pauses are kept, whatever comes."""

import itertools
import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import HostLimits
from stages.download.clock import SystemClock
from stages.download.hosts import DAY_S, FAILURES_TO_PAUSE, HOUR_S, Allowance, Host

PAUSES = [60.0, 120.0, 300.0, 600.0]
START_S = 1_800_000_000.0


def host(*, largest_bytes=40_000_000, **limits) -> Host:
    unlimited = {"requests_per_s": None, "concurrent": 4, "gb_an_hour": None, "gb_a_day": None, "private": False}
    return Host(HostLimits(**unlimited | limits), largest_bytes=largest_bytes, pauses_s=PAUSES)


def test_requests_keep_their_distance():
    one = host(requests_per_s=2.0)
    starts, now_s = [], START_S
    for _ in range(10):
        now_s = one.ready_at_s(now_s)
        one.start(now_s)
        one.end(now_s, 1000)
        starts.append(now_s)
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(starts))


def test_requests_at_once_are_bounded():
    one = host(concurrent=2)
    one.start(START_S)
    assert one.ready_at_s(START_S) == START_S
    one.start(START_S)
    assert one.ready_at_s(START_S) == math.inf
    one.end(START_S, 0)
    assert one.ready_at_s(START_S) == START_S


@given(
    st.floats(0.05, 5), st.floats(0.06, 20), st.integers(0, 2**32), st.sampled_from([None, 0.5, 3.0]), st.integers(1, 4)
)
def test_no_hour_and_no_day_ever_brings_more_than_allowed(gb_an_hour, gb_a_day, seed, rate, concurrent):
    one = host(gb_an_hour=gb_an_hour, gb_a_day=gb_a_day, requests_per_s=rate, concurrent=concurrent)
    draw = random.Random(seed)
    came: list[tuple[float, int]] = []
    under_way = 0
    now_s = START_S
    for _ in range(150):
        ready_s = one.ready_at_s(now_s)
        if ready_s == math.inf or (under_way and draw.random() < 0.5):
            size = draw.randrange(40_000_001)
            one.end(now_s, size)
            came.append((now_s, size))
            under_way -= 1
        else:
            now_s = ready_s + draw.random() * draw.choice([0, 1, 600])
            if one.ready_at_s(now_s) > now_s:
                continue
            one.start(now_s)
            under_way += 1
    for window_s, allowed_gb in ((HOUR_S, gb_an_hour), (DAY_S, gb_a_day)):
        for end_s, _ in came:
            total = sum(size for moment_s, size in came if end_s - window_s < moment_s <= end_s)
            assert total <= allowed_gb * 1e9


def test_a_used_up_allowance_says_when_it_is_free_again():
    allowance = Allowance(100, HOUR_S)
    allowance.add(0, 60)
    allowance.add(10, 40)
    assert allowance.used_bytes(700) == 100
    assert allowance.free_at_s(700, 30) == 60 + HOUR_S
    assert allowance.free_at_s(700, 70) == 11 * 60 + HOUR_S
    assert allowance.used_bytes(60 + HOUR_S) == 40


def test_pauses_grow_from_one_429_to_the_next_and_end_with_an_answer():
    one, now_s = host(), START_S
    for expected in [60, 120, 300, 600, 600]:
        assert one.throttled(now_s, now_s, None, "http_429")
        assert one.paused_until_s - now_s == expected
        assert one.ready_at_s(now_s) == one.paused_until_s
        now_s = one.paused_until_s
    assert one.answered(now_s)
    assert one.throttled(now_s, now_s, None, "http_429")
    assert one.paused_until_s - now_s == 60


def test_after_a_pause_one_request_tries_whether_it_is_over():
    one = host(concurrent=4)
    one.throttled(START_S, START_S, None, "http_429")
    now_s = one.ready_at_s(START_S)
    one.start(now_s)
    assert one.ready_at_s(now_s) == math.inf
    one.end(now_s, 0)
    one.answered(now_s)
    one.start(now_s)
    assert one.ready_at_s(now_s) == now_s


def test_answers_to_what_was_asked_before_the_pause_count_neither_way():
    one = host()
    assert one.throttled(START_S, START_S - 1, None, "http_429")
    assert not one.throttled(START_S + 1, START_S - 1, None, "http_429")
    assert (one.strikes, one.paused_until_s) == (1, START_S + 60)
    assert not one.throttled(START_S + 1, START_S - 1, 90, "http_429")  # but a Retry-After is heeded
    assert one.paused_until_s == START_S + 91
    assert not one.answered(START_S - 1)
    assert one.strikes == 1


@pytest.mark.parametrize(("asked_s", "pause_s"), [(7, 7), (0, 1), (10**9, DAY_S)])
def test_a_retry_after_is_heeded_within_reason(asked_s, pause_s):
    one = host()
    one.throttled(START_S, START_S, asked_s, "http_503")
    assert one.paused_until_s == START_S + pause_s


def test_failures_in_a_row_are_a_pause_and_single_ones_are_not():
    one = host()
    for _ in range(3):
        for _ in range(FAILURES_TO_PAUSE - 1):
            assert not one.failed(START_S, START_S, "timeout")
        one.answered(START_S)
    for number in range(FAILURES_TO_PAUSE):
        assert one.failed(START_S, START_S, "timeout") == (number == FAILURES_TO_PAUSE - 1)
    assert (one.paused_until_s, one.why) == (START_S + 60, "timeout")


def test_whoever_sets_the_machines_clock_changes_no_wait(monkeypatch):
    earliest_s = time.time()
    clock = SystemClock()
    before_s = clock.now_s()
    assert earliest_s - 1 <= before_s <= time.time() + 1  # however long it took to come here
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= clock.now_s() - before_s < 3600


def test_a_clock_that_was_wrong_does_not_pause_for_years():
    one = host()
    one.restore(START_S + 10**9, 2, "http_429", [], START_S)
    assert one.paused_until_s == START_S + DAY_S
