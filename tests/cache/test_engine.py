"""The engine over its tiers: what each is asked for, and what never leaves them."""

import threading

import fakeredis
import pytest

from cache.engine import EVERYTHING
from cache.results import Outcome
from cache.scopes import Scope
from cache.tiers import JITTER
from tests.cache.suite import Answers
from tests.doubles.redis_tier import FailingClient
from tests.factories.caches import make_call, make_engine, misses
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


def _forget(worker) -> None:
    worker.memory.clear()


def test_memory_stands_in_front_of_redis(new_worker):
    """Another worker's entry is fetched once."""
    one, two = new_worker(), new_worker()
    one.read(make_call())

    details = [worker.read(make_call()).detail for worker in (one, two, two)]

    assert details == ["memory", "redis", "memory"]


def test_memory_may_stand_back(new_worker):
    """Where a setting says so, it serves in Redis' absence only."""
    worker = new_worker(memory_first=False)

    details = [worker.read(make_call()).detail for _ in range(3)]

    assert details == ["absent", "redis", "redis"]


def test_reads_go_on_while_redis_is_away(new_worker, server):
    """From memory, without an error; misses are filled there."""
    worker = new_worker(memory_first=False)
    worker.read(make_call())

    server.connected = False
    worker.read(make_call(owner="notice"))
    details = [worker.read(make_call(owner=owner)).detail for owner in ("u1", "notice", "u3")]

    assert details == ["memory", "memory", "absent"]
    assert worker.redis_client() is None


def test_writes_while_redis_is_away_hold_when_it_is_back(new_worker, server, store):
    """Redis still has the entry of before: its stamp gives it away."""
    workers = [new_worker(pause_s=0.01), new_worker(pause_s=0.01)]
    workers[0].read(make_call(Answers("old")))
    server.connected = False
    for worker in workers:
        worker.read(make_call(owner="notice"))

    store.bump(["users:u1"])
    server.connected = True
    wait_until(lambda: all(worker.redis.is_up for worker in workers))

    found = [worker.read(make_call(Answers("new"))).value for worker in workers]
    assert found == ["new", "new"]


def test_entries_in_redis_end_a_little_after_their_ttl(new_worker, client):
    """Nothing is left there for ever; a minute more tells whether a longer TTL would help."""
    new_worker().read(make_call(ttl_s=100))

    assert 149_000 < client.pttl(STORED) <= 160_000


@pytest.mark.parametrize(
    ("answer", "counted"),
    [("first", "reloads|users|me|unchanged"), ("new", "reloads|users|me|changed")],
)
@pytest.mark.parametrize("options", [{}, {"memory_first": False}])
def test_a_reload_after_the_ttl_says_whether_it_was_needed(
    new_worker, clock, options, answer, counted
):
    """From either tier: whoever sets the TTLs learns what a longer one would save."""
    worker = new_worker(**options)
    worker.read(make_call(Answers("first"), ttl_s=100))
    clock.advance(130)

    result = worker.read(make_call(Answers(answer), ttl_s=100))

    assert (result.value, result.detail) == (answer, "expired")
    assert worker.statistics.snapshot()[counted] == 1


def test_an_entry_that_is_past_both_is_old_by_its_stamp(new_worker, store, clock):
    """A longer TTL would not have served it."""
    worker = new_worker()
    worker.read(make_call(ttl_s=100))
    store.bump(["users:u1"])
    clock.advance(110)

    assert worker.read(make_call(ttl_s=100)).detail == "stamp"


def test_entries_made_together_do_not_end_together(new_worker):
    """Else a thousand users' entries would be loaded within one second."""
    worker = new_worker()
    ttls = [worker.entry(KEY, "1", {}, b"", 1000).expires_s for _ in range(300)]
    now_s = worker.clock.now().timestamp()
    lived = [ends - now_s for ends in ttls]

    assert 1000 * (1 - JITTER) <= min(lived) < 950 < max(lived) <= 1000


def test_a_stamp_is_of_before_the_load(new_worker, store):
    """A write that ends while the value is being loaded makes the entry old."""
    worker = new_worker()
    store.rows["users:u1"] = 7

    def load() -> str:
        store.bump(["users:u1"])
        return "loaded"

    worker.read(make_call(load))

    assert worker.memory.get(KEY).stamp["users:u1"] == 7


def test_a_reader_after_a_write_does_not_join_a_load_of_before_it(new_worker, store):
    """The older load would give it the older answer: it loads for itself, at once."""
    worker = new_worker(wait_s=5)
    began, may_end, loaded = threading.Event(), threading.Event(), threading.Event()

    def load_old() -> str:
        began.set()
        assert may_end.wait(10)
        return "old"

    def load_new() -> str:
        loaded.set()
        return "new"

    older = threading.Thread(target=lambda: worker.read(make_call(load_old)))
    older.start()
    assert began.wait(10)
    store.bump(["users:u1"])
    newer = threading.Thread(target=lambda: worker.read(make_call(load_new)))
    newer.start()

    is_prompt = loaded.wait(2)
    may_end.set()
    for thread in (older, newer):
        thread.join()

    assert is_prompt
    assert worker.read(make_call(lambda: "newest")).value in {"new", "newest"}


def test_a_miss_says_what_memory_knew(new_worker, store, client):
    """That a write made the entry old tells more than that Redis has none."""
    worker = new_worker()
    worker.read(make_call())
    store.bump(["users:u1"])
    client.flushall()

    assert worker.read(make_call()).detail == "stamp"


def test_an_entry_depends_on_three_scopes(new_worker):
    """Its owner's, its namespace's, and everything's."""
    scopes = new_worker().scopes("users", Scope("users:u1"))

    assert scopes == (Scope("users:u1"), Scope("ns:users"), EVERYTHING)


def test_without_the_database_nothing_is_served(new_worker, store):
    """Freshness cannot be known: a hit would be a guess."""
    worker = new_worker()
    worker.read(make_call())

    store.fault = LookupError("the database is away")

    with pytest.raises(LookupError):
        worker.read(make_call())


def test_a_memory_without_room_still_serves(store, clock):
    """Each read is loaded, and nothing is pushed out for what does not fit."""
    worker = make_engine(store, clock, memory_bytes=100)

    results = [worker.read(make_call()) for _ in range(2)]

    assert [each.value for each in results] == [["loaded"]] * 2
    assert (len(worker.memory), worker.memory.evictions) == (0, 0)


def test_reads_are_hits_and_misses(new_worker, store):
    """To the unit, by reason and by tier."""
    worker = new_worker()
    worker.read(make_call())
    worker.read(make_call())
    store.bump(["users:u1"])
    worker.read(make_call())
    _forget(worker)
    worker.read(make_call())

    figures = worker.statistics.snapshot()
    reads = {name: count for name, count in figures.items() if name.startswith("reads|")}

    assert reads == {
        "reads|users|me|hit|memory": 1,
        "reads|users|me|hit|redis": 1,
        "reads|users|me|miss|absent": 1,
        "reads|users|me|miss|stamp": 1,
    }
    assert figures["fills|users|me"] == 2
    assert figures["latency|count|users|loader"] == 2
    assert figures["latency|count|users|redis"] == 1


def test_two_readers_of_one_stamp_share_what_was_decoded(new_worker):
    """The second hit costs no decoding: the value is the same object."""
    worker = new_worker()
    worker.read(make_call())

    one, two = (worker.read(make_call()).value for _ in range(2))

    assert one is two


def test_a_readers_decoded_value_stays_its_owners(new_worker):
    """What one entry keeps is no other's."""
    worker = new_worker()
    for owner in ("u1", "u2"):
        worker.read(make_call(Answers([owner]), owner=owner))

    found = [worker.read(make_call(owner=owner)).value for owner in ("u1", "u2")]

    assert found == [["u1"], ["u2"]]


def test_the_client_is_lent_while_redis_is_up(new_worker):
    """Streams live in the same Redis, behind the same circuit."""
    worker = new_worker()

    assert worker.redis_client() is worker.redis.client()


def test_memory_alone_has_no_client_to_lend(store, clock):
    """And nothing to close."""
    worker = make_engine(store, clock)

    assert worker.redis_client() is None
    worker.shutdown()


def test_shutting_down_ends_the_probing(store, clock, new_tier):
    """A worker that ends leaves no thread behind."""
    tier = new_tier(FailingClient(ConnectionError("refused")), pause_s=0.01)
    worker = make_engine(store, clock, tier)
    worker.read(make_call())

    worker.shutdown()

    assert worker.read(make_call()).outcome is Outcome.HIT
    assert misses(worker) == {"absent": 1}


def test_a_value_over_the_limit_says_that_it_was_not_kept(store, clock):
    """Each read of it is a miss; whoever wonders why reads the header."""
    worker = make_engine(store, clock, entry_bytes=5)

    said = [worker.read(make_call(lambda: "too long")).cache_status for _ in range(2)]

    assert said == ["larder; fwd=miss; detail=absent"] * 2
