"""Tiers: what is newer stays, what Redis missed is carried up, and who refreshes early."""

import math

import fakeredis
import pytest

from cache.results import Outcome
from cache.tiers import AFTERLIFE_S, is_early
from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine
from tests.streams.scripts import wait_until

KEY = make_call().key
STORED = f"t:{KEY}"


@pytest.fixture
def client(server):
    """A look at the faked Redis, past the engine."""
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def new_worker(store, clock, server, new_tier):
    """Makes workers that share it."""

    def make(pause_s=3600.0, **changes):
        tier = new_tier(fakeredis.FakeRedis(server=server), pause_s=pause_s)
        return make_engine(store, clock, tier, **changes)

    return make


def _entry(worker, generation: int, text: str, took_s: float = 0.0):
    stamp = {"users:u1": generation, "ns:users": 0, "*": 0}
    return worker.tiers.entry(KEY, "1", stamp, b'"%s"' % text.encode(), 300, took_s)


def _in_redis(worker, generation: int) -> str:
    stamp = {"users:u1": generation, "ns:users": 0, "*": 0}
    worker.memory.clear()
    return str(worker.find(KEY, "1", stamp).detail)


def _draws(worker, entry) -> bool:
    entry.due_s = entry.early_s
    return bool(worker.find(KEY, "1", None).is_early)


NEWER = 1_700_000_000_000_000
OLDER = NEWER - 1


def test_an_older_load_does_not_take_a_newer_ones_place(new_worker, store):
    """Its loader was slow; a write came, was loaded, and is what readers want."""
    worker = new_worker()
    worker.store(_entry(worker, NEWER, "newer"))
    worker.store(_entry(worker, OLDER, "older"))
    store.rows["users:u1"] = NEWER

    found = worker.read(make_call())

    assert (found.value, found.outcome) == ("newer", Outcome.HIT)
    assert (_in_redis(worker, NEWER), _in_redis(worker, OLDER)) == ("redis", "stamp")


def test_a_newer_load_takes_an_older_ones_place(new_worker):
    """In both tiers."""
    worker = new_worker()
    worker.store(_entry(worker, OLDER, "older"))
    worker.store(_entry(worker, NEWER, "newer"))

    assert worker.memory.get(KEY).body == b'"newer"'
    assert _in_redis(worker, NEWER) == "redis"


def test_an_entry_that_is_over_is_in_nobodys_way(new_worker, clock):
    """Newer or not."""
    worker = new_worker()
    worker.store(_entry(worker, NEWER, "newer"))
    clock.advance(301)
    worker.store(_entry(worker, OLDER, "older"))

    assert worker.memory.get(KEY).body == b'"older"'


@pytest.mark.parametrize("order", [2**64 - 1, 2**63])
def test_foreign_bytes_keep_no_place(new_worker, client, order):
    """However new they claim to be."""
    worker = new_worker()
    client.set(STORED, b"LD3" + b"\0" * 16 + b"\x9c\xcf" + order.to_bytes(8, "big"))

    worker.store(_entry(worker, NEWER, "ours"))

    assert _in_redis(worker, NEWER) == "redis"


def test_what_redis_missed_is_carried_up(new_worker, server, client):
    """When it is next asked for, once: other workers find it there."""
    worker = new_worker(pause_s=0.01)
    server.connected = False
    worker.read(make_call(Answers("notice"), owner="u2"))
    worker.read(make_call(Answers("loaded")))
    server.connected = True
    wait_until(lambda: worker.redis.is_up)
    before = client.exists(STORED)

    results = [worker.read(make_call()) for _ in range(2)]
    client.delete(STORED)
    results.append(worker.read(make_call()))

    assert [each.detail for each in results] == ["memory"] * 3
    assert (before, client.exists(STORED)) == (0, 0)


def test_what_was_carried_up_serves_other_workers(new_worker, server):
    """As if Redis had never been away."""
    worker, other = new_worker(pause_s=0.01), new_worker(pause_s=0.01)
    server.connected = False
    for each in (worker, other):
        each.read(make_call(Answers("notice"), owner="u2"))
    worker.read(make_call(Answers("loaded")))
    server.connected = True
    wait_until(lambda: worker.redis.is_up and other.redis.is_up)
    worker.read(make_call())

    found = other.read(make_call())

    assert (found.value, found.detail) == ("loaded", "redis")


def test_a_memory_without_redis_has_nothing_to_carry(store, clock):
    """Its hits are not looked at twice."""
    worker = make_engine(store, clock)
    worker.read(make_call())

    assert worker.memory.get(KEY).due_s > clock.now().timestamp()


def test_an_entry_stays_for_a_while_after_its_end(new_worker, clock, client):
    """So that a miss can say it was over; no longer than it lived."""
    worker = new_worker()
    worker.read(make_call(ttl_s=30))

    assert 50_000 < client.pttl(STORED) <= 60_000
    clock.advance(31)
    assert worker.find(KEY, "1", None).detail == "expired"
    assert AFTERLIFE_S > 30


def test_of_two_entries_that_are_old_the_one_that_is_over_counts(new_worker, store, clock, client):
    """Its stamp is current: what is said of the miss is that a longer TTL would have saved it."""
    worker, other = new_worker(), new_worker()
    other.read(make_call())
    outdated = client.get(STORED)
    store.bump(["users:u1"])
    worker.read(make_call(ttl_s=30))
    client.set(STORED, outdated)
    clock.advance(31)

    found = worker.find(KEY, "1", store.current(["users:u1", "ns:users", "*"]))

    assert found.detail == "expired"


@pytest.mark.parametrize(
    ("before_s", "draw", "is_due"),
    [
        (2.0, 1 - math.exp(-1.01), True),
        (2.0, 1 - math.exp(-0.99), False),
        (49.0, 1 - math.exp(-24.6), True),
        (0.1, 0.0, False),
    ],
    ids=["drawn", "not drawn", "drawn long before", "the shortest straw"],
)
def test_the_lot_falls_as_xfetch_has_it(new_worker, before_s, draw, is_due):
    """At `now - delta * beta * ln(rand) >= expiry`, delta being how long the load took."""
    entry = _entry(new_worker(), 1, "loaded", took_s=2.0)

    assert is_early(entry, entry.expires_s - before_s, draw) is is_due


def test_the_lot_falls_on_more_as_the_end_comes_near(new_worker, clock):
    """Of many readers a few a load's length before it, most of them at the very end."""
    worker = new_worker()
    entry = _entry(worker, 1, "loaded", took_s=2.0)
    worker.store(entry)
    left_s = entry.expires_s - clock.now().timestamp()
    shares = []
    for before_s in (20.0, 4.0, 0.2):
        clock.advance(left_s - before_s)
        left_s = before_s
        shares.append(sum(_draws(worker, entry) for _ in range(1000)) / 1000)

    few, some, most = shares
    assert few < 0.01
    assert 0.08 < some < 0.2
    assert most > 0.8


def test_a_lot_once_drawn_counts_until_the_entry_is_another(new_worker, clock):
    """The first who draws it may be one who cannot load, such as the layer before the routes."""
    worker = new_worker()
    entry = _entry(worker, 1, "loaded", took_s=2.0)
    worker.store(entry)
    clock.advance(entry.expires_s - clock.now().timestamp() - 0.000_001)
    drawn = [worker.find(KEY, "1", None).is_early for _ in range(100)]
    worker.store(_entry(worker, 2, "newer", took_s=2.0))

    assert drawn == [True] * 100
    assert not worker.find(KEY, "1", None).is_early


def test_an_entry_whose_load_took_no_time_is_not_refreshed(new_worker, clock):
    """Set by hand, or kept in a slot: there is nothing to be saved."""
    worker = new_worker()
    entry = _entry(worker, 1, "loaded")
    worker.store(entry)
    clock.advance(entry.expires_s - clock.now().timestamp() - 0.001)

    assert [worker.find(KEY, "1", None).is_early for _ in range(100)] == [False] * 100


def test_the_same_bytes_are_verified_once(new_worker, client):
    """With memory behind Redis the entry is still Redis' own: byte for byte, or read anew."""
    worker = new_worker(memory_first=False)
    worker.store(_entry(worker, 0, "loaded"))
    worker.memory.clear()

    first = worker.find(KEY, "1", None)
    second = worker.find(KEY, "1", None)

    assert (first.detail, second.detail) == ("redis", "redis")
    assert second.entry is first.entry


def test_other_bytes_are_verified_again(new_worker, client):
    """What was read before says nothing about what stands there now."""
    worker = new_worker(memory_first=False)
    worker.store(_entry(worker, 0, "loaded"))
    worker.find(KEY, "1", None)
    stored = client.get(STORED)
    client.set(STORED, stored[:-1] + b"?")

    assert worker.find(KEY, "1", None).detail == "signature"


def test_what_redis_has_lost_is_not_served_from_what_was_read_before(new_worker, client):
    """Memory serves only while Redis is away."""
    worker = new_worker(memory_first=False)
    worker.store(_entry(worker, 0, "loaded"))
    worker.find(KEY, "1", None)
    client.delete(STORED)

    assert worker.find(KEY, "1", None).detail == "absent"


def test_who_finds_redis_gone_is_answered_from_memory(new_worker, server):
    """The one whose question shows that it is away has no less than those who come after."""
    worker = new_worker(memory_first=False)
    worker.store(_entry(worker, 0, "loaded"))
    server.connected = False

    found = worker.find(KEY, "1", None)

    assert (found.detail, worker.redis.is_up) == ("memory", False)
