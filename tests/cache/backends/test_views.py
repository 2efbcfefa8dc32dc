"""Flask-Caching's verbs over an outage, in a request, and over bytes that are no value."""

from contextvars import Context
from functools import partial
from typing import Any

import fakeredis
import pytest
from flask import Flask
from redis.exceptions import OutOfMemoryError

from cache.backends.views import MAX_MISSED, MISSED, NAMESPACE, SLOTS, ViewCache
from tests.doubles.redis_tier import FailingClient
from tests.factories.caches import make_engine
from tests.streams.scripts import wait_until


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the engine."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def new_views(store, clock, server, new_tier):
    """Makes workers whose Redis comes back as soon as it can."""

    def make(**changes) -> ViewCache:
        tier = new_tier(fakeredis.FakeRedis(server=server), pause_s=0.01)
        return ViewCache(make_engine(store, clock, tier, **changes))

    return make


@pytest.fixture(autouse=True)
def context():
    """A request's."""
    with Flask("bare").app_context() as context:
        yield context


def _is_up(worker: ViewCache) -> bool:
    redis = worker._engine.redis  # noqa: SLF001 (the outage is the point)
    return redis is not None and redis.is_up


def _away(server, *workers: ViewCache) -> None:
    server.connected = False
    for worker in workers:
        worker.has("notice")


def _back(server, *workers: ViewCache) -> None:
    server.connected = True
    for worker in workers:
        wait_until(partial(_is_up, worker))


def test_a_deletion_while_redis_is_away_holds_when_it_is_back(new_views, server):
    """Redis was not told, and still has the value: nobody gets it."""
    views, others = new_views(), new_views()
    views.set("k", "old")
    _away(server, views, others)

    views.delete("k")
    _back(server, views, others)

    assert (views.get("k"), others.get("k")) == (None, None)


def test_what_was_set_while_redis_is_away_is_not_undone(new_views, server):
    """Redis comes back with the value of before: it is not served."""
    views, others = new_views(), new_views()
    views.set("k", "old")
    _away(server, views, others)

    views.set("k", "new")
    during = views.get("k")
    _back(server, views, others)

    assert during == "new"
    assert [views.get("k"), others.get("k")] != ["old", "old"]
    assert "old" not in (views.get("k"), others.get("k"))


def test_a_set_that_fails_on_the_way_is_kept_in_memory(new_views, server):
    """Redis goes away with this very call: the program does not notice."""
    views = new_views()
    server.connected = False

    assert views.set("k", "v")
    assert views.get("k") == "v"


def test_a_fill_while_redis_is_away_writes_nothing(new_views, server, store):
    """A view that is loaded in an outage costs the database no write."""
    views = new_views()
    _away(server, views)
    views.get("k")

    views.set("k", "loaded")

    assert views.get("k") == "loaded"
    assert store.rows == {}


def test_while_redis_is_up_it_alone_is_asked(new_views, server, client):
    """A value that others have dropped there is not served from memory."""
    views = new_views()
    _away(server, views)
    views.get("k")
    views.set("k", "in memory")
    _back(server, views)

    assert views.get("k") is None


def test_a_program_without_a_request_is_served(new_views):
    """A script has nowhere to note misses: its sets are writes."""
    views = new_views()

    def work():
        return [views.get("k"), views.set("k", "v"), views.get("k"), views.delete("k")]

    assert Context().run(work) == [None, True, "v", True]


def test_a_value_set_after_ones_own_clearing_is_kept(new_views):
    """The new value is newer than the clearing."""
    views = new_views()
    views.get("k")
    views.clear()

    views.set("k", "new")

    assert views.get("k") == "new"


def test_two_workers_that_look_by_has_keep_what_they_load(new_views, server, store):
    """Were their sets writes, each would take it from the other, for ever."""
    workers = [new_views(), new_views()]
    _away(server, *workers)

    for views in workers:
        views.has("k")
        views.set("k", "loaded")

    assert [views.get("k") for views in workers] == ["loaded", "loaded"]
    assert store.rows == {}


def test_what_is_loaded_in_the_place_of_a_cached_none_is_no_write(new_views, server, store):
    """A memoized function that answers `None` is called each time: that says nothing new."""
    views = new_views()
    _away(server, views)

    for value in (None, None, "v"):
        views.get("k")
        views.set("k", value)

    assert (views.get("k"), store.rows) == ("v", {})


def test_a_look_after_the_load_does_not_hide_a_deletion(new_views, server):
    """Looked for, loaded, deleted by somebody else, added if it is still not there."""
    views, others = new_views(), new_views()
    _away(server, views, others)
    views.get("k")
    with Flask("another").app_context():
        others.delete("k")

    views.has("k")
    views.set("k", "old")

    assert views.get("k") is None


def test_a_request_that_goes_on_for_long_hears_of_others(new_views):
    """A page that waits for a job, say: the generations that it began with are not its last."""
    page, job = new_views(), new_views()
    with Flask("page").test_request_context():
        before = page.get("k")
        with Flask("job").test_request_context():
            job.delete("k")
            job.set("k", "done")

        assert (before, page.has("k"), page.get("k")) == (None, True, "done")


def test_a_request_that_goes_on_for_long_is_heard(new_views):
    """Somebody deletes what it has set before: what it sets then is newer."""
    job, page = new_views(), new_views()
    with Flask("job").test_request_context():
        job.set("k", 1)
        with Flask("page").test_request_context():
            page.delete("k")

        job.set("k", 2)

        with Flask("page").test_request_context():
            assert (job.get("k"), page.get("k")) == (2, 2)


def test_many_values_are_one_question_to_the_database(new_views, store):
    """However many they are."""
    new_views().get_many(*(str(number) for number in range(SLOTS)))

    assert len(store.asked) == 1


def test_setting_many_while_redis_is_away_is_one_write(new_views, server, monkeypatch, store):
    """However many they are."""
    views = new_views()
    bumps: list[Any] = []
    _away(server, views)
    monkeypatch.setattr(store, "bump", bumps.append)

    views.set_many({str(number): number for number in range(SLOTS)})

    assert len(bumps) == 1


def test_what_redis_refuses_is_not_served_later(store, clock, server, new_tier):
    """Full, it takes nothing. With room again it hears of another worker's value, and dies."""
    client = fakeredis.FakeRedis(server=server)
    views = ViewCache(make_engine(store, clock, new_tier(client)))
    others = ViewCache(make_engine(store, clock, new_tier(fakeredis.FakeRedis(server=server))))
    others.set("k", "old")
    with pytest.MonkeyPatch.context() as full:
        full.setattr(client, "set", FailingClient(OutOfMemoryError("OOM")).set)
        assert views.set("k", "refused") is False
    assert others.get("k") is None

    others.set("k", "new")
    _away(server, views)

    assert views.get("k") is None


def test_a_value_kept_while_redis_comes_back_is_not_served_later(new_views, server, monkeypatch):
    """Memory was emptied just before: nobody would empty it again."""
    views = new_views()
    _away(server, views)
    bump = views._engine.generations.bump  # noqa: SLF001 (the place between)

    def come_back(scopes):
        bump(scopes)
        _back(server, views)

    monkeypatch.setattr(views._engine.generations, "bump", come_back)  # noqa: SLF001
    views.set("k", "old")
    new_views().set("k", "new")
    _away(server, views)

    assert views.get("k") is None


def test_what_came_from_redis_is_not_served_in_its_place(new_views, server):
    """Where Redis comes first, memory knows its entries again; others may have set them anew."""
    views, others = new_views(memory_first=False), new_views(memory_first=False)
    views.set("k", "old")
    views.get("k")
    others.set("k", "new")
    _away(server, views)

    assert views.get("k") is None


def test_thousands_of_values_are_loaded_without_a_write(new_views, server, store):
    """By a job, say, that looks for all of them first."""
    views = new_views()
    _away(server, views)
    many = dict.fromkeys(map(str, range(3000)), "v")
    views.get_many(*many)

    views.set_many(many)

    assert (views.get_dict(*many), store.rows) == (many, {})


def test_misses_noted_are_bounded(new_views, context):
    """A job that looks for a million keys within one context fills no memory."""
    views = new_views()
    for number in range(MAX_MISSED + 10):
        views.get(str(number))

    assert len(context.g.get(MISSED)) == MAX_MISSED
    assert str(MAX_MISSED + 9) in context.g.get(MISSED)


def test_rows_for_deletions_are_bounded(new_views, store):
    """However many keys are deleted."""
    views = new_views()

    views.delete_many(*(str(number) for number in range(5000)))

    assert len(store.rows) == SLOTS
    assert all(name.startswith(f"{NAMESPACE}:") for name in store.rows)


def test_deleting_nothing_writes_nothing(new_views, store):
    """An empty list is no write."""
    assert new_views().delete_many() == []
    assert store.rows == {}


@pytest.mark.parametrize("raw", [b"", b"foreign", b"LD1" + b"\x00" * 200, b"\x80\x04\x95"])
def test_foreign_bytes_are_no_value(new_views, client, raw):
    """They are neither served nor in the way."""
    views = new_views()
    client.set("t:views::k", raw)

    assert (views.get("k"), views.has("k")) == (None, False)
    assert views.set("k", "v")
    assert views.get("k") == "v"


def test_a_signed_body_that_is_no_value_is_none(new_views, client):
    """Written by a version that packed otherwise."""
    views = new_views()
    stamp = views._stamp("k")  # noqa: SLF001 (made as that version would)
    entry = views._entry("k", "v", 60, stamp)  # noqa: SLF001
    entry.body = b"\xc1"
    views._send(entry)  # noqa: SLF001

    assert views.get("k") is None
    assert (views.set("k", "v"), views.get("k")) == (True, "v")


def test_another_keys_entry_is_no_value(new_views, client):
    """Copied between keys, it is still signed for its own."""
    views = new_views()
    views.set("a", "of a")
    client.set("t:views::b", client.get("t:views::a"))

    assert views.get("b") is None


def test_a_value_for_ever_has_an_end_in_redis(new_views, client):
    """Ten years: what nobody deletes still goes."""
    new_views().set("k", "v", timeout=0)

    assert client.ttl("t:views::k") > 9 * 365 * 86400


def test_a_failing_redis_fails_no_verb(store, clock, new_tier):
    """From the first call on."""
    views = ViewCache(make_engine(store, clock, new_tier(FailingClient(ConnectionError("no")))))

    assert (views.get("k"), views.set("k", "v"), views.get("k")) == (None, True, "v")
    assert (views.add("k", "w"), views.delete("k"), views.clear()) == (False, True, True)


def test_reads_are_counted_as_hits_and_misses(new_views):
    """Of `@cached` and `@memoize` as of every other read, by tier and by reason."""
    views = new_views()

    views.get("k")
    views.set("k", 1)
    views.get("k")
    views.delete("k")
    views.get("k")

    counted = views._engine.statistics.snapshot()  # noqa: SLF001 (a backend has no figures of its own)
    assert {name: count for name, count in counted.items() if name.startswith("reads|")} == {
        "reads|views|get|miss|absent": 2,
        "reads|views|get|hit|redis": 1,
    }
