"""Searching lists kept as JSON, the same on both databases."""

from json import dumps
from typing import Any

from sqlalchemy import ColumnElement, String, cast, func, or_
from sqlalchemy.orm import InstrumentedAttribute

__all__ = ["has_word"]


def has_word(column: InstrumentedAttribute[Any], word: str) -> ColumnElement[bool]:
    """Whether the JSON list of texts in `column` has `word` as an element, letter for letter.

    It is looked for as SQLAlchemy writes it, or letters beyond ASCII would not be found. A quote
    within an element stands behind a backslash, so these two beginnings are those of elements
    only. Not LIKE: to SQLite's `A` and `a` are the same, to PostgreSQL's they are not.
    """
    stored = cast(column, String)
    written = dumps(word)
    return or_(
        *(func.replace(stored, before + written, "") != stored for before in ("[", ", ")),
    )
