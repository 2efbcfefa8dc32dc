"""Waits for SQLite's one write lock without stopping everything else in the process.

SQLite itself waits in C, asleep for up to a tenth of a second at a time; under gevent nothing else
runs meanwhile, not even what would free the lock sooner. Here the wait is Python's, so other
greenlets go on, and one waiter of each process asks for all.
"""

import random
import sqlite3
import threading
from typing import Protocol

from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["BEGIN", "begin_writing"]

BEGIN = "BEGIN IMMEDIATE"
FIRST_PAUSE_S = 0.000_5
LONGEST_PAUSE_S = 0.005
GROWTH = 1.5
_turn = threading.Lock()


class Cursor(Protocol):
    """What is needed of the driver's cursor."""

    def execute(self, sql: str, /) -> object:
        """Run a statement."""
        ...


def begin_writing(
    cursor: Cursor,
    *,
    patience_ms: int,
    deadline_s: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Begin a transaction that holds the write lock.

    Args:
        cursor: of a connection without a transaction.
        patience_ms: how long to wait for the lock at most; what the connection waits for other
            locks afterwards.
        deadline_s: when to give up at the latest, by the clock's `monotonic`.
        clock: where the time is read and waited for.

    Raises:
        sqlite3.OperationalError: others held the lock all the while.
    """
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        if not _begins(cursor):
            latest_s = clock.monotonic() + patience_ms / 1000
            _wait(cursor, latest_s if deadline_s is None else min(deadline_s, latest_s), clock)
    finally:
        cursor.execute(f"PRAGMA busy_timeout={patience_ms}")


def _wait(cursor: Cursor, deadline_s: float, clock: Clock) -> None:
    pause_s = FIRST_PAUSE_S
    if not _turn.acquire(timeout=max(0.0, deadline_s - clock.monotonic())):
        raise sqlite3.OperationalError("database is locked")
    try:
        while not _begins(cursor):
            if clock.monotonic() >= deadline_s:
                raise sqlite3.OperationalError("database is locked")
            clock.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 (no secret hangs on it)
            pause_s = min(pause_s * GROWTH, LONGEST_PAUSE_S)
    finally:
        _turn.release()


def _begins(cursor: Cursor) -> bool:
    try:
        cursor.execute(BEGIN)
    except sqlite3.OperationalError as fault:
        if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
