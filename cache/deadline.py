"""One time limit for all that a call to Redis takes: connect, handshake, redirection, every byte.

A socket's own time-out begins anew with each byte, and a client may open several connections for
one command; a Redis that trickles, or a Cluster with two silent nodes, would cost many of them.
Time in which this process was busy itself does not count: a loaded machine is not a dead Redis.
"""

import threading
from typing import Any

from redis.connection import Connection, SSLConnection
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from cache.pace import Start

__all__ = [
    "TimedConnection",
    "TimedSentinelConnection",
    "TimedSentinelTlsConnection",
    "TimedTlsConnection",
    "call_within",
]

SHORTEST_S = 0.001


class _Call(threading.local):
    start: Start | None = None
    limit_s: float = 0.0


_call = _Call()


class call_within:  # noqa: N801 (it reads as the block's own word)
    """Give all that this thread does with Redis in the block `limit_s` seconds together."""

    __slots__ = ("_limit_s",)

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def __enter__(self) -> None:
        _call.start, _call.limit_s = Start(), self._limit_s

    def __exit__(self, *_: object) -> None:
        _call.start = None


def _left_s(limit_s: float) -> float:
    """The seconds that the next step may take, `limit_s` at most.

    Raises:
        TimeoutError: none are left.
    """
    if _call.start is None:
        return limit_s
    left_s = _call.limit_s - _call.start.waited_s()
    if left_s < SHORTEST_S:
        raise TimeoutError("the call's time is over")
    return min(limit_s, left_s)


class _TimedSocket:
    """A socket whose reads and writes keep to the limit of the call that makes them."""

    def __init__(self, wrapped: Any, limit_s: float) -> None:
        self._wrapped = wrapped
        self._limit_s = limit_s

    def recv_into(self, buffer: bytearray) -> int:
        self._wrapped.settimeout(_left_s(self._limit_s))
        count: int = self._wrapped.recv_into(buffer)
        return count

    def sendall(self, data: bytes) -> None:
        self._wrapped.settimeout(_left_s(self._limit_s))
        self._wrapped.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class _Timed:
    socket_timeout: Any
    socket_connect_timeout: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._connect_limit_s: float = self.socket_connect_timeout

    def _connect(self) -> _TimedSocket:
        self.socket_connect_timeout = _left_s(self._connect_limit_s)
        plain = super()._connect()  # type: ignore[misc]  # of the connection it is mixed into
        return _TimedSocket(plain, self.socket_timeout)


class _TimedTls(_Timed):
    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        sock.settimeout(_left_s(self.socket_timeout))
        return super()._wrap_socket_with_ssl(sock)  # type: ignore[misc]


class _ThroughSentinel:
    def read_response(self, *arguments: Any, **options: Any) -> Any:
        # Unlike all others, these connections would stay open when a read is broken off half-way,
        # and the next command would be given the answer to this one.
        options["disconnect_on_error"] = True
        return super().read_response(*arguments, **options)  # type: ignore[misc]


class TimedConnection(_Timed, Connection):
    """A plain connection."""


class TimedTlsConnection(_TimedTls, SSLConnection):
    """A connection with TLS."""


class TimedSentinelConnection(_ThroughSentinel, _Timed, SentinelManagedConnection):
    """A connection to the primary that the Sentinels name."""


class TimedSentinelTlsConnection(_ThroughSentinel, _TimedTls, SentinelManagedSSLConnection):
    """The same with TLS."""
