"""A Redis that answers slowly: told from one hiccup, and from a process that was busy itself."""

import time

import pytest

from cache.pace import Pace, Start

TIMEOUT_S = 0.2


@pytest.fixture
def pace():
    """With the default time-out."""
    return Pace(TIMEOUT_S)


@pytest.mark.parametrize(("waited_s", "slow"), [(0.0, False), (0.04, False), (0.06, True)])
def test_what_is_slow(pace, waited_s, slow):
    """A quarter of a time-out is far from what Redis needs in the next room."""
    assert pace.is_slow(waited_s) is slow


def test_slow_answers_may_cost_one_time_out(pace):
    """Then asking has cost as much as a Redis that is frozen."""
    found = [pace.is_too_slow(10.0 + number, 0.08) for number in range(3)]

    assert found == [False, False, True]


def test_the_account_begins_anew(pace):
    """Once closed again, the circuit is not opened by what is past."""
    found = [pace.is_too_slow(10.0 + number, 0.11) for number in range(4)]

    assert found == [False, True, False, True]


def test_a_quick_answer_clears_the_account(pace):
    """Redis is not slow for having been slow now and then."""
    waits_s = (0.15, 0.001, 0.15, 0.001, 0.15)

    found = [pace.is_too_slow(10.0 + number, each) for number, each in enumerate(waits_s)]

    assert not any(found)


def test_one_hiccup_is_one(pace):
    """A hundred calls that waited for the same pause of Redis have waited for one pause."""
    found = [pace.is_too_slow(10.0 + number / 1000, 0.15) for number in range(100)]

    assert not any(found)


def test_being_busy_oneself_is_no_wait():
    """On a loaded machine an answer lies there long before anybody looks."""
    start = Start(time.monotonic() - 5, time.process_time() - 3)

    assert start.waited_s() == pytest.approx(2, abs=0.5)
