"""`.read(…)`: a loader becomes a cached read, typed by what it is annotated to return."""

from typing import Any

import msgspec
import pytest
from flask import Flask

from cache.present import ENGINE
from cache.reads import ReadSpec, cached_read
from cache.results import Outcome
from cache.scopes import Scope
from tests.factories.caches import make_engine

SPEC = ReadSpec("users", "me", 300, 1, lambda owner: Scope(f"users:{owner}"))


class Point(msgspec.Struct, frozen=True):
    """What a loader may return."""

    x: int


class Place(msgspec.Struct, frozen=True):
    """The same after an upgrade: it has one field more."""

    x: int
    y: int = 0


class Map(msgspec.Struct, frozen=True):
    """What has others in it."""

    points: tuple[Point, ...]


def load_name(owner: str) -> str:
    """The owner's own name."""
    return owner


@pytest.fixture(autouse=True)
def engine(store, clock):
    """The engine of the running application."""
    app = Flask("bare")
    app.extensions[ENGINE] = make_engine(store, clock)
    with app.app_context():
        yield app.extensions[ENGINE]


def _read(loader, *, owned=True, spec=SPEC) -> Any:
    return cached_read(spec, loader, owned=owned)


def test_a_loader_runs_once():
    """And keeps its name and its docstring, for whoever reads a traceback."""
    calls = []

    def load_me(user_id: str) -> dict[str, str]:
        """Somebody."""
        calls.append(user_id)
        return {"id": user_id}

    read = _read(load_me)

    assert [read("u1").value, read("u1").value] == [{"id": "u1"}] * 2
    assert calls == ["u1"]
    assert (read.__name__, read.__doc__) == ("load_me", "Somebody.")


def test_a_read_says_what_it_reads():
    """Tests of the architecture walk over all of them."""
    assert _read(load_name).cached_resource == ("users", "me")


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((), {"owner": "u1"})])
def test_an_owner_comes_first_by_position(args, kwargs):
    """One that is left out, or given where keys do not look, is an error at the call."""
    with pytest.raises(TypeError, match="owner comes first"):
        _read(load_name)(*args, **kwargs)


def test_owners_have_their_own_answers(engine, store):
    """And their own scopes."""
    read = _read(load_name)
    assert [read("u1").value, read("u2").value] == ["u1", "u2"]

    store.bump(["users:u1"])

    assert [read("u1").detail, read("u2").detail] == ["stamp", "memory"]


def test_arguments_reach_the_loader():
    """As they were given, defaults and all."""

    def load(owner: str, limit: int = 20, *, after: str = "") -> list[object]:
        return [owner, limit, after]

    read = _read(load)

    assert read("u1").value == ["u1", 20, ""]
    assert read("u1", 5, after="x").value == ["u1", 5, "x"]


def test_a_public_read_has_no_owner():
    """Its first argument is one like any other."""
    spec = ReadSpec("models", "detail", 600, 1, lambda _: Scope("models:all"))
    read = _read(lambda name: name, owned=False, spec=spec)

    assert [read("a").value, read("b").value] == ["a", "b"]


def test_a_struct_comes_back_as_one():
    """A service that reads another's answer has its fields, from memory and loaded alike."""

    def load(owner: str) -> Point:
        return Point(3)

    read = _read(load)

    assert [read("u1").value, read("u1").value] == [Point(3), Point(3)]
    assert read("u1").outcome is Outcome.HIT


def test_a_struct_or_nothing_comes_back_as_it_is():
    """Not found may be an answer."""

    def load(owner: str) -> Point | None:
        return Point(3) if owner == "u1" else None

    read = _read(load)

    assert [read("u1").value, read("u2").value] == [Point(3), None]


def test_another_struct_makes_old_entries_misses():
    """A field more in an upgrade needs no number raised by hand."""

    def load(owner: str) -> Point:
        return Point(3)

    before = _read(load)
    before("u1")
    load.__annotations__["return"] = Place

    after = _read(load)("u1")

    assert (after.outcome, after.detail) == (Outcome.MISS, "schema")


def test_a_struct_that_changes_within_another_makes_old_entries_misses():
    """However deep: an old one would not decode, and its reader would have an error for a hit."""

    def load(owner: str) -> Map:
        return Map((Point(3),))

    before = _read(load)
    before("u1")
    changed = msgspec.defstruct("Map", [("points", tuple[Place, ...])], frozen=True)
    load.__annotations__["return"] = changed

    after = _read(load)("u1")

    assert (after.outcome, after.detail) == (Outcome.MISS, "schema")


@pytest.mark.parametrize("annotation", [dict[str, int], Point])
def test_a_shape_raised_by_hand_makes_old_entries_misses(annotation):
    """For loaders whose annotation says nothing of what has changed."""

    def load(owner: str) -> object:
        return Point(1)

    load.__annotations__["return"] = annotation
    _read(load)("u1")

    after = _read(load, spec=ReadSpec("users", "me", 300, 2, SPEC.scope_of))("u1")

    assert after.detail == "schema"


def test_a_loaders_error_reaches_its_caller():
    """And is not kept: the next call tries again."""
    faults = [LookupError("gone")]

    def load(owner: str) -> str:
        if faults:
            raise faults.pop()
        return "back"

    read = _read(load)
    with pytest.raises(LookupError):
        read("u1")

    assert read("u1").value == "back"


def test_a_ttl_of_the_operators_holds(store, clock):
    """By namespace and resource."""
    app = Flask("other")
    app.extensions[ENGINE] = make_engine(store, clock, ttls={"users_me": 10})

    with app.app_context():
        assert 9 <= _read(load_name)("u1").ttl_s <= 10
