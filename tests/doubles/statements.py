"""What an application says to its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from sqlalchemy import event

from cache.extension import cache
from database.session import db

if TYPE_CHECKING:
    from database.generations import SqlGenerations

__all__ = ["statements"]


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that are executed within the block, in their order.

    Those that ask what is fresh are among them, which go past the ORM's connections.
    """
    told: list[str] = []

    def note(*arguments: Any) -> None:
        told.append(" ".join(arguments[2].split()))

    def note_question(statement: str) -> None:
        told.append(statement)

    with app.app_context():
        engine = db.engine
    store = cast("SqlGenerations", cache.engine_of(app).generations.store)
    before, store.on_statement = store.on_statement, note_question
    event.listen(engine, "before_cursor_execute", note)
    yield told
    event.remove(engine, "before_cursor_execute", note)
    store.on_statement = before
