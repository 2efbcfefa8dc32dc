"""Searching lists kept as JSON, the same on both databases."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, String, cast
from sqlalchemy.orm import InstrumentedAttribute

__all__ = ["has_word"]


def has_word(column: InstrumentedAttribute[Any], word: str) -> ColumnElement[bool]:
    """Whether the JSON list of texts in `column` has `word` as an element.

    The quotes of JSON text bound the word on both sides; a quote in it is escaped there as here.
    """
    quoted = msgspec.json.encode(word).decode()
    return cast(column, String).contains(quoted, autoescape=True)
