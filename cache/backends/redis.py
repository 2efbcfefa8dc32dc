"""The Redis tier: bytes under keys, behind the circuit; a failure is a miss, never an error.

Every verb says what the answer is while Redis is away. What the server refuses for one command
(out of memory, a wrong type) is counted and passed over; what shows that it cannot be used at all
(refused, frozen, loading, read-only, a failed login) opens the circuit.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 (redis-py's own name)
    MasterDownError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 (redis-py's own name)
)

from cache.circuit import Circuit
from cache.connection import FAULTS, Connection, RedisClient
from telemetry.clock import Clock

__all__ = ["RedisTier"]

log = structlog.get_logger(__name__)
T = TypeVar("T")
UNUSABLE = (
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    AuthenticationError,
    OSError,
)
MOVED = (ReadOnlyError, ClusterDownError, MasterDownError)
SCAN_STEP = 500


class RedisTier:
    """Redis as the engine sees it.

    Args:
        connection: gives the client.
        clock: where times are read.
        pause_s: the first pause before Redis is tried again.
        on_error: told of every failure, by the kind of error.
        on_back: called when Redis is back.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Clock,
        pause_s: float,
        on_error: Callable[[str], None],
        on_back: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._on_error = on_error
        self.circuit = Circuit(probe=self._ping, pause_s=pause_s, clock=clock, on_close=on_back)

    @property
    def is_up(self) -> bool:
        """Whether Redis is spoken to."""
        return not self.circuit.is_open

    def client(self) -> RedisClient | None:
        """The client, or `None` while Redis is away or cannot be reached."""
        return self._ask(lambda client: client, None)

    def get(self, key: str) -> bytes | None:
        """The bytes of `key`."""
        found: bytes | None = self._ask(lambda client: client.get(key), None)
        return found

    def set(self, key: str, raw: bytes, ttl_s: float) -> bool:
        """Keep `raw` for `ttl_s` seconds; whether it was kept."""
        return bool(self._ask(lambda client: client.set(key, raw, px=max(1, int(ttl_s * 1000))), 0))

    def add(self, key: str, raw: bytes, ttl_s: float) -> bool:
        """Keep `raw` if there is nothing, in one step; whether it was kept."""
        milliseconds = max(1, int(ttl_s * 1000))
        return bool(self._ask(lambda client: client.set(key, raw, px=milliseconds, nx=True), 0))

    def delete(self, key: str) -> bool | None:
        """Drop `key`: whether there was one; `None` while Redis cannot be told."""
        count = self._ask(lambda client: client.unlink(key), None)
        return None if count is None else count > 0

    def ttl_s(self, key: str) -> float | None:
        """Seconds that `key` still lives, or `None`."""
        left = self._ask(lambda client: client.pttl(key), None)
        return left / 1000 if left is not None and left > 0 else None

    def run(self, script: str, key: str, *arguments: int) -> int | None:
        """What a Lua script on one key answers; `None` while Redis is away."""
        answer = self._ask(lambda client: client.eval(script, 1, key, *arguments), None)
        return None if answer is None else int(answer)

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO; empty while Redis is away. Of a cluster, one primary's."""
        found: dict[str, Any] = self._ask(lambda client: client.info(section), {}) or {}
        nested = [each for each in found.values() if isinstance(each, dict)]
        return (
            nested[0]
            if nested and len(nested) == len(found) and ":" in next(iter(found))
            else found
        )

    def scan(self, pattern: str, cursor: int) -> tuple[int, Sequence[bytes]]:
        """One bounded step through the keys: the next cursor (0 at the end) and what it found."""
        found: Any = self._ask(
            lambda client: client.scan(cursor=cursor, match=pattern, count=SCAN_STEP), (0, [])
        )
        if isinstance(found[0], dict):  # a cluster answers by node, with a cursor each
            return 0, found[1]
        return int(found[0]), found[1]

    def stop(self) -> None:
        """End the probing and close the connections."""
        self.circuit.stop()
        self._connection.reset()

    def _ping(self) -> None:
        client = self._connection.client()
        client.ping()
        # A replica after a failover, or a server that cannot save, answers PING but takes no write.
        client.set("larder:probe", b"1", px=1000)

    def _ask(self, verb: Callable[[RedisClient], T], away: T) -> T:
        if self.circuit.is_open:
            return away
        try:
            return verb(self._connection.client())
        except FAULTS as fault:
            self._on_error(type(fault).__name__)
            if isinstance(fault, MOVED):
                self._connection.reset()
            if isinstance(fault, UNUSABLE) or not isinstance(fault, ResponseError):
                self.circuit.fail(fault)
            else:
                log.warning("redis_refused", error=str(fault)[:200])
            return away
