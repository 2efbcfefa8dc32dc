"""The cache's parts put together for an application."""

from dataclasses import replace
from typing import Any

import flask_caching
import pytest
from flask import Flask, render_template_string
from werkzeug.exceptions import NotFound

from cache.backends.views import SLOTS
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


@pytest.mark.parametrize("made_of", ["function", "method"])
def test_a_result_that_is_kept_is_no_write(new_app, store, made_of):
    """Another worker without a Redis goes on with what it has."""
    app, made = new_app()

    class Numbers:
        def __init__(self, name: str) -> None:
            self.__caching_id__ = lambda: name

        @made.memoize(timeout=60)
        def doubled(self, number: int) -> int:
            return 2 * number

    @made.memoize(timeout=60)
    def doubled(number: int) -> int:
        return 2 * number

    calls = {"function": [doubled], "method": [Numbers("a").doubled, Numbers("b").doubled]}
    with app.app_context():
        for call in calls[made_of]:
            assert [call(number) for number in range(SLOTS)] == [2 * each for each in range(SLOTS)]

    assert store.rows == {}


def test_what_is_memoized_lives_as_long_as_it_should(new_app, clock):
    """Neither shorter, nor for ever; nor does anything stay behind."""
    app, made = new_app()
    calls: list[int] = []

    @made.memoize(timeout=60)
    def doubled(number: int) -> int:
        calls.append(number)
        return 2 * number

    def call(number: int, *, after_s: int) -> None:
        clock.advance(after_s)
        with app.app_context():
            doubled(number)

    call(1, after_s=0)
    call(2, after_s=50)
    call(2, after_s=50)
    assert calls == [1, 2]

    clock.advance(61)
    memory = LarderCache.engine_of(app).memory
    memory.drop_ended()
    assert len(memory) == 0


class Shop:
    """Things with a price, of which one may be deleted at a time."""

    def __init__(self, made: LarderCache) -> None:
        self.price = "old"
        shop = self

        @made.memoize()
        def of(_thing: str) -> str:
            return shop.price

        class Counter:
            def __init__(self, name: str) -> None:
                self.__caching_id__ = lambda: name

            @made.memoize()
            def of(self, _thing: str) -> str:
                return shop.price

            @classmethod
            @made.memoize()
            def of_all(cls, _thing: str) -> str:
                return shop.price

        left, right = Counter("left"), Counter("right")
        self.calls: list[Any] = [of, left.of, right.of, Counter.of_all]
        self.deletions: dict[str, tuple[tuple[Any, ...], list[str]]] = {
            "function": ((of,), ["new", "old", "old", "old"]),
            "arguments": ((of, "tea"), ["new", "old", "old", "old"]),
            "instance": ((left.of,), ["old", "new", "old", "old"]),
            "instance's arguments": ((right.of, "tea"), ["old", "old", "new", "old"]),
            "named instance": ((Counter.of, left, "tea"), ["old", "new", "old", "old"]),
            "class": ((Counter.of,), ["old", "new", "new", "old"]),
            "class method": ((Counter.of_all,), ["old", "old", "old", "new"]),
            "its arguments": ((Counter.of_all, Counter, "tea"), ["old", "old", "old", "new"]),
        }


DELETIONS = list(Shop(LarderCache()).deletions)


@pytest.mark.parametrize("deletion", DELETIONS)
def test_every_worker_hears_what_is_no_longer_memoized(new_app, deletion):
    """Each has a memory of its own, without a Redis: it is told by the database."""
    one, made = new_app()
    other, _ = new_app()
    shop = Shop(made)
    for app in (one, other):
        with app.app_context():
            assert [call("tea") for call in shop.calls] == ["old"] * 4

    shop.price = "new"
    arguments, prices = shop.deletions[deletion]
    with one.app_context():
        made.delete_memoized(*arguments)

    for app in (one, other):
        with app.app_context():
            assert [call("tea") for call in shop.calls] == prices


@pytest.mark.parametrize("is_debug", [False, True])
def test_what_a_view_aborts_with_is_kept(new_app, is_debug):
    """As with Flask-Caching itself; an error of one's own passes, as every other exception."""
    app, made = new_app()
    app.debug = is_debug
    calls: list[str] = []

    class Own(NotFound):
        pass

    @app.get("/<name>")
    @made.cached()
    def view(name: str) -> str:
        calls.append(name)
        raise Own("one's own") if name == "own" else NotFound("no such thing")

    client = app.test_client()
    answers = [client.get(path) for path in ("/a", "/a", "/own", "/own")]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert "no such thing" in answers[1].text
    assert calls == ["a", "own", "own"]


def test_a_fragment_of_a_template_is_rendered_once(new_app):
    """And stays markup: what is taken from the cache is not escaped a second time."""
    app, _ = new_app()
    calls: list[str] = []

    def name() -> str:
        calls.append("called")
        return "<Tom & Co.>"

    text = "{% cache 60, 'name' %}<b>{{ name() }}</b>{% endcache %}"
    with app.test_request_context():
        rendered = [render_template_string(text, name=name) for _ in range(2)]

    assert rendered == ["<b>&lt;Tom &amp; Co.&gt;</b>"] * 2
    assert calls == ["called"]
