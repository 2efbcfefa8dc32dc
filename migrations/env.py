"""Where Alembic meets the application: its engine, its tables, online migrations only."""

from typing import Any, Literal

import click
from alembic import context
from sqlalchemy import Connection, TypeDecorator, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import SchemaItem

from database.search.documents import is_index_of_search
from database.session import Base, db

__all__: list[str] = []

BEGINNINGS = {
    "sqlite": text("SELECT 1"),
    "postgresql": text("SELECT pg_advisory_xact_lock(7166103548021)"),
}
"""The first statement of a migration. Machines that start together come one after the other: on
SQLite for the write lock that each transaction takes, on PostgreSQL for a lock of Larder's own."""


def _is_compared(item: SchemaItem, name: str | None, kind: str, *rest: Any) -> bool:
    """Whether a class stands for it: the search index is made by statements of its own."""
    del item, rest
    return not is_index_of_search(kind, name)


def _plain_type(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """Columns as the database sees them: a migration must not change with the application."""
    del autogen_context
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_is_compared,
        render_as_batch=True,
        compare_type=True,
        render_item=_plain_type,
    )
    with context.begin_transaction():
        context.run_migrations()


try:
    connected = db.engine.execution_options(writes=True).connect()
    connected.execute(BEGINNINGS[connected.dialect.name])
except OperationalError as fault:
    said = str(fault.orig).partition("\n")[0]
    raise click.ClickException(
        f"The database does not answer: see that DATABASE_URL is right. It said: {said}"
    ) from fault
with connected:
    _run(connected)
    connected.commit()  # all of it or, on PostgreSQL, none
