"""Keyset pages: a cursor names the last row seen, so a page stays right while rows are added.

A cursor carries the name of its list and is checked against it: one from another list, or a made-up
one, is a clear error.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from services.errors import Invalid

__all__ = ["decode_cursor", "encode_cursor", "page_of"]

T = TypeVar("T")
MAX_CURSOR_CHARS = 2000
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)
LARGEST = 2**63 - 1


def encode_cursor(listing: str, position: Sequence[object]) -> str:
    """A cursor for `listing` behind the row whose sort keys are `position`."""
    raw = msgspec.json.encode([listing, list(position)])
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode_cursor(listing: str, cursor: str, kinds: Sequence[type[Any]]) -> tuple[Any, ...]:
    """The sort keys in `cursor`, one of each of `kinds` (str, int, bool, float, datetime).

    Raises:
        Invalid: it is not a cursor of this list.
    """
    fault = Invalid.field("cursor", "This is not a cursor of this list; leave it out to begin.")
    if len(cursor) > MAX_CURSOR_CHARS:
        raise fault
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        name, position = msgspec.json.decode(raw, type=tuple[str, list[Any]])
        if name != listing or len(position) != len(kinds):
            raise fault
        values = tuple(
            msgspec.convert(value, kind) for value, kind in zip(position, kinds, strict=True)
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError) as wrong:
        raise fault from wrong
    if not all(_is_storable(value) for value in values):
        raise fault
    return values


def _is_storable(value: object) -> bool:
    """Whether every database can compare its columns with `value`."""
    if isinstance(value, datetime):
        return value.tzinfo is not None and EARLIEST <= value <= LATEST
    if isinstance(value, str):
        return "\x00" not in value
    return not isinstance(value, int) or abs(value) <= LARGEST


def page_of(
    rows: Sequence[T],
    limit: int,
    dump: Callable[[T], dict[str, Any]],
    cursor_of: Callable[[T], str],
) -> dict[str, Any]:
    """One page, as all lists come: `rows` were selected with `limit + 1`.

    Args:
        rows: up to `limit + 1` rows; the one too many tells that there is a next page.
        limit: rows a page.
        dump: a row as its JSON shape.
        cursor_of: the cursor behind a row.
    """
    shown = list(rows[:limit])
    more = len(rows) > limit
    return {
        "items": [dump(row) for row in shown],
        "next_cursor": cursor_of(shown[-1]) if more and shown else None,
    }
