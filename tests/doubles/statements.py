"""What an application says to its database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from sqlalchemy import event

from cache.extension import cache
from database import driver
from database.session import db

if TYPE_CHECKING:
    from database.generations import SqlGenerations

__all__ = ["statements"]


def _heard(run: Callable[..., Any], told: list[str], connection: Any, sql: str, given: Any) -> Any:
    told.append(" ".join(sql.split()))
    return run(connection, sql, given)


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that are executed within the block, in their order.

    Those that go past SQLAlchemy are among them: what asks what is fresh, and the hot way's writes.
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
    plain = driver.execute, driver.execute_many
    driver.execute = partial(_heard, plain[0], told)
    driver.execute_many = partial(_heard, plain[1], told)
    yield told
    driver.execute, driver.execute_many = plain
    event.remove(engine, "before_cursor_execute", note)
    store.on_statement = before
