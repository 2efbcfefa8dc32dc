"""Namespaces: ten, each with its TTLs and its owners, and none to be read past its owner."""

import pytest
from flask import Flask

from cache.freshness import STRICT
from cache.namespaces import (
    ANALYTICS,
    CONVERSATIONS,
    MODELS,
    NAMESPACES,
    PublicNamespace,
    ScopedNamespace,
    namespace_scope,
)
from cache.present import ENGINE
from cache.scopes import EVERYONE, Scope, UserId
from tests.factories.caches import make_engine

SCOPED = [each for each in NAMESPACES.values() if isinstance(each, ScopedNamespace)]
PUBLIC = [each for each in NAMESPACES.values() if isinstance(each, PublicNamespace)]


def _named(namespace):
    return namespace.name


@pytest.fixture
def app(store, clock):
    """An application that has a cache and nothing else."""
    app = Flask("bare")
    app.extensions[ENGINE] = make_engine(store, clock)
    return app


def test_there_are_eleven():
    """Admins clear them, and operators set their TTLs, by these names."""
    assert sorted(NAMESPACES) == [
        "analytics",
        "audit_logs",
        "conversations",
        "files",
        "models",
        "permissions",
        "providers",
        "responses",
        "streams",
        "users",
        "workspaces",
    ]
    assert all(each.name == name for name, each in NAMESPACES.items())


def test_only_the_catalogue_is_public():
    """Everything else belongs to somebody."""
    assert [each.name for each in PUBLIC] == ["models", "providers"]
    assert [each.is_public for each in (*PUBLIC, *SCOPED)] == [True] * 2 + [False] * 9


@pytest.mark.parametrize("namespace", NAMESPACES.values(), ids=_named)
def test_every_resource_ends(namespace):
    """Within a day: what the generations do not know of is not wrong for ever."""
    assert namespace.ttls
    assert all(0 < ttl_s <= 86400 for ttl_s in namespace.ttls.values())


@pytest.mark.parametrize("namespace", NAMESPACES.values(), ids=_named)
def test_a_resource_that_was_not_declared_cannot_be_read(namespace):
    """At import, not at the first request."""
    with pytest.raises(LookupError, match="declare its TTL"):
        namespace.read("undeclared")


@pytest.mark.parametrize("namespace", SCOPED, ids=_named)
@pytest.mark.parametrize("owner", ["", None, 5, b"u1"])
def test_a_scope_needs_its_owner(namespace, owner):
    """Neither a read nor a write reaches everybody's by leaving the owner out."""
    with pytest.raises(TypeError, match="needs an owner"):
        namespace.of(owner)


@pytest.mark.parametrize("namespace", PUBLIC, ids=_named)
def test_a_public_namespace_has_no_owners(namespace):
    """Naming one would make entries that no write reaches."""
    with pytest.raises(TypeError, match="has no owners"):
        namespace.scope_of("u1")


def test_scopes_are_one_namespaces_and_one_owners():
    """No two of them share a row; none is taken for the scope of a whole namespace."""
    rows = [
        row
        for each in SCOPED
        for owner in ("u1", "u2", "all")
        for row in each.scope_of(owner).rows()
    ]
    rows += [row for each in PUBLIC for row in each.all().rows()]
    rows += [row for name in NAMESPACES for row in namespace_scope(name).rows()]

    assert len(set(rows)) == len(rows)


def test_views_over_everyone_may_be_striped():
    """Every call of every user writes there: they do not wait for one row."""
    assert len(ANALYTICS.of(EVERYONE).rows()) == ANALYTICS.stripes > 1
    assert len(ANALYTICS.of(UserId("u1")).rows()) == 1


def test_a_scoped_read_is_its_owners(app, store):
    """A write to one owner leaves the others' entries."""
    read = CONVERSATIONS.read("folders")(lambda owner: owner)
    with app.app_context():
        for owner in ("u1", "u2"):
            read(UserId(owner))
        store.bump(CONVERSATIONS.of(UserId("u1")).rows())

        details = [read(UserId(owner)).detail for owner in ("u1", "u2")]

    assert details == ["stamp", "memory"]


def test_a_public_read_is_everybodys(app, store):
    """A write to the catalogue reaches all its entries."""
    read = MODELS.read("detail")(lambda name: name)
    with app.app_context():
        for name in ("a", "b"):
            read(name)
        store.bump(MODELS.all().rows())

        details = [read(name).detail for name in ("a", "b")]

    assert details == ["stamp", "stamp"]


def test_clearing_a_namespace_leaves_the_others(app, store):
    """Each has a scope of its own."""
    models = MODELS.read("list")(lambda: "models")
    folders = CONVERSATIONS.read("list")(lambda owner: owner)
    with app.app_context():
        models()
        folders(UserId("u1"))
        store.bump(namespace_scope("models").rows())

        assert (models().detail, folders(UserId("u1")).detail) == ("stamp", "memory")


def test_a_row_of_any_stripe_is_noticed(app, store):
    """A writer raises one of them at random; readers compare all."""
    read = ANALYTICS.read("usage")(lambda owner: owner)
    with app.app_context():
        for row in ANALYTICS.of(EVERYONE).rows():
            read(EVERYONE)
            store.bump([row])

            assert read(EVERYONE).detail == "stamp"


def test_a_namespaces_ttl_is_the_entrys(app):
    """By the table, spread over its last tenth."""
    read = MODELS.read("detail")(lambda: None)
    with app.app_context():
        assert 539 <= read().ttl_s <= MODELS.ttls["detail"]


def test_all_that_follows_from_the_database_is_strict():
    """Only an answer whose key is a hash of its question need not be."""
    weaker = {
        each.name: each.freshness.value for each in NAMESPACES.values() if each.freshness != STRICT
    }

    assert weaker == {"responses": "immutable"}


def test_every_scopes_name_fits_its_column():
    """The longest owner is a key's hash."""
    longest = max(len(each.scope_of("f" * 64).rows()[0]) for each in SCOPED)

    assert longest <= 200
    assert Scope(f"users:{'f' * 64}") in [each.scope_of("f" * 64) for each in SCOPED]
