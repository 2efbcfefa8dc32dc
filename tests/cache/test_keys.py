"""Keys: equal arguments meet, all others are kept apart, and nothing mutable gets in."""

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.keys import KeyMaker, canonical, entry_key


class Order(enum.Enum):
    """An enum that a query might hold."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Sorting(enum.Enum):
    """Another one, with the same member."""

    NEWEST = "newest"


@dataclass(frozen=True)
class Query:
    """A query as services take them."""

    limit: int = 20
    after: str | None = None


@dataclass(frozen=True)
class Filter:
    """Another query with the same fields."""

    limit: int = 20
    after: str | None = None


@dataclass
class Changing:
    """A query that somebody may change while it is in use."""

    limit: int = 20


class Place(msgspec.Struct, frozen=True):
    """A frozen struct."""

    x: int


class Loose(msgspec.Struct):
    """A struct that may change."""

    x: int


def load_folders(owner: str, query: Any = None, *, archived: Any = False) -> None:
    """A loader."""


def load_threads(owner: str, query: Any = None, *, archived: Any = False) -> None:
    """Another loader with the same arguments."""


KEYS = KeyMaker("conversations", "folders", load_folders)


def _key(*args: Any, keys: KeyMaker = KEYS, **kwargs: Any) -> str:
    return keys.key(args[0], args, kwargs, owned=True)


DIFFERENT: tuple[Any, ...] = (
    None,
    False,
    True,
    0,
    1,
    "",
    "1",
    "None",
    Decimal(1),
    Decimal(0),
    date(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC),
    "2026-01-01",
    (),
    ((),),
    (1,),
    ("1",),
    (1, 2),
    ((1, 2),),
    ((1,), 2),
    (2, 1),
    frozenset(),
    frozenset({1}),
    frozenset({1, 2}),
    Order.NEWEST,
    Order.OLDEST,
    Sorting.NEWEST,
    Query(),
    Query(limit=21),
    Query(after="x"),
    Filter(),
    Place(1),
    Place(2),
)


def test_different_arguments_have_different_keys():
    """A value, its text, and a container of it are three questions, and three answers."""
    keys = [_key("u1", each) for each in DIFFERENT]

    assert len(set(keys)) == len(DIFFERENT)


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_texts_do_not_run_into_each_other(one, two, three, four):
    """However long, and whatever characters they hold."""
    same = (one, two) == (three, four)

    assert (_key("u1", (one, two)) == _key("u1", (three, four))) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (frozenset([0, 8, 16]), frozenset([16, 8, 0])),  # they iterate in different orders
        (Query(), Query(limit=20)),
        (
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_equal_arguments_have_one_key(one, other):
    """The order of a set, and the zone that an instant is written in, make no difference."""
    assert _key("u1", one) == _key("u1", other)


def test_the_manner_of_calling_makes_no_difference():
    """By position, by name, or left to the default: the same entry."""
    keys = {
        _key("u1"),
        _key("u1", None),
        _key("u1", query=None),
        _key("u1", archived=False),
        _key("u1", archived=False, query=None),
    }

    assert len(keys) == 1


def test_a_default_that_only_a_name_can_give_is_part_of_the_key():
    """A read without any argument is the one whose arguments are all named as they are anyway."""

    def load_models(*, status: Any = None) -> None:
        del status

    keys = KeyMaker("models", "list", load_models)

    plain, named = (keys.key("", (), each, owned=False) for each in ({}, {"status": None}))

    assert plain == named


def test_a_key_names_namespace_owner_and_resource():
    """Admins find an owner's entries by it."""
    namespace, owner, resource, digest = _key("u1", Query()).split(":")

    assert (namespace, owner, resource, len(digest)) == ("conversations", "u1", "folders", 32)


def test_owners_are_kept_apart():
    """By the key itself, not by a digest of it."""
    assert _key("u1", Query()) != _key("u2", Query())
    assert _key("u1").split(":")[3] == _key("u2").split(":")[3]


def test_a_public_read_has_no_owner():
    """All its arguments count, the first one as well."""
    keys = KeyMaker("models", "detail", load_folders)

    one, two = (keys.key("", (name,), {}, owned=False) for name in ("a", "b"))

    assert one.startswith("models::detail:")
    assert one != two


@pytest.mark.parametrize(
    "keys",
    [
        KeyMaker("conversations", "folders", load_threads),
        KeyMaker("conversations", "list", load_folders),
        KeyMaker("files", "folders", load_folders),
    ],
    ids=["loader", "resource", "namespace"],
)
def test_reads_are_kept_apart(keys):
    """Two loaders of one resource do not get each other's answers."""
    assert _key("u1") != _key("u1", keys=keys)


@pytest.mark.parametrize(
    "argument",
    [
        Changing(),
        Loose(1),
        [1],
        {"a": 1},
        {1},
        1.5,
        b"raw",
        Query,
        object(),
        lambda: None,
        (1, [2]),
        Query(after=["mutable"]),  # type: ignore[arg-type]  # on purpose
    ],
    ids=lambda argument: type(argument).__name__,
)
def test_what_may_change_or_vary_is_refused(argument):
    """A key of something mutable or inexact would be right only by luck."""
    with pytest.raises(TypeError, match="cannot be part of a cache key"):
        _key("u1", argument)


def test_a_time_without_a_zone_is_refused():
    """It is another instant on another machine."""
    with pytest.raises(TypeError, match="without a zone"):
        canonical(datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


def test_a_call_that_does_not_fit_is_refused():
    """As the loader itself would have."""
    with pytest.raises(TypeError):
        _key("u1", colour="red")


def test_parts_name_an_entry():
    """For values that no loader makes: by owner, resource and every part with its type."""
    keys = [
        entry_key("responses", owner, resource, parts)
        for owner, resource, parts in (
            ("u1", "chat", ("a", 1)),
            ("u2", "chat", ("a", 1)),
            ("u1", "other", ("a", 1)),
            ("u1", "chat", ("a", "1")),
            ("u1", "chat", ("a1",)),
            ("u1", "chat", ()),
        )
    ]

    assert len(set(keys)) == len(keys)
    assert keys[0].startswith("responses:u1:chat:")
    assert keys[0] == entry_key("responses", "u1", "chat", ("a", 1))


def test_a_part_that_may_change_is_refused():
    """As an argument is."""
    with pytest.raises(TypeError, match="cannot be part of a cache key"):
        entry_key("responses", "u1", "chat", ({"model": "m"},))
