"""Python values as bytes, exactly: what comes out equals what went in, or it is refused.

For values cached through Flask-Caching's own verbs. Never pickle: types that MessagePack has not
are written as extensions with a number each, and nothing else is accepted.
"""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from flask import Response
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, default_exceptions

__all__ = ["ValueRefused", "pack", "unpack"]

PLAIN = (str, bytes, bool, float, type(None))
MAX_INT = 2**63 - 1
MAX_DEPTH = 100


class ValueRefused(TypeError):
    """A value whose type cannot be brought back exactly."""


def _text(value: Any) -> list[Any]:
    return [str(value)]


def _response(value: Response) -> list[Any]:
    if value.is_streamed or value.direct_passthrough:
        raise ValueRefused("a streamed response cannot be cached")
    return [value.get_data(), value.status, [list(pair) for pair in value.headers.items()]]


def _make_response(body: Any, status: Any, headers: Any) -> Response:
    if not (isinstance(body, bytes) and isinstance(status, str)):
        raise ValueRefused("not a response")
    made = Response(body, status=status)
    made.headers.clear()
    made.headers.extend([(str(name), str(text)) for name, text in headers])
    return made


RAISED: dict[int | None, type[HTTPException]] = dict(
    [(None, HTTPException), *default_exceptions.items()]
)
"""What `abort` raises, by status; `None`: for a response that it was given."""


def _raised(value: HTTPException) -> list[Any]:
    if type(value) is not RAISED.get(value.code):
        raise ValueRefused(f"{type(value).__qualname__} would not come back the same")
    return [value.code, vars(value)]


def _make_raised(code: Any, fields: Any) -> HTTPException:
    kind = RAISED[code]
    made = kind.__new__(kind)
    vars(made).update(fields)
    return made


EXTENSIONS: dict[int, tuple[type, Callable[[Any], list[Any]], Callable[..., Any]]] = {
    1: (tuple, list, lambda *parts: tuple(parts)),
    2: (set, list, lambda *parts: set(parts)),
    3: (frozenset, list, lambda *parts: frozenset(parts)),
    4: (Decimal, _text, Decimal),
    5: (
        datetime,
        lambda value: [value.isoformat(), value.fold],
        lambda text, fold: datetime.fromisoformat(text).replace(fold=fold),
    ),
    6: (date, lambda value: [value.isoformat()], date.fromisoformat),
    7: (uuid.UUID, _text, uuid.UUID),
    8: (timedelta, lambda value: [value.days, value.seconds, value.microseconds], timedelta),
    9: (int, _text, int),
    10: (Response, _response, _make_response),
    11: (Markup, _text, Markup),
    12: (dict, lambda value: [list(pair) for pair in value.items()], lambda *pairs: dict(pairs)),
    13: (HTTPException, _raised, _make_raised),
}
NUMBERS = {kind: number for number, (kind, _, _) in EXTENSIONS.items()}
_encode = msgspec.msgpack.Encoder().encode


def pack(value: Any) -> bytes:
    """`value` as bytes.

    Raises:
        ValueRefused: it holds something that would not come back the same.
    """
    return _encode(_plain(value, 0))


def unpack(raw: bytes) -> Any:
    """The value again.

    Raises:
        ValueRefused: these bytes are no packed value.
    """
    try:
        return msgspec.msgpack.decode(raw, ext_hook=_extension)
    except Exception as fault:  # whatever a type's constructor thinks of foreign parts
        raise ValueRefused("not a packed value") from fault


def _plain(value: Any, depth: int) -> Any:
    """`value` with every type that MessagePack has not wrapped in an extension."""
    if depth > MAX_DEPTH:
        raise ValueRefused("nested too deep to be cached")
    kind = type(value)
    if kind in PLAIN or (kind is int and -MAX_INT <= value <= MAX_INT):
        return value
    if kind is list:
        return [_plain(each, depth + 1) for each in value]
    if kind is dict and all(type(name) is str for name in value):
        return {name: _plain(each, depth + 1) for name, each in value.items()}
    bases = (base for base in (Response, HTTPException) if isinstance(value, base))
    number = NUMBERS.get(kind) or NUMBERS.get(next(bases, kind))
    if number is None:
        raise ValueRefused(f"{kind.__qualname__} cannot be cached: it would not come back the same")
    parts = [_plain(each, depth + 1) for each in EXTENSIONS[number][1](value)]
    return msgspec.msgpack.Ext(number, _encode(parts))


def _extension(number: int, raw: memoryview) -> Any:
    if number not in EXTENSIONS:
        raise ValueRefused(f"unknown extension {number}")
    parts = msgspec.msgpack.decode(bytes(raw), ext_hook=_extension, type=list[Any])
    return EXTENSIONS[number][2](*parts)
