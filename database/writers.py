"""SQLite connections that are kept open for writing, between SQLAlchemy's pool and a transaction.

Taking one out of the pool and giving it back takes as long as the statements of a small write.
"""

import os
from collections import deque
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

__all__ = ["Writers", "is_replaced", "remember_file"]

KEPT = 4
"""One writes at a time; the others wait for it, and more than a few may come from the pool."""


class Writers:
    """The idle connections of one engine, nothing begun on any; those used last come first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: deque[Connection] = deque()
        event.listen(engine, "engine_disposed", lambda _: self._forget())

    def take(self) -> Connection:
        """A connection of the caller's own, to the file that stands at the path now."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if not is_replaced(connection.info):
                return connection
            _close(connection)
        return self._engine.connect().execution_options(writes=True)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection, whose transaction has ended, for the next."""
        if not _has_ended(connection):
            _close(connection)
        elif len(self._idle) < KEPT:
            self._idle.append(connection)
        else:
            connection.close()

    def _forget(self) -> None:
        """The pool they came from is gone."""
        while self._idle:
            _close(self._idle.pop())


def _has_ended(connection: Connection) -> bool:
    """Whether nothing is begun on it: for SQLAlchemy, and for SQLite, whose COMMIT may fail."""
    if connection.invalidated or connection.in_transaction():
        return False
    driver: Any = connection.connection.dbapi_connection
    return not driver.in_transaction


def _close(connection: Connection) -> None:
    """Close it for good, where its own `close` would give it back to the pool."""
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
