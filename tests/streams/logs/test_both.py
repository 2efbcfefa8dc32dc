"""Where a worker keeps its streams."""

from streams.limits import StreamLimits
from streams.logs.both import StreamLogs


def test_without_redis_nothing_is_shared():
    """The worker's memory carries its own streams."""
    assert StreamLogs().shared(StreamLimits()) is None


def test_with_redis_logs_are_shared(new_client):
    """Under the prefix of this installation."""
    client = new_client()
    shared = StreamLogs(redis=lambda: client, prefix="mine").shared(StreamLimits())
    assert shared is not None

    shared.declare_lost("s")

    assert list(client.scan_iter()) == [b"mine:stream:{s}:lost"]
