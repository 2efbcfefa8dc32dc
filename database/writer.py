"""The one SQLite connection of a process that writes, and the turns of those who want it.

SQLite has one writer at a time. Waiters of one process would each hold a connection and ask for the
lock over and over; here they wait for each other, and one of them asks. The connection is kept open
between SQLAlchemy's pool and a transaction, since taking one out of the pool and giving it back
takes as long as the statements of a small write.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from database.write_lock import BEGIN
from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["DEADLINE", "Writer", "is_replaced", "remember_file"]

DEADLINE = "larder_begin_by_s"
"""In the connection's `info`: until when its next BEGIN may wait, by the clock's `monotonic`."""


class Writer:
    """The writing connection of one engine, nothing begun on it while nobody has it."""

    def __init__(self, engine: Engine, clock: Clock = SYSTEM_CLOCK) -> None:
        self._engine = engine
        self._clock = clock
        self._turn = threading.Lock()
        self._idle: Connection | None = None
        event.listen(engine, "engine_disposed", lambda _: self._forget())

    @contextmanager
    def connection(self, *, patience_s: float) -> Iterator[Connection]:
        """The connection, to the file that stands at the path now, for the caller alone.

        Args:
            patience_s: how long to wait for those who write before, here and then in BEGIN.

        Raises:
            OperationalError: they took longer.
        """
        deadline_s = self._clock.monotonic() + patience_s
        if not self._turn.acquire(timeout=patience_s):
            fault = sqlite3.OperationalError("database is locked")
            raise OperationalError(BEGIN, None, fault)
        try:
            connection = self._take()
            connection.info[DEADLINE] = deadline_s
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._turn.release()

    def _take(self) -> Connection:
        kept, self._idle = self._idle, None
        if kept is not None and not is_replaced(kept.info):
            return kept
        if kept is not None:
            _close(kept)
        return self._engine.connect().execution_options(writes=True)

    def _give_back(self, connection: Connection) -> None:
        """Keep it for the next, if its transaction has ended."""
        if _has_ended(connection):
            self._idle = connection
        else:
            _close(connection)

    def _forget(self) -> None:
        """The pool it came from is gone."""
        kept, self._idle = self._idle, None
        if kept is not None:
            _close(kept)


def _has_ended(connection: Connection) -> bool:
    """Whether nothing is begun on it: for SQLAlchemy, and for SQLite, whose COMMIT may fail."""
    if connection.invalidated or connection.in_transaction():
        return False
    driver: Any = connection.connection.dbapi_connection
    return not driver.in_transaction


def _close(connection: Connection) -> None:
    """Close it for good, where its own `close` would give it back to the pool."""
    with suppress(Exception):  # a statement that somebody holds keeps it open, and its lock
        driver: Any = connection.connection.dbapi_connection
        driver.rollback()
    connection.invalidate()
    connection.close()


def remember_file(connection: Any, info: Any) -> None:
    """Note in `info`, that of a new connection of the driver, which file it has open."""
    path = connection.execute("PRAGMA database_list").fetchall()[0][2]
    info["path"], info["file"] = path, Path(path).stat()


def is_replaced(info: Any) -> bool:
    """Whether another file has taken the place of a connection's, as by a restored backup.

    Where there is none any more the connection is left alone: a new one would make an empty
    database.
    """
    try:
        found = os.stat(info["path"])  # noqa: PTH116 (a path object costs twice as much)
    except FileNotFoundError:
        return False
    return not os.path.samestat(found, info["file"])
