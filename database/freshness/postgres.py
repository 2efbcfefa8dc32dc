"""Generations on PostgreSQL: one prepared SELECT on connections that are kept for nothing else.

They are never within a transaction, so that each answer is of a snapshot that begins with its
question, and no pool of the ORM's is waited for: taking a connection there costs more than asking.
One whose other end is gone without a word is given up after seconds: TCP alone takes many minutes.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

__all__ = ["MAX_CONNECTIONS", "PostgresFreshness", "PromptConnection", "connect"]

MAX_CONNECTIONS = 4
"""For each process: a question takes a tenth of a millisecond."""
WAIT_S = 10.0
ANSWER_S = 3.0
"""Twice that and a connect are within what others wait for a connection."""
DEFAULTS = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
"""Options of libpq by which TCP finds out that the other end is gone; times are s, but the last."""
CURRENT = "SELECT scope, generation FROM cache_generations WHERE scope = ANY(%s)"

Cursor = psycopg.Cursor[tuple[Any, ...]]


class PromptConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits `answer_s` seconds for each answer at most."""

    answer_s = ANSWER_S

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer.

        Raises:
            psycopg.OperationalError: it has not come in time.
        """
        return super().wait(gen, interval, self.answer_s if timeout is None else timeout)


def connect(*arguments: Any, **options: Any) -> PromptConnection:
    """Open a connection as psycopg does; options of libpq that are given come before ours."""
    return PromptConnection.connect(*arguments, **{**DEFAULTS, **options})


class PostgresFreshness:
    """The present generations, as the primary has them.

    Args:
        connect: opens a connection, such as by `connect`.
        on_statement: is told every statement.
    """

    def __init__(
        self, connect: Callable[[], PromptConnection], *, on_statement: Callable[[str], None]
    ) -> None:
        self._connect = connect
        self._tell = on_statement
        self._pools: dict[int, _Pool] = {}

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The committed generation of each of `scopes`; 0 if it has none.

        Raises:
            psycopg.Error: the database did not answer.
            TimeoutError: no connection came free.
        """
        found = dict.fromkeys(scopes, 0)
        asked = list(found)
        self._tell(CURRENT)
        found.update(self._pool().ask(asked))
        return found

    def close(self) -> None:
        """Close the connections that nobody uses just now; the next question opens another."""
        self._pool().clear()

    def _pool(self) -> "_Pool":
        process = os.getpid()  # a fork's connections are its parent's
        pool = self._pools.get(process)
        if pool is None:
            pool = self._pools.setdefault(process, _Pool(self._connect))
        return pool


class _Pool:
    """One process's connections by their cursors, the last used first."""

    def __init__(self, connect: Callable[[], PromptConnection]) -> None:
        self._connect = connect
        self._idle: list[Cursor] = []
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def ask(self, scopes: list[str]) -> list[Any]:
        if not self._free.acquire(timeout=WAIT_S):
            raise TimeoutError("no connection to ask for generations came free")
        try:
            cursor = self._take()
            if cursor is not None:
                with suppress(psycopg.OperationalError):  # the server was restarted since
                    return self._ask(cursor, scopes)
                self.clear()
            return self._ask(self._open(), scopes)
        finally:
            self._free.release()

    def clear(self) -> None:
        while (cursor := self._take()) is not None:
            cursor.connection.close()

    def _take(self) -> Cursor | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _ask(self, cursor: Cursor, scopes: list[str]) -> list[Any]:
        try:
            rows = cursor.execute(CURRENT, (scopes,)).fetchall()
        except BaseException:  # cut short (a time limit, a signal) it would answer the next one
            cursor.connection.close()
            raise
        self._idle.append(cursor)
        return rows

    def _open(self) -> Cursor:
        connection = self._connect()
        connection.autocommit = True
        return connection.cursor()
