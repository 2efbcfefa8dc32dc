"""Where a worker keeps its streams: always in memory, and in Redis when there is one."""

from collections.abc import Callable

from streams.limits import StreamLimits
from streams.logs.protocol import SharedLogs
from streams.logs.redis import RedisLogs, RedisSource

__all__ = ["StreamLogs"]


class StreamLogs:
    """The places of the logs.

    Args:
        redis: gives the current client, or `None` while Redis is not to be spoken to. Without it
            streams are known to their own worker only.
        prefix: begins every Redis key.
        on_fault: hears of every failure to reach Redis.
    """

    def __init__(
        self,
        *,
        redis: RedisSource | None = None,
        prefix: str = "larder",
        on_fault: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._on_fault = on_fault

    def shared(self, limits: StreamLimits) -> SharedLogs | None:
        """The logs that cross workers, if there are any."""
        if self._redis is None:
            return None
        return RedisLogs(self._redis, limits=limits, prefix=self._prefix, on_fault=self._on_fault)
