"""What an application says to its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from database.session import db

__all__ = ["statements"]


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that are executed within the block, in their order."""
    told: list[str] = []

    def note(*arguments: Any) -> None:
        told.append(" ".join(arguments[2].split()))

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield told
    event.remove(engine, "before_cursor_execute", note)
