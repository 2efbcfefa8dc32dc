"""Generations on SQLite: those known stay valid until anybody commits.

`PRAGMA data_version` (https://sqlite.org/pragma.html#pragma_data_version) differs from its last
value if and only if another connection, of this process or another, has committed since. It is
asked on a connection of its own that never writes, for a connection does not see its own commits.
Each question begins a new read transaction, hence a snapshot that is not older than the question.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence

__all__ = ["MAX_KNOWN", "SqliteFreshness"]

MAX_KNOWN = 20_000
"""Generations kept, about 3 MB; past that they are read anew."""
VERSION = "PRAGMA data_version"
CURRENT = "SELECT scope, generation FROM cache_generations WHERE scope IN ({marks})"


class SqliteFreshness:
    """The present generations of the database file at `path`.

    One connection a process, opened at the first question; a process that was forked begins with
    one of its own and leaves its parent's alone, as SQLite demands.

    Args:
        path: the database file.
        busy_timeout_s: how long a locked database is waited for.
        on_statement: is told every statement.
    """

    def __init__(
        self, path: str, *, busy_timeout_s: float, on_statement: Callable[[str], None]
    ) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._on_statement = on_statement
        self._watches: dict[int, _Watch] = {}

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The committed generation of each of `scopes`; 0 if it has none.

        Raises:
            sqlite3.Error: the database did not answer.
            OSError: its file is gone.
        """
        process = os.getpid()
        watch = self._watches.get(process)
        if watch is None:
            fresh = _Watch(self._path, self._busy_timeout_s, self._on_statement)
            watch = self._watches.setdefault(process, fresh)
        return watch.current(scopes)

    def close(self) -> None:
        """Close this process's connection; the next question opens another."""
        watch = self._watches.get(os.getpid())
        if watch is not None:
            watch.close()


class _Watch:
    """One process's connection and what it knows."""

    def __init__(
        self, path: str, busy_timeout_s: float, on_statement: Callable[[str], None]
    ) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._tell = on_statement
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: int | None = None
        self._known: dict[str, int] = {}

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            try:
                return self._current(scopes)
            except BaseException:  # a signal too may have left a statement half-way
                self._forget()
                raise

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        connection = self._connected()
        self._tell(VERSION)
        [(version,)] = connection.execute(VERSION)  # unpacked to its end: no snapshot stays open
        if version != self._version or len(self._known) > MAX_KNOWN:
            self._known = {}
            self._version = version
        known = self._known
        missing = [scope for scope in scopes if scope not in known]
        if missing:  # they may be newer than `version`: then the next question finds another one
            statement = CURRENT.format(marks=",".join("?" * len(missing)))
            self._tell(statement)
            found = dict.fromkeys(missing, 0)
            found.update(connection.execute(statement, missing).fetchall())
            known.update(found)
        return {scope: known[scope] for scope in scopes}

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that bears the name now: a restore may have replaced it."""
        found = os.stat(self._path)  # noqa: PTH116 (a path object costs twice as much)
        file = (found.st_dev, found.st_ino)
        if self._connection is None or file != self._file:
            self._forget()
            connection = sqlite3.connect(
                self._path,
                timeout=self._busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA query_only=ON")
            self._connection, self._file = connection, file
        return self._connection

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        self._file = self._version = None
        self._known = {}
        if connection is not None:
            connection.close()
