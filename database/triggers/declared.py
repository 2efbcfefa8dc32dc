"""Which scopes the rows of a table are cached under: said once, beside the table.

A table's `cached_in` names them by column. From it come the triggers that bump them, on SQLite and
PostgreSQL, and the namespaces that the unit of work expects a service to name. An entry of an
owner's is under `namespace:owner`, one of a public namespace under `namespace:all`, and one of a
view over everyone under `namespace:everyone`, in several rows where it is striped.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, Table, UniqueConstraint, event

from database.session import Base
from database.triggers import postgres, sqlite
from database.triggers.scopes import Scopes, TableScopes

__all__ = ["come_with", "declared"]


def declared(table: Table, scopes: Iterable[Scopes]) -> TableScopes:
    """What the triggers of `table` need to know.

    Its keys are all that a row can be replaced by: `INSERT OR REPLACE` of SQLite removes every row
    that has one of them in common with the new one.
    """
    keys = {tuple(each.name for each in table.primary_key.columns)}
    keys |= {
        tuple(each.name for each in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    }
    keys |= {tuple(each.name for each in index.columns) for index in table.indexes if index.unique}
    return TableScopes(table.name, tuple(scopes), tuple(sorted(keys)))


def _declared_among(tables: Sequence[Table]) -> list[TableScopes]:
    said: dict[str, tuple[Scopes, ...]] = {
        str(mapper.local_table): getattr(mapper.class_, "cached_in", ())
        for mapper in Base.registry.mappers
    }
    return [declared(each, said[each.name]) for each in tables if said.get(each.name)]


def _before_create(metadata: MetaData, connection: Connection, **options: Any) -> None:
    del metadata, options
    if connection.dialect.name == "postgresql":
        for statement in postgres.FUNCTIONS:
            _run(connection, statement)


def _after_create(
    metadata: MetaData, connection: Connection, *, tables: Sequence[Table], **options: Any
) -> None:
    del metadata, options
    dialect = postgres if connection.dialect.name == "postgresql" else sqlite
    for table in _declared_among(tables):
        for statement in dialect.created(table):
            _run(connection, statement)


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def come_with(metadata: MetaData) -> None:
    """Have the triggers made wherever tables of `metadata` are."""
    event.listen(metadata, "before_create", _before_create)
    event.listen(metadata, "after_create", _after_create)
