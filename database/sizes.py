"""How large stored texts are, for the database to tell without sending them."""

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, func
from sqlalchemy.orm import InstrumentedAttribute, Session

__all__ = ["bytes_of"]


def bytes_of(session: Session, *columns: InstrumentedAttribute[Any]) -> ColumnElement[int]:
    """How many bytes a row has in `columns`, of text or JSON, together; null has none.

    PostgreSQL knows it without unpacking a long text; SQLite before 3.43 has no `octet_length`.
    """
    is_postgres = session.get_bind().dialect.name == "postgresql"
    sizes = [
        func.octet_length(cast(each, Text)) if is_postgres else func.length(cast(each, LargeBinary))
        for each in columns
    ]
    return reduce(add, (func.coalesce(each, 0) for each in sizes))
