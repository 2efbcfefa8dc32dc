"""What a Redis is told to be wrong with: the one thing that is, with what to set."""

from typing import Any

import pytest

from cache.judgement import Evictions, judge

MB = 2**20
GOOD: dict[str, Any] = {
    "redis_version": "7.0.15",
    "role": "master",
    "maxmemory": 256 * MB,
    "maxmemory_policy": "allkeys-lru",
    "used_memory": 120 * MB,
    "mem_fragmentation_ratio": 1.1,
    "aof_enabled": 0,
    "rdb_saves": 0,
    "rdb_last_bgsave_status": "ok",
    "connected_clients": 20,
    "maxclients": 10_000,
}


def _judged(*, latency_ms=0.3, evicted=0, seconds=60.0, **said):
    return judge(
        GOOD | said,
        latency_ms=latency_ms,
        timeout_ms=200,
        evictions=Evictions(evicted, seconds),
    )


def test_a_redis_that_suits_is_not_spoken_of():
    """Silence is what an operator wants to see."""
    assert _judged() == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"maxmemory": 0}, ["maxmemory is not set", "allkeys-lru"]),
        ({"maxmemory_policy": "noeviction"}, ["noeviction", "writes fail", "set allkeys-lru"]),
        ({"maxmemory_policy": "allkeys-random"}, ["drops what is in use", "set allkeys-lru"]),
        ({"used_memory": 240 * MB}, ["240 MB of 256 MB", "dropping entries", "raise maxmemory"]),
        ({"mem_fragmentation_ratio": 1.8}, ["1.8 times", "activedefrag"]),
        ({"mem_fragmentation_ratio": 0.6}, ["60%", "swapped out"]),
        ({"aof_enabled": 1}, ["appendonly", 'save ""']),
        ({"rdb_saves": 3}, ["snapshots", 'save ""']),
        ({"rdb_last_bgsave_status": "err"}, ["could not save", "refuse writes"]),
        ({"role": "slave"}, ["replica", "primary"]),
        ({"redis_version": "5.0.14"}, ["5.0.14", "older than 6.2"]),
        ({"connected_clients": 9500}, ["9500 of 10000", "maxclients"]),
    ],
)
def test_each_fault_is_told_alone_with_its_cure(said, words):
    """One sentence: what is, what follows, what to do."""
    (told,) = _judged(**said)

    assert [each for each in words if each not in told] == []


def test_a_full_redis_that_never_evicts_will_refuse():
    """Both are told: the policy is the cure, and it is urgent."""
    told = _judged(maxmemory_policy="noeviction", used_memory=250 * MB)

    assert len(told) == 2
    assert "soon refuse writes" in told[1]


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "60 seconds"), (600, "10 minutes"), (86400, "24 hours")]
)
def test_evictions_are_told_with_their_time(seconds, words):
    """A thousand in a minute is another thing than in a day."""
    (told,) = _judged(evicted=1200, seconds=seconds)

    assert f"1200 keys in the last {words}" in told


def test_a_slow_answer_is_measured_by_the_time_out():
    """A quarter of it is near enough to losing Redis."""
    (told,) = _judged(latency_ms=61)

    assert "61 ms" in told
    assert "200 ms" in told
    assert _judged(latency_ms=49) == []


def test_a_small_redis_is_not_called_fragmented():
    """An empty one takes ten times what it uses, and that is nothing."""
    assert _judged(used_memory=2 * MB, mem_fragmentation_ratio=9.0) == []


@pytest.mark.parametrize("said", [{}, {"redis_version": "unknown"}, {"redis_version": "7"}])
def test_what_is_not_said_is_no_fault(said):
    """Hosted ones forbid INFO, or name their version as they like."""
    assert judge(said, latency_ms=0.3, timeout_ms=200, evictions=Evictions(0, 1)) == []
