"""Statements of the hot way: compiled once for each database, then run on the driver.

SQLAlchemy words them, and its types write the values; what is left out is looking each statement up
again, and handing it on, each of which takes as long as running it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler

from database import driver

__all__ = ["Prepared"]

Write = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One dialect's wording, and what makes each parameter its driver's value.

    `writes` are in the order of a driver that counts them, where `is_counted`.
    """

    sql: str
    writes: Sequence[tuple[str, Write | None]]
    fixed: Mapping[str, Any]
    is_counted: bool


class Prepared:
    """One statement with parameters, whatever the database.

    Args:
        word: gives the statement for a dialect's name.
        names: the parameters that each run gives; whatever else the statement has is fixed.
    """

    def __init__(self, word: Callable[[str], Executable], names: Sequence[str]) -> None:
        self._word = word
        self._names = tuple(names)
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Run it in `connection`'s transaction.

        Args:
            connection: the writing one.
            values: one for each parameter, as its column's type takes it.

        Returns:
            How many rows it touched.

        Raises:
            KeyError: a parameter has no value.
        """
        found = self._compiled.get(connection.dialect.name)
        if found is None:
            found = self._compile(connection.dialect)
            self._compiled[connection.dialect.name] = found
        given = {**values, **found.fixed} if found.fixed else values
        written = [
            given[name] if write is None else write(given[name]) for name, write in found.writes
        ]
        if found.is_counted:
            return driver.execute(connection, found.sql, tuple(written))
        names = [name for name, _ in found.writes]
        return driver.execute(connection, found.sql, dict(zip(names, written, strict=True)))

    def _compile(self, dialect: Dialect) -> _Compiled:
        statement: Any = self._word(dialect.name)
        compiled = statement.compile(dialect=dialect, column_keys=list(self._names))
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 (DDL has no parameters)
        writes = {
            name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
            for parameter, name in compiled.bind_names.items()
        }
        fixed = {
            name: compiled.params[name] if write is None else write(compiled.params[name])
            for name, write in writes.items()
            if name not in self._names
        }
        order = compiled.positiontup
        return _Compiled(
            sql=str(compiled),
            writes=[(name, None if name in fixed else writes[name]) for name in order or writes],
            fixed=fixed,
            is_counted=order is not None,
        )
