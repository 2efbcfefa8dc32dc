"""Episodes in which Redis was up and kept nothing."""

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from cache.circuit import KEPT_OUTAGES
from cache.refusals import QUIET_S, Refusals

FULL = OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")


@pytest.fixture
def refusals(clock):
    """Of one worker."""
    return Refusals(clock)


def test_many_refusals_are_one_episode(refusals, clock, logged):
    """A full Redis refuses a thousand writes a second; it is told of once."""
    began_at = clock.now()
    for _ in range(1000):
        refusals.refused(FULL)

    (episode,) = refusals.episodes
    assert (episode.began_at, episode.reason, episode.ended_at) == (
        began_at,
        "OutOfMemoryError",
        None,
    )
    assert episode.detail == str(FULL)
    assert [line["event"] for line in logged()] == ["redis_refused"]


def test_an_episode_ends_when_values_are_kept_again(refusals, clock):
    """With how long it was."""
    refusals.refused(FULL)
    clock.advance(QUIET_S + 1)

    refusals.accepted()

    assert refusals.episodes[-1].ended_at == clock.now()


def test_one_kept_value_is_no_end(refusals, clock):
    """At its limit a server takes the small and refuses the large, in turn."""
    refusals.refused(FULL)
    clock.advance(QUIET_S - 1)

    refusals.accepted()

    assert refusals.episodes[-1].ended_at is None


def test_an_episode_after_its_end_is_another(refusals, clock):
    """An operator sees how often."""
    refusals.refused(FULL)
    clock.advance(QUIET_S + 1)
    refusals.accepted()
    refusals.accepted()

    refusals.refused(FULL)

    assert [each.ended_at is None for each in refusals.episodes] == [False, True]


def test_another_reason_is_another_episode(refusals):
    """What has to be mended is another thing."""
    refusals.refused(FULL)
    refusals.refused(ResponseError("WRONGTYPE"))

    assert [each.reason for each in refusals.episodes] == ["OutOfMemoryError", "ResponseError"]
    assert refusals.episodes[0].ended_at is not None


def test_nothing_refused_is_nothing_to_end(refusals):
    """Every value that is kept asks."""
    refusals.accepted()

    assert not refusals.episodes


def test_episodes_are_bounded(refusals):
    """A year of them does not fill the memory."""
    for number in range(KEPT_OUTAGES + 5):
        refusals.refused([FULL, ResponseError("WRONGTYPE")][number % 2])

    assert len(refusals.episodes) == KEPT_OUTAGES
