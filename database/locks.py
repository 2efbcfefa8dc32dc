"""Advisory locks of PostgreSQL: the database's side of the cache's `LoadLocks`.

They keep the machines of a fleet from loading the same thing at once while Redis is away. Each is
held by a transaction of its own, so that it ends with its connection, and passes through a pooler.
"""

import threading
from hashlib import blake2b
from typing import Any

import psycopg
from sqlalchemy import make_url

__all__ = ["MAX_HELD", "PostgresLocks", "TooManyLocks"]

MAX_HELD = 4
CONNECT_S = 2
TRY = "SELECT pg_try_advisory_xact_lock(%s)"

Connection = psycopg.Connection[tuple[Any, ...]]


class TooManyLocks(RuntimeError):
    """This worker holds as many as it may; what it loads beyond that it loads without one."""


class _Held:
    """A lock, by the transaction that holds it."""

    def __init__(self, locks: "PostgresLocks", connection: Connection) -> None:
        self._locks = locks
        self._connection = connection

    def left(self) -> bytes | None:
        """Nothing: a lock hands nothing over."""
        return None

    def leave(self, raw: bytes) -> None:
        """Nowhere."""
        del raw

    def release(self) -> None:
        """End the transaction."""
        self._locks.give_back(self._connection)


class PostgresLocks:
    """Locks by name, on at most four connections of a worker that are there for nothing else.

    Args:
        url: the database's, as SQLAlchemy has it.
    """

    def __init__(self, url: str) -> None:
        plain = make_url(url).set(drivername="postgresql")
        self._dsn = plain.render_as_string(hide_password=False)
        self._free = threading.BoundedSemaphore(MAX_HELD)
        self._idle: list[Connection] = []

    def try_hold(self, name: str) -> _Held | None:
        """Take the lock `name`, or learn at once that somebody has it.

        Raises:
            TooManyLocks: four are held already.
            psycopg.Error: the database did not answer.
        """
        if not self._free.acquire(blocking=False):
            raise TooManyLocks
        connection = None
        try:
            connection = self._connection()
            answer = connection.execute(TRY, (_number(name),)).fetchone()
        except BaseException:
            self._free.release()
            if connection is not None:
                connection.close()
            raise
        if answer is not None and answer[0]:
            return _Held(self, connection)
        self.give_back(connection)
        return None

    def give_back(self, connection: Connection) -> None:
        """End a transaction, and with it the lock that it holds."""
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()  # it is gone, and its lock too
        else:
            self._idle.append(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close the connections that hold nothing."""
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return psycopg.connect(self._dsn, connect_timeout=CONNECT_S)


def _number(name: str) -> int:
    """What PostgreSQL knows the lock by: 64 bits of a hash."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
