"""What crosses workers."""

from streams.logs.protocol import Fetched, SharedLogs
from streams.logs.redis import RedisLogs


def test_nothing_known_is_the_default():
    """An unknown stream has no events, no worker and no loss."""
    assert Fetched() == Fetched(
        events=(), more=False, owner=None, lost=False, ends=set(), damaged=False
    )


def test_redis_logs_are_shared_logs():
    """The engine sees the protocol only."""
    methods = [name for name in vars(SharedLogs) if not name.startswith("_")]

    assert all(callable(getattr(RedisLogs, name)) for name in methods)
