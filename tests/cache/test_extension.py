"""The cache's parts put together for an application."""

from dataclasses import replace

import flask_caching
import pytest
from flask import Flask

from cache.extension import LarderCache, cache
from cache.settings import CacheSettings, CacheUnreachable
from config import SettingsError
from tests.factories.caches import SIGNING

MEMORY = CacheSettings(backend="memory", signing_keys=SIGNING)
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def new_app(store, clock):
    """Makes applications of one cache."""
    made = LarderCache()

    def make(settings: CacheSettings = MEMORY) -> tuple[Flask, LarderCache]:
        app = Flask("bare")
        made.init_app(app, settings=settings, generations=store, clock=clock)
        return app, made

    return make


def test_it_is_flask_cachings_own():
    """Whatever knows that extension knows this one."""
    assert isinstance(cache, flask_caching.Cache)


def test_each_application_has_its_own(new_app):
    """One object serves them all; no entry of one is another's."""
    one, made = new_app()
    other, _ = new_app()

    with one.app_context():
        made.set("k", "v")
    with other.app_context():
        found = made.get("k")

    assert found is None
    assert made.engine_of(one) is not made.engine_of(other)


def test_a_ttl_of_nothing_is_refused(new_app):
    """A mistyped variable must not be a setting without effect."""
    with pytest.raises(SettingsError, match="CACHE_TTL_MODELS_LISTS"):
        new_app(replace(MEMORY, ttls={"models_lists": 5}))


def test_a_redis_that_is_demanded_has_to_answer(new_app):
    """`auto` goes on without it."""
    with pytest.raises(CacheUnreachable):
        new_app(replace(MEMORY, backend="redis", redis_url=NOWHERE))

    app, made = new_app(replace(MEMORY, backend="auto", redis_url=NOWHERE))
    with app.app_context():
        assert made.backend_in_use() == "memory"
    made.engine_of(app).shutdown()


def test_what_was_memoized_can_be_dropped_for_some_arguments_or_for_all(new_app):
    """As with Flask-Caching itself."""
    app, made = new_app()
    calls: list[int] = []

    @made.memoize()
    def doubled(number: int) -> int:
        calls.append(number)
        return 2 * number

    with app.app_context():
        first = [doubled(1), doubled(2), doubled(1)]
        made.delete_memoized(doubled, 1)
        second = [doubled(1), doubled(2)]
        made.delete_memoized(doubled)
        third = [doubled(1), doubled(2)]

    assert (first, second, third) == ([2, 4, 2], [2, 4], [2, 4])
    assert calls == [1, 2, 1, 1, 2]
