"""Declarations: another application's own namespace, with a class of its own."""

import pytest
from flask import Flask

from cache.declarations import PublicNamespace, ScopedNamespace
from cache.freshness import TTL, bounded
from cache.present import ENGINE
from cache.scopes import UserId
from tests.factories.caches import make_engine

WEATHER = PublicNamespace("weather", {"today": 60}, owners="all", freshness=TTL)
BOARDS: ScopedNamespace[UserId] = ScopedNamespace(
    "boards", {"list": 60}, owners="a user", freshness=bounded(5)
)
ANN = UserId("u1")


@pytest.fixture
def app(store, clock):
    """An application that has a cache and nothing else."""
    app = Flask("bare")
    app.extensions[ENGINE] = make_engine(store, clock, audit_share=1)
    return app


def test_a_bounded_namespace_serves_within_its_bound(app, store, clock):
    """A write of another worker is seen when the bound is over; the header says so."""
    names = ["old"]
    read = BOARDS.read("list")(lambda _: names[-1])
    with app.app_context():
        read(ANN)
        names.append("new")
        store.bump(BOARDS.of(ANN).rows())
        clock.advance(4.9)
        within = read(ANN)
        clock.advance(0.1)

        assert (within.value, read(ANN).value) == ("old", "new")
    assert within.cache_status.endswith("; freshness=bounded; bound=5")


def test_anothers_data_is_served_until_its_end(app, clock):
    """What changes elsewhere is no inconsistency: nobody here can know."""
    days = iter(["rain", "sun"])
    read = WEATHER.read("today")(lambda: next(days))
    with app.app_context():
        found = [read().value, read().value]
        clock.advance(60)
        found.append(read().value)

    assert found == ["rain", "rain", "sun"]
    assert "audits|weather|checked" not in app.extensions[ENGINE].statistics.snapshot()


def test_anothers_data_is_served_while_the_database_is_away(app, store):
    """The database has no say in it."""
    read = WEATHER.read("today")(lambda: "rain")
    with app.app_context():
        read()
        store.fault = LookupError("the database is away")

        assert read().cache_status.endswith("; detail=memory; freshness=ttl")
