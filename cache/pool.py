"""Connections to Redis, taken and given back at a third of the cost.

redis-py's pools tell an observer of every step, whether anybody listens or not, and its commands
pass eight layers: for a GET that is three quarters of the time. Here is the same, without them;
every check that guards against another call's answer is kept.
"""

from typing import Any

from redis import Redis
from redis.connection import ConnectionPool
from redis.exceptions import (
    ConnectionError,  # noqa: A004 (redis-py's own name)
    ResponseError,
    TimeoutError,  # noqa: A004 (redis-py's own name)
)
from redis.sentinel import SentinelConnectionPool

__all__ = ["QuickPool", "QuickSentinelPool", "fetch"]


class _Quick:
    """What `ConnectionPool.get_connection` and `release` do to connections, and nothing else."""

    def get_connection(self: Any, command_name: Any = None, *_: Any, **__: Any) -> Any:
        """A connection that is open and has nothing left to be read.

        Raises:
            Exception: one of redis-py's; none could be opened.
        """
        del command_name
        self._checkpid()
        with self._lock:
            if self._available_connections:
                connection = self._available_connections.pop()
            else:
                connection = self.make_connection()
            self._in_use_connections.add(connection)
        try:
            _make_ready(connection)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self: Any, connection: Any) -> None:
        """Give a connection back."""
        self._checkpid()
        with self._lock:
            if connection not in self._in_use_connections:
                return  # another process's
            self._in_use_connections.discard(connection)
            if self.owns_connection(connection):
                if connection.should_reconnect():
                    connection.disconnect()
                self._available_connections.append(connection)
                return
        connection.disconnect()
        if connection.pid == self.pid:
            with self._lock:
                self._created_connections -= 1


class QuickPool(_Quick, ConnectionPool):
    """The pool of one server."""


class QuickSentinelPool(_Quick, SentinelConnectionPool):
    """The pool of the primary that the Sentinels name."""


def fetch(client: Any, key: str) -> bytes | None:
    """GET, by the shortest way that `client` has.

    Raises:
        Exception: one of redis-py's, as the client's own `get` would.
    """
    if type(client) is not Redis:
        found: bytes | None = client.get(key)
        return found
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    try:
        return _exchange(connection, key.encode())
    except ResponseError:
        raise
    except BaseException:  # cut short between the two, it would answer the next one
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _exchange(connection: Any, name: bytes) -> bytes | None:
    connection.send_packed_command((b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name),))
    raw: bytes | None = connection.read_response()
    return raw


def _make_ready(connection: Any) -> None:
    if connection._sock is None:  # noqa: SLF001 (asking it to connect again costs as much as a GET)
        connection.connect()
    if _is_clean(connection):
        return
    connection.disconnect()  # the server has closed it, or an answer that nobody read is left in it
    connection.connect()
    if not _is_clean(connection):
        raise ConnectionError("Connection not ready")


def _is_clean(connection: Any) -> bool:
    try:
        return not connection.can_read()
    except (ConnectionError, TimeoutError, OSError):
        return False
