"""The Redis tier over a client that a test has made."""

from collections.abc import Callable
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 (redis-py's own name)
    InvalidResponse,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TimeoutError,  # noqa: A004 (redis-py's own name)
)

from cache.backends.redis import RedisTier
from cache.settings import CacheSettings
from telemetry.clock import Clock

__all__ = [
    "OUTAGES",
    "PATIENT_S",
    "REFUSALS",
    "FailingClient",
    "OneClient",
    "make_tier",
]

OUTAGES: dict[Exception, str] = {
    ConnectionError("refused"): "ConnectionError",
    TimeoutError("frozen"): "TimeoutError",
    BusyLoadingError("loading"): "BusyLoadingError",
    ReadOnlyError("a replica"): "ReadOnlyError",
    ClusterDownError("no quorum"): "ClusterDownError",
    AuthenticationError("WRONGPASS"): "AuthenticationError",
    RedisClusterException("no node can be reached"): "RedisClusterException",
    InvalidResponse("not Redis' protocol"): "InvalidResponse",
    ValueError("invalid literal for int()"): "InvalidResponse",
    TypeError("cannot unpack non-iterable int object"): "InvalidResponse",
    IndexError("index out of range"): "InvalidResponse",
    BrokenPipeError(): "BrokenPipeError",
    ConnectionResetError("reset by peer"): "ConnectionResetError",
    ResponseError("MISCONF Redis is configured to save RDB snapshots, but it cannot"): "CannotSave",
    ResponseError("NOREPLICAS Not enough good replicas to write."): "NotEnoughReplicas",
    ResponseError("BUSY Redis is busy running a script."): "BusyScript",
}
"""What a server says, or does not, that cannot be used at all; and the word for it."""
REFUSALS: dict[Exception, str] = {
    ResponseError("BUSYGROUP Consumer Group name already exists"): "ResponseError",
    OutOfMemoryError("OOM command not allowed"): "OutOfMemoryError",
    NoPermissionError("this user has no permissions"): "NoPermissionError",
    ResponseError("unknown command"): "ResponseError",
    MaxConnectionsError("Too many connections"): "MaxConnectionsError",
}
"""What a server says to one command, or what is a limit of our own; and the word for it."""

LONG_S = 3600.0
PATIENT_S = 30.0
"""A machine that is busy must not open the circuit: memory would answer."""


class OneClient:
    """A connection that always has the same client, and counts how often it was given up."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.resets = 0

    def client(self) -> Any:
        """The client."""
        return self._client

    def reset(self) -> None:
        """Note that the client's connections are to be given up."""
        self.resets += 1


def make_tier(
    client: Any,
    *,
    clock: Clock,
    pause_s: float = LONG_S,
    timeout_s: float = PATIENT_S,
    on_error: Callable[[str, str], None] = lambda *_: None,
    on_back: Callable[[], None] = lambda: None,
) -> RedisTier:
    """A tier whose circuit, once open, stays so unless the test says how soon to probe."""
    connection: Any = client if isinstance(client, OneClient) else OneClient(client)
    return RedisTier(
        connection,
        settings=CacheSettings(key_prefix="t", probe_s=pause_s, timeout_s=timeout_s),
        clock=clock,
        on_error=on_error,
        on_back=on_back,
    )


class FailingClient:
    """A client whose every verb fails as the test says, and which counts its calls."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.calls = 0

    def __getattr__(self, verb: str):
        def fail(*_, **__) -> None:
            self.calls += 1
            raise self.fault

        return fail
