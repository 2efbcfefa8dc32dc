"""Tenants are apart: in their keys, whatever they are called, and over every cached route."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import services
from cache.extension import cache
from cache.keys import KeyMaker
from cache.namespaces import NAMESPACES, PublicNamespace
from tests.doubles.api_client import ApiClient
from tests.factories.chats import make_conversation, say
from tests.factories.files import make_file

OWNERS = st.text(min_size=1, max_size=12) | st.sampled_from(["a", "a:b", "a:list", ":", "::", "*"])
ARGUMENTS = st.tuples(st.none() | st.text(max_size=3) | st.integers() | st.booleans())
RESOURCES = [(name, each) for name, space in NAMESPACES.items() for each in space.ttls]
TENANTS = [each for each in NAMESPACES.values() if not isinstance(each, PublicNamespace)]


def _load(owner: str, asked: object) -> dict[str, str]:
    return {}


def _key(resource: tuple[str, str], owner: str, arguments: tuple[Any, ...]) -> str:
    maker = KeyMaker(*resource, _load)
    return maker.key(owner, (owner, *arguments), {}, owned=True)


def _typed(resource: tuple[str, str], owner: str, arguments: tuple[Any, ...]) -> Any:
    """The same as a value: `1` and `True` are two."""
    return resource, owner, [(type(each), each) for each in arguments]


@settings(deadline=None, max_examples=300)
@given(
    first=st.tuples(st.sampled_from(RESOURCES), OWNERS, ARGUMENTS),
    second=st.tuples(st.sampled_from(RESOURCES), OWNERS, ARGUMENTS),
)
def test_two_reads_share_a_key_only_if_they_are_the_same(first, second):
    """Whatever owners are called, with colons and stars in them, and whatever they ask for."""
    assert (_key(*first) == _key(*second)) is (_typed(*first) == _typed(*second))


@settings(deadline=None, max_examples=300)
@given(resource=st.sampled_from(RESOURCES), owners=st.tuples(OWNERS, OWNERS), asked=ARGUMENTS)
def test_two_principals_never_share_a_key_or_a_scope(resource, owners, asked):
    """With the same request: the one thing that differs is who asks."""
    assume(owners[0] != owners[1])
    space = NAMESPACES[resource[0]]
    assume(space in TENANTS)

    assert _key(resource, owners[0], asked) != _key(resource, owners[1], asked)
    scopes = [set(space.scope_of(each).rows()) for each in owners]
    assert not scopes[0] & scopes[1]


@pytest.mark.parametrize("space", TENANTS, ids=lambda each: each.name)
@pytest.mark.parametrize("owner", ["", None, 0, False, b"u1", ["u1"]], ids=repr)
def test_a_namespace_of_tenants_makes_no_scope_without_one(space, owner):
    """The owner left out is an error at the call, not everybody's entry."""
    with pytest.raises(TypeError):
        space.scope_of(owner)


def _cached_reads() -> Iterator[Any]:
    """Every cached read of the services."""
    for module in pkgutil.walk_packages(services.__path__, "services."):
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(getattr(found, "cached_resource", None), tuple):
                yield found


READS = {each.cached_resource: each for each in _cached_reads()}
OWNED = {name: read for name, read in READS.items() if NAMESPACES[name[0]] in TENANTS}


@pytest.mark.parametrize("name", OWNED, ids=".".join)
@pytest.mark.parametrize("arguments", [(), ("",), (None,)], ids=repr)
def test_a_cached_read_of_tenants_cannot_be_made_without_one(name, arguments):
    """Each of those that the services have; it fails before it looks for an application."""
    with pytest.raises(TypeError):
        OWNED[name](*arguments)


def test_there_are_such_reads():
    """The walk above meets them."""
    assert len(OWNED) > 15


class World:
    """What one user has, all of it marked with a word that nobody else's things have."""

    def __init__(self, client: ApiClient, mark: str) -> None:
        self.client, self.mark = client, mark
        chat = make_conversation(client, title=mark)
        say(client, chat, mark)
        space = client.post("/api/workspaces", json={"name": mark}).json["id"]
        folder = client.post("/api/folders", json={"name": mark}).json["id"]
        client.post("/api/keys", json={"name": mark})
        file = make_file(client, mark.encode(), f"{mark}.txt").json["id"]
        self.parts = {
            "conversation_id": chat,
            "workspace_id": space,
            "folder_id": folder,
            "file_id": file,
            "user_id": client.user_id,
            "model_id": "demo/echo",
            "provider_id": "demo",
        }

    def path(self, rule: Any) -> str:
        """A route's path with this user's things in it."""
        path: str = rule.rule
        for name in rule.arguments:
            converters = (f"<{name}>", f"<path:{name}>")
            for each in converters:
                path = path.replace(each, self.parts.get(name, "none"))
        return f"{path}?q={self.mark}" if path.endswith("/search") else path


def _cached_rules(app) -> list[Any]:
    views = app.view_functions
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and getattr(views[rule.endpoint], "is_cached", False)
    ]


def _answers(world: World, other: World, rules: list[Any]) -> list[tuple[str, int, str]]:
    """What one user is told on every cached route, about their own things and the other's."""
    paths = [whose.path(rule) for rule in rules for whose in (world, other)]
    found = [(path, world.client.get(path)) for path in paths for _ in range(2)]
    return [(path, each.status_code, _stable(each)) for path, each in found]


def _stable(answer: Any) -> str:
    """Its text, but for the request's id that an error has."""
    return str(answer.text).replace((answer.json or {}).get("request_id") or "none", "id")


def _showing(mark: str, answers: list[tuple[str, int, str]]) -> list[str]:
    """The paths whose answers have a word in them that was not asked with."""
    return [path for path, _, text in answers if mark in text and mark not in path]


@pytest.fixture
def worlds(alice, bob) -> tuple[World, World]:
    """Two members who have the same things, and share none."""
    return World(alice, "alicesmark"), World(bob, "bobsmark")


def test_no_cached_route_shows_one_user_what_is_the_others(app, worlds):
    """Both ask for the same, cold and warm, after one another: every route of the URL map."""
    hers, his = worlds
    rules = _cached_rules(app)

    first, second = _answers(hers, his, rules), _answers(his, hers, rules)
    again = _answers(hers, his, rules)

    assert _showing(his.mark, first + again) == []
    assert _showing(hers.mark, second) == []
    assert again == first
    assert sum(status == 200 for _, status, _ in first) > len(rules)
    assert sum(hers.mark in text for _, _, text in first) > 15


def test_no_entry_of_a_tenant_stands_under_anothers_name(app, worlds):
    """Looked at from the other side: what is in the cache, and under whose key."""
    hers, his = worlds
    _answers(hers, his, _cached_rules(app))
    _answers(his, hers, _cached_rules(app))
    entries = [entry for _, _, entry in cache.engine_of(app).memory.items()]
    owners = {mark: {entry.key.split(":")[1] for entry in entries if mark.encode() in entry.body}
              for mark in (hers.mark, his.mark)}  # fmt: skip

    assert hers.client.user_id in owners[hers.mark]
    assert his.client.user_id in owners[his.mark]
    assert owners[hers.mark] & owners[his.mark] == set()
    assert not any(entry.key.split(":")[1] for entry in entries if entry.key.startswith("models:"))
