"""What can be searched: one document for each title and each message that has words.

A flush that writes a title or a message writes its document too; deletion is the database's own
(`ON DELETE CASCADE`), and the index follows its table by triggers or as a generated column. So no
way of writing through a session can leave the search behind.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    ClauseElement,
    ColumnElement,
    Delete,
    ForeignKey,
    Integer,
    Text,
    delete,
    event,
    func,
    insert,
)
from sqlalchemy.orm import Mapped, ORMExecuteState, PassiveFlag, Session, mapped_column
from sqlalchemy.orm.attributes import get_history

from database.search import postgres, sqlite
from database.search.words import Term, body_of
from database.session import Base
from database.triggers.scopes import owned
from database.types import UtcDateTime

__all__ = ["BypassesSearch", "SearchDocument", "having", "is_index_of_search", "searched"]


class BypassesSearch(RuntimeError):
    """A bulk statement would change texts without their documents: write them as objects."""


class SearchDocument(Base):
    """The folded words of one title (`message_id` is null) or of one message."""

    __tablename__ = "search_documents"
    cached_in = (owned("conversations", "user_id"),)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[str | None] = mapped_column(
        ForeignKey("messages.id", ondelete="CASCADE"), unique=True
    )
    said_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[str] = mapped_column(Text)


_TABLE = Base.metadata.tables[SearchDocument.__tablename__]
_SEARCHED: dict[type[Any], str] = {}


def searched(table: type[Base], column: str) -> None:
    """Have `column` of `table` searched: a conversation's own, or else a message's."""
    _SEARCHED[table] = column


def having(session: Session, owner: str, terms: Iterable[Term]) -> list[ColumnElement[bool]]:
    """The conditions under which a document is `owner`'s and has all of `terms`."""
    asked = tuple(terms)
    is_postgres = session.get_bind().dialect.name == "postgresql"
    place = func.strpos if is_postgres else func.instr
    found = (postgres if is_postgres else sqlite).indexed(owner, asked)
    phrases = [term.pattern for term in asked if len(term.words) > 1]
    return [found, *(place(SearchDocument.body, each) > 0 for each in phrases)]


def is_index_of_search(kind: str, name: str | None) -> bool:
    """Whether a schema object, by its kind and name, is the index's and has no mapped class.

    A migration's comparison of the database with the tables leaves these out.
    """
    return (kind, name) in {
        ("column", postgres.VECTOR_COLUMN),
        ("index", postgres.INDEX),
        *(("table", each) for each in sqlite.INDEX_TABLES),
    }


def _after_flush(session: Session, context: Any) -> None:
    del context
    made = [entry for row in session.new if (entry := _entry(row)) is not None]
    changed = [entry for row in session.dirty if (entry := _entry(row)) is not None]
    for entry in changed:
        session.connection().execute(_removal(entry))
    written = [entry for entry in (*made, *changed) if entry["body"]]
    if written:
        session.connection().execute(insert(_TABLE), written)


def _entry(row: Any) -> dict[str, Any] | None:
    """The document of a row whose text was written by this flush."""
    column = _SEARCHED.get(type(row))
    if column is None:
        return None
    # `inspect(row).attrs` has all of them made, which takes longer than what is written.
    if not get_history(row, column, PassiveFlag.PASSIVE_NO_INITIALIZE).has_changes():
        return None
    is_message = hasattr(row, "conversation_id")
    return {
        "user_id": row.user_id,
        "conversation_id": row.conversation_id if is_message else row.id,
        "message_id": row.id if is_message else None,
        "said_at": row.created_at,
        "body": body_of(getattr(row, column) or ""),
    }


def _removal(entry: Mapping[str, Any]) -> Delete:
    return delete(_TABLE).where(
        _TABLE.c.conversation_id == entry["conversation_id"],
        _TABLE.c.message_id == entry["message_id"],
    )


def _on_execute(state: ORMExecuteState) -> None:
    if not (state.is_insert or state.is_update):
        return
    columns = {_SEARCHED[each.class_] for each in state.all_mappers if each.class_ in _SEARCHED}
    if columns and columns & _written(state):  # finding out what is written costs a compilation
        raise BypassesSearch("write titles and messages as objects, so that search sees them")


def _written(state: ORMExecuteState) -> set[str]:
    """The parameters of a bulk statement; those of its columns bear their names."""
    given = state.parameters or {}
    rows = [given] if isinstance(given, dict) else given
    named = {str(name) for row in rows for name in row}
    if named and state.is_insert:  # rows of a bulk insert: the statement itself names none
        return named
    statement = state.statement
    return named | set(statement.compile().params if isinstance(statement, ClauseElement) else ())


def _attach() -> None:
    event.listen(Session, "after_flush", _after_flush)
    event.listen(Session, "do_orm_execute", _on_execute)
    for moment, dialect, statements in (
        ("after_create", "sqlite", sqlite.CREATE),
        ("after_create", "postgresql", postgres.CREATE),
        ("before_drop", "sqlite", sqlite.DROP),
    ):
        for statement in statements:
            ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
            event.listen(_TABLE, moment, ddl.execute_if(dialect=dialect))


_attach()
