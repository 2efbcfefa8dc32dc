"""Values through Flask-Caching's verbs: back the same and of the same type, or refused."""

import collections
import uuid
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from flask import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    ImATeapot,
    MethodNotAllowed,
    NotFound,
    TooManyRequests,
    Unauthorized,
)

from cache.values import EXTENSIONS, MAX_DEPTH, ValueRefused, pack, unpack

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.uuids()
)
HASHABLE = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS, max_size=3)
VALUES = st.recursive(
    SCALARS | st.sets(HASHABLE, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_values_come_back_the_same(value):
    """In value and in type, however nested; a tuple is no list afterwards."""
    again = unpack(pack(value))

    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001 (the naive one comes back naive)
        2**63,
        -(2**63),
        10**400,
        Decimal("1.10"),
        Decimal("NaN"),
        (1, (2, [3, {4}])),
        {1: "a", None: [2], (3, "b"): {"c": {4: 5}}},
        Markup("<b>&amp;</b>"),
    ],
    ids=repr,
)
def test_values_at_the_edges_come_back_exactly(value):
    """To the last digit, the offset and the fold."""
    assert repr(unpack(pack(value))) == repr(value)


class Number(int):
    """An int of one's own."""


class Teapot(ImATeapot):
    """An error of one's own."""


class Anything:
    """An object that knows nothing of caches."""


@pytest.mark.parametrize(
    "value",
    [
        Anything(),
        Anything,
        Number(5),
        collections.OrderedDict(a=1),
        collections.Counter("a"),
        Teapot(),
        Unauthorized(www_authenticate=WWWAuthenticate("basic")),
        [1, {"deep": [Anything()]}],
        bytearray(b"mutable"),
        1j,
        range(3),
        lambda: None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_would_come_back_another_is_refused(value):
    """At once and by name, rather than as a surprise to the reader."""
    with pytest.raises(ValueRefused):
        pack(value)


def test_a_value_nested_too_deep_is_refused():
    """A value that contains itself ends in an error, not in a crash."""
    value: list[Any] = []
    value.append(value)

    with pytest.raises(ValueRefused, match="deep"):
        pack(value)


def test_the_deepest_value_that_is_kept_comes_back():
    """What `pack` takes, `unpack` gives: lists and tuples alike."""
    value: Any = "core"
    for number in range(MAX_DEPTH):
        value = [value] if number % 2 else (value,)

    assert unpack(pack(value)) == value


def test_a_response_comes_back_whole():
    """Views of `@cache.cached` may return one: body, status and every header, in order."""
    made = Response(b"\x00body", status="418 I'M A TEAPOT")
    made.headers.add("Set-Cookie", "a=1")
    made.headers.add("Set-Cookie", "b=2")

    again = unpack(pack(made))

    assert (again.get_data(), again.status) == (made.get_data(), made.status)
    assert list(again.headers) == list(made.headers)


def test_a_streamed_response_is_refused():
    """Keeping it would mean reading it to its end first."""
    with pytest.raises(ValueRefused, match="streamed"):
        pack(Response(iter([b"a"])))


@pytest.mark.parametrize(
    "raised",
    [
        NotFound(),
        NotFound("no <such> thing"),
        MethodNotAllowed(["GET", "PUT"]),
        TooManyRequests(retry_after=datetime(2026, 10, 25, tzinfo=UTC)),
        HTTPException(response=Response("gone", 410)),
        BadRequest("why", response=Response("because", 400)),
    ],
    ids=repr,
)
def test_what_a_view_aborts_with_comes_back(raised):
    """Flask-Caching keeps it as it keeps an answer, and raises it again."""
    again = unpack(pack(raised))

    assert type(again) is type(raised)
    assert (again.code, again.description, str(again)) == (
        raised.code,
        raised.description,
        str(raised),
    )
    was, found = raised.get_response(), again.get_response()
    assert (found.status, list(found.headers)) == (was.status, list(was.headers))
    assert found.get_data() == was.get_data()


def _extension(number: int, *parts: Any) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(number, msgspec.msgpack.encode(parts)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\x91" * 50_000 + b"\xc0",
        _extension(99, "unknown"),
        _extension(2, [1]),
        _extension(4, "no number"),
        _extension(5, "2026-13-45", 0),
        _extension(5, "2026-01-01T00:00:00", "fold"),
        _extension(7, 5),
        _extension(7, "no uuid"),
        _extension(8, 10**12),
        _extension(9, "9" * 5000),
        _extension(10, b"", "200 OK", [["only a name"]]),
        _extension(10, [1], 7, [["a", 1]]),
        _extension(10, b"", "200 OK", [["X-Split", "a\r\nb"]]),
        _extension(12, ["one"]),
        _extension(12, [[1], 2]),
        _extension(13, 299, {}),
        _extension(13, 404, [1]),
        _extension(13, [], {}),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(1, b"\xc1")),
        msgspec.msgpack.encode(msgspec.msgpack.Ext(1, b"\x05")),
    ],
)
def test_bytes_that_are_no_value_are_refused(raw):
    """With the one error that readers expect: they treat it as a miss."""
    with pytest.raises(ValueRefused):
        unpack(raw)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(raw):
    """There is no third way out."""
    with suppress(ValueRefused):
        unpack(raw)


@settings(deadline=None)
@given(st.sampled_from(sorted(EXTENSIONS)), st.lists(VALUES, max_size=4))
def test_any_parts_of_an_extension_are_a_value_or_refused(number, parts):
    """Whatever a type's constructor thinks of them."""
    raw = msgspec.msgpack.encode(msgspec.msgpack.Ext(number, pack(parts)))

    with suppress(ValueRefused):
        unpack(raw)


def test_a_pickle_is_never_run():
    """Bytes that would run code elsewhere are refused here."""
    with pytest.raises(ValueRefused):
        unpack(b"cos\nsystem\n(S'exit 1'\ntR.")


def test_a_time_zone_by_name_becomes_its_offset():
    """The instant is the same; the name of the zone is not kept."""
    value = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Vienna"))

    assert unpack(pack(value)) == value


def test_each_type_has_its_own_number():
    """Numbers stand in stored entries: giving one to another type would mix them up."""
    assert {number: kind for number, (kind, _, _) in EXTENSIONS.items()} == {
        1: tuple,
        2: set,
        3: frozenset,
        4: Decimal,
        5: datetime,
        6: date,
        7: uuid.UUID,
        8: timedelta,
        9: int,
        10: Response,
        11: Markup,
        12: dict,
        13: HTTPException,
    }
