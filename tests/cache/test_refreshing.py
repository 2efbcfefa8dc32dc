"""Refreshing: beside the requests, once for all workers, and under generations read anew."""

import fakeredis
import pytest

from cache.results import Outcome
from tests.cache.suite import Answers
from tests.factories.caches import make_call, make_engine
from tests.streams.scripts import wait_until

TOOK_S = 2.0


@pytest.fixture
def new_worker(store, clock, server, new_tier):
    """Makes workers that share a faked Redis."""
    return lambda: make_engine(store, clock, new_tier(fakeredis.FakeRedis(server=server)))


@pytest.fixture
def near_end(clock):
    """Gives a worker an entry whose load took two seconds, and lets it come to its end."""

    def keep(worker, *, left_s: float = 0.0001):
        call = make_call()
        stamp = worker.generations.stamp(worker.scopes("users", call.scope))
        entry = worker.tiers.entry(call.key, "1", stamp, b'"old"', 300, TOOK_S)
        worker.store(entry)
        clock.advance(entry.expires_s - clock.now().timestamp() - left_s)
        return entry

    return keep


def _refreshes(worker) -> dict[str, float]:
    figures = worker.statistics.snapshot()
    head = "refreshes|users|"
    return {name.removeprefix(head): n for name, n in figures.items() if name.startswith(head)}


def _refreshed(worker, result: str) -> None:
    wait_until(lambda: _refreshes(worker) == {result: 1})


def test_a_hit_near_its_end_has_the_entry_refreshed(new_worker, near_end):
    """It is served meanwhile, and the next readers find the new one: nobody waits."""
    worker = new_worker()
    near_end(worker)

    hit = worker.read(make_call(Answers("new")))
    _refreshed(worker, "loaded")
    after = worker.read(make_call(Answers("unused")))

    assert (hit.value, hit.outcome) == ("old", Outcome.HIT)
    assert (after.value, after.outcome) == ("new", Outcome.HIT)
    assert after.ttl_s >= 269


def test_a_refresh_is_another_workers_too(new_worker, near_end):
    """One of them loads; the others take the new entry from Redis."""
    one, other = new_worker(), new_worker()
    old = near_end(one)
    one.read(make_call(Answers("new")))
    _refreshed(one, "loaded")
    other.tiers.remember(old)

    found = other.read(make_call(Answers("again")))

    assert found.value == "old"
    _refreshed(other, "elsewhere")
    assert other.read(make_call(Answers("again"))).value == "new"


def test_a_refresh_that_fails_leaves_the_entry(new_worker, near_end):
    """Until its end; it is counted, and the request knows nothing of it."""
    worker = new_worker()
    near_end(worker)

    def fail() -> None:
        raise LookupError("gone")

    hits = [worker.read(make_call(fail))]
    _refreshed(worker, "failed")

    assert [each.value for each in hits] == ["old"]
    assert worker.memory.get(make_call().key).body == b'"old"'


def test_a_refresh_reads_generations_anew(new_worker, near_end, store):
    """A write that came after the hit is in what it loads, and in its stamp."""
    worker = new_worker()
    near_end(worker)

    def load() -> str:
        store.bump(["users:u1"])
        return "loaded before the write"

    worker.read(make_call(load))
    _refreshed(worker, "loaded")

    assert worker.read(make_call(Answers("after the write"))).value == "after the write"


def test_nothing_is_refreshed_at_the_end(new_worker, near_end):
    """A worker that shuts down starts nothing; its last hits are served."""
    worker = new_worker()
    near_end(worker)
    worker.shutdown()

    assert worker.read(make_call(Answers("new"))).value == "old"
    assert _refreshes(worker) == {}
