"""Cache protocols that are known to be wrong, and one that is right, each in a few lines.

The version checker has to find the wrong ones out. They serve a number for each key from an SQLite
file through Redis; `pause_s` keeps a loader between its steps as a slow query would.
"""

import json
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

__all__ = ["PROTOCOLS", "Protocol", "make_tables"]

TTL_MS = 60_000


def make_tables(database: Path) -> None:
    """The numbers and their generations."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for table in ("numbers", "generations"):
            connection.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, value INTEGER)")


class Protocol(ABC):
    """Reads through Redis, writes to the database.

    Args:
        database: where the numbers are.
        client: Redis.
        pause_s: how long a loader takes after its query.
    """

    def __init__(self, database: Path, client: redis.Redis, pause_s: float) -> None:
        self._database = database
        self._redis = client
        self._pause_s = pause_s

    @abstractmethod
    def read(self, key: str) -> int:
        """The number of `key`."""

    @abstractmethod
    def write(self, key: str, value: int) -> None:
        """Make `value` the number of `key`."""

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._database, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _look_up(self, table: str, key: str) -> int:
        connection = sqlite3.connect(self._database, timeout=30)
        try:
            statement = f"SELECT value FROM {table} WHERE key = ?"  # noqa: S608 (our own two)
            row = connection.execute(statement, (key,)).fetchone()
        finally:
            connection.close()
        return int(row[0]) if row else 0

    def _load(self, key: str) -> int:
        value = self._look_up("numbers", key)
        threading.Event().wait(self._pause_s)
        return value

    @staticmethod
    def _put(connection: sqlite3.Connection, key: str, value: int) -> None:
        connection.execute("REPLACE INTO numbers VALUES (?, ?)", (key, value))

    @staticmethod
    def _bump(connection: sqlite3.Connection, key: str) -> None:
        connection.execute(
            "INSERT INTO generations VALUES (?, 1)"
            " ON CONFLICT (key) DO UPDATE SET value = value + 1",
            (key,),
        )

    def _get(self, key: str) -> Any:
        with suppress(redis.RedisError):
            raw = self._redis.get(key)
            return None if raw is None else json.loads(raw)
        return None

    def _set(self, key: str, value: Any) -> None:
        with suppress(redis.RedisError):
            self._redis.set(key, json.dumps(value), px=TTL_MS)


class DeleteAfterCommit(Protocol):
    """Cache-aside as most write it: a slow loader puts back what a writer has just dropped."""

    def read(self, key: str) -> int:
        """What is in Redis, else load and store."""
        found = self._get(key)
        if found is None:
            found = self._load(key)
            self._set(key, found)
        return int(found)

    def write(self, key: str, value: int) -> None:
        """Commit, then delete."""
        with self._transaction() as connection:
            self._put(connection, key, value)
        with suppress(redis.RedisError):
            self._redis.delete(key)


class Stamped(Protocol):
    """Right: the stamp is read before the data, and raised in the write's own transaction."""

    def read(self, key: str) -> int:
        """An entry under the stamp of now, else load and store under that stamp."""
        stamp = self._look_up("generations", key)
        found = self._get(key)
        if found is not None and found[0] == stamp:
            return int(found[1])
        value = self._load(key)
        self._set(key, [stamp, value])
        return value

    def write(self, key: str, value: int) -> None:
        """Put and bump in one transaction."""
        with self._transaction() as connection:
            self._put(connection, key, value)
            self._bump(connection, key)


class StampAfterData(Stamped):
    """The stamp is read when the value is stored: it promises a write that is not in it."""

    def read(self, key: str) -> int:
        """An entry under the stamp of now, else load, and only then look at the stamp."""
        found = self._get(key)
        if found is not None and found[0] == self._look_up("generations", key):
            return int(found[1])
        value = self._load(key)
        self._set(key, [self._look_up("generations", key), value])
        return value


class BumpBeforeTransaction(Stamped):
    """The stamp is raised in a transaction of its own, ahead of the data."""

    def write(self, key: str, value: int) -> None:
        """Bump, then put."""
        with self._transaction() as connection:
            self._bump(connection, key)
        threading.Event().wait(self._pause_s)
        with self._transaction() as connection:
            self._put(connection, key, value)


class FlightWithoutStamp(Stamped):
    """Whoever finds a load under way waits for it, however old it is."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = threading.Lock()
        self._flights: dict[str, tuple[threading.Event, list[int]]] = {}

    def read(self, key: str) -> int:
        """Load, or take what another is loading."""
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = (threading.Event(), [])
        done, result = flight
        if not leads:
            done.wait(30)
            return result[0]
        result.append(super().read(key))
        with self._lock:
            del self._flights[key]
        done.set()
        return result[0]


class GenerationInRedis(Protocol):
    """What is fresh is known to Redis alone, and an old snapshot brings back what was."""

    def read(self, key: str) -> int:
        """An entry under the stamp in Redis, else load and store under that stamp."""
        try:
            stamp = int(self._redis.get(f"generation:{key}") or 0)
        except redis.RedisError:
            return self._load(key)
        found = self._get(key)
        if found is not None and found[0] == stamp:
            return int(found[1])
        value = self._load(key)
        self._set(key, [stamp, value])
        return value

    def write(self, key: str, value: int) -> None:
        """Bump in Redis before and after the transaction."""
        self._raise(key)
        with self._transaction() as connection:
            self._put(connection, key, value)
        self._raise(key)

    def _raise(self, key: str) -> None:
        with suppress(redis.RedisError):
            self._redis.incr(f"generation:{key}")


PROTOCOLS = {
    each.__name__: each
    for each in (
        DeleteAfterCommit,
        Stamped,
        StampAfterData,
        BumpBeforeTransaction,
        FlightWithoutStamp,
        GenerationInRedis,
    )
}
