"""Entries whose time is over: dropped without being asked for, and counted by their use."""

import fakeredis

from cache.sweeping import sweep
from tests.factories.caches import make_call, make_engine

LONG_AFTER_S = 1000


def _ended(worker):
    return {
        name: count
        for name, count in worker.statistics.snapshot().items()
        if name.startswith("ended|")
    }


def test_what_has_run_out_gives_its_room_back(store, clock):
    """Else what nobody asks for again would stay until memory is full."""
    worker = make_engine(store, clock)
    worker.read(make_call(ttl_s=100))
    worker.read(make_call(owner="u2", ttl_s=10_000))
    clock.advance(LONG_AFTER_S)

    assert sweep(worker) == 1
    assert [key for key, _, _ in worker.memory.items()] == [make_call(owner="u2").key]


def test_it_is_counted_whether_anybody_had_asked(store, clock):
    """An entry that ends unread was made for nothing."""
    worker = make_engine(store, clock)
    for owner in ("u1", "u2", "u3"):
        worker.read(make_call(owner=owner, ttl_s=100))
    worker.read(make_call(owner="u1", ttl_s=100))
    clock.advance(LONG_AFTER_S)

    sweep(worker)
    sweep(worker)

    assert _ended(worker) == {"ended|users|me|used": 1, "ended|users|me|unused": 2}


def test_nothing_is_counted_while_it_lives(store, clock):
    """Nor in the minute after, when somebody may still ask for it."""
    worker = make_engine(store, clock)
    worker.read(make_call(ttl_s=100))
    clock.advance(120)

    assert sweep(worker) == 0
    assert _ended(worker) == {}


def test_a_copy_of_another_workers_entry_is_used(store, clock, server, new_tier):
    """Somebody has read it from Redis, which is what it was made for."""
    workers = [
        make_engine(store, clock, new_tier(fakeredis.FakeRedis(server=server))) for _ in range(2)
    ]
    for worker in workers:
        worker.read(make_call(ttl_s=100))
    clock.advance(LONG_AFTER_S)

    sweep(workers[1])

    assert _ended(workers[1]) == {"ended|users|me|used": 1}


def test_keys_of_any_name_make_no_counters(store, clock):
    """An admin may set `files:ann:whatever`, and a view's key is a path: metrics must stay few."""
    worker = make_engine(store, clock)
    for key in ("users:u1:whatever", "views::view//any/path", "nobody:u1:me:x", "users", ""):
        worker.store(worker.entry(key, "1", {}, b"1", 100))
    clock.advance(LONG_AFTER_S)

    assert sweep(worker) == 5
    assert _ended(worker) == {}
