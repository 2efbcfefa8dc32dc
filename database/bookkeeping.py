"""Statements that a ledger needs and that each database words in its own way.

A row is inserted once whoever races for it; figures are added to a row in one statement, so that
no reader's old sum can be written back over a newer one.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from database.prepared import Prepared
from database.session import Base

__all__ = ["add_up", "hold_table", "insert_once"]


def insert_once(
    connection: Connection, table: type[Base], key: str, values: Mapping[str, Any]
) -> bool:
    """Insert a row unless one with the same `key` stands there.

    A racing insert of the same key is waited for: after a `False` the other's row can be read.

    Args:
        connection: the writing transaction's.
        table: where to.
        key: the column that has to be unique.
        values: the row, by attribute.

    Returns:
        Whether this call inserted it.
    """
    return _once(table, key, tuple(values)).run(connection, values) == 1


def add_up(
    connection: Connection,
    table: type[Base],
    keys: Mapping[str, Any],
    amounts: Mapping[str, Any],
) -> None:
    """Add `amounts` to the row of `keys`, or begin it with them.

    Args:
        connection: the writing transaction's.
        table: where to; `keys` are its primary key.
        keys: which row.
        amounts: what to add, by column.
    """
    _adding(table, tuple(keys), tuple(amounts)).run(connection, {**keys, **amounts})


def hold_table(session: Session, table: type[Base]) -> None:
    """Keep others from writing `table` until this transaction ends; readers go on.

    SQLite's one writer holds the whole database already.
    """
    if session.get_bind().dialect.name == "postgresql":
        name = _table(table).name
        session.execute(text(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE"))


@lru_cache
def _once(table: type[Base], key: str, names: tuple[str, ...]) -> Prepared:
    found = _table(table)

    def word(dialect: str) -> Any:
        return _insert(dialect)(found).on_conflict_do_nothing(index_elements=[key])

    return Prepared(word, names)


@lru_cache
def _adding(table: type[Base], keys: tuple[str, ...], amounts: tuple[str, ...]) -> Prepared:
    found = _table(table)

    def word(dialect: str) -> Any:
        statement = _insert(dialect)(found)
        raised = {name: found.c[name] + statement.excluded[name] for name in amounts}
        return statement.on_conflict_do_update(index_elements=list(keys), set_=raised)

    return Prepared(word, (*keys, *amounts))


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _table(table: type[Base]) -> Table:
    found = table.__table__
    assert isinstance(found, Table)  # noqa: S101 (mapped classes may stand for joins; ours do not)
    return found
