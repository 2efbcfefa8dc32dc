"""Statements of the hot way on the driver's own cursor, within SQLAlchemy's transaction.

SQLAlchemy takes as long for handing one on as SQLite for running it. What it does besides is done
here where it is needed: its errors, and leaving a pool whose server went away.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

__all__ = ["execute", "execute_many"]


def execute(connection: Connection, sql: str, parameters: Any) -> int:
    """Run one statement.

    Args:
        connection: the writing one; its transaction has begun.
        sql: as the driver has it.
        parameters: as the driver takes them.

    Returns:
        How many rows it touched.

    Raises:
        DBAPIError: what SQLAlchemy would raise.
    """
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, parameters)
        touched: int = cursor.rowcount
    except _error_of(connection) as fault:
        _leave_if_gone(connection, fault, sql, parameters)
        raise _translated(connection, fault, sql) from fault
    finally:
        cursor.close()
    return touched


def execute_many(connection: Connection, sql: str, rows: Sequence[Any]) -> None:
    """Run one statement for each of `rows`; the rest is as with `execute`."""
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(sql, rows)
    except _error_of(connection) as fault:
        _leave_if_gone(connection, fault, sql, rows)
        raise _translated(connection, fault, sql) from fault
    finally:
        cursor.close()


def _error_of(connection: Connection) -> type[Exception]:
    found: type[Exception] = connection.dialect.loaded_dbapi.Error
    return found


def _leave_if_gone(connection: Connection, fault: Any, sql: str, parameters: Any) -> None:
    """Have SQLAlchemy meet a dead connection too: it then leaves all others of the pool as well."""
    if connection.dialect.is_disconnect(fault, connection.connection, None):
        connection.exec_driver_sql(sql, parameters)


def _translated(connection: Connection, fault: Any, sql: str) -> DBAPIError:
    """The fault as SQLAlchemy's, without the parameters, which are nobody's business."""
    made: DBAPIError = DBAPIError.instance(
        sql, None, fault, _error_of(connection), hide_parameters=True, dialect=connection.dialect
    )
    return made
