"""Where Alembic meets the application: its engine, its tables, online migrations only."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, TypeDecorator
from sqlalchemy.schema import SchemaItem

from database.search.documents import is_index_of_search
from database.session import Base, db

__all__: list[str] = []


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


with db.engine.execution_options(writes=True).connect() as connection:
    _run(connection)
    connection.commit()
