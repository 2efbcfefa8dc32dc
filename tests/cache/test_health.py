"""How the cache stands, in figures and in words."""

from typing import Any

import fakeredis
import pytest

from cache.health import health_of
from tests.doubles.redis_process import strict_client
from tests.doubles.redis_tier import FailingClient
from tests.factories.caches import make_call, make_engine
from tests.streams.scripts import wait_until


class Server(fakeredis.FakeRedis):
    """A Redis that says of its memory what a test wants."""

    memory: dict[str, Any]

    def info(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Its memory."""
        return self.memory


@pytest.fixture
def new_worker(store, clock, server, new_tier):
    """Makes workers over a Redis that is set up like this."""

    def make(**memory):
        client = Server(server=server)
        client.memory = {
            "maxmemory": 100,
            "maxmemory_policy": "allkeys-lru",
            "used_memory": 7,
            **memory,
        }
        return make_engine(store, clock, new_tier(client, pause_s=0.01), backend="redis")

    return make


def test_memory_alone_is_no_fault(store, clock):
    """Nobody is told that a Redis is missing that was not asked for."""
    worker = make_engine(store, clock, backend="memory", memory_bytes=10_000)
    worker.read(make_call())

    health = health_of(worker)

    assert (health.backend, health.configured, health.warnings) == ("memory", "memory", ())
    assert (health.redis_reachable, health.redis_latency_ms) == (False, None)
    assert (health.circuit, health.fallbacks, health.outages) == ("closed", 0, ())
    assert (health.memory_entries, health.memory_evictions) == (1, 0)
    assert health.memory_bytes == worker.memory.size_bytes > 0


def test_a_redis_that_is_up_is_described(new_worker):
    """With how long it takes to answer."""
    health = health_of(new_worker())

    assert (health.backend, health.configured, health.redis_reachable) == ("redis", "redis", True)
    assert (health.maxmemory_bytes, health.eviction_policy, health.used_memory_bytes) == (
        100,
        "allkeys-lru",
        7,
    )
    assert health.redis_latency_ms is not None
    assert 0 <= health.redis_latency_ms < 1000
    assert health.warnings == ()


def test_an_outage_is_told_while_it_lasts(new_worker, server, clock):
    """Since when, why, and what it means."""
    worker = new_worker()
    server.connected = False
    worker.read(make_call())

    health = health_of(worker)

    (outage,) = health.outages
    assert (health.backend, health.redis_reachable, health.circuit) == ("memory", False, "open")
    assert (outage.began_at, outage.ended_at, outage.reason) == (
        clock.now(),
        None,
        "ConnectionError",
    )
    assert health.maxmemory_bytes is None
    assert [each.partition(":")[0] for each in health.warnings] == ["Redis does not answer"]


def test_an_outage_is_told_afterwards(new_worker, server, clock):
    """When it began and when it ended."""
    worker = new_worker()
    began_at = clock.now()
    server.connected = False
    worker.read(make_call())
    clock.advance(60)
    server.connected = True
    wait_until(lambda: worker.redis.is_up)

    health = health_of(worker)

    (outage,) = health.outages
    assert (health.circuit, health.fallbacks, health.backend) == ("closed", 1, "redis")
    assert began_at == outage.began_at
    assert outage.ended_at is not None
    assert outage.ended_at >= outage.began_at


def test_looking_finds_an_outage(store, clock, new_tier):
    """Whoever asks first learns it, and everybody after is spared the time-out."""
    worker = make_engine(store, clock, new_tier(FailingClient(TimeoutError("frozen"))))

    health = health_of(worker)

    assert (health.redis_reachable, health.circuit) == (False, "open")
    assert [each.reason for each in health.outages] == ["TimeoutError"]


def test_a_redis_without_a_limit_is_warned_of(new_worker):
    """Long before the machine has no memory left."""
    (warning,) = health_of(new_worker(maxmemory=0)).warnings

    assert warning.startswith("maxmemory is not set")


@pytest.mark.parametrize(
    ("policy", "is_warned_of"),
    [
        ("noeviction", True),
        ("volatile-ttl", True),
        ("allkeys-random", True),
        ("allkeys-lru", False),
        ("allkeys-lfu", False),
        ("volatile-lru", False),
        ("volatile-lfu", False),
    ],
)
def test_policies_that_do_not_suit_are_warned_of(new_worker, policy, is_warned_of):
    """By name, with what to set instead."""
    warnings = health_of(new_worker(maxmemory_policy=policy)).warnings

    assert [policy in each and "allkeys-lru" in each for each in warnings] == [True] * is_warned_of


def test_a_server_that_says_nothing_of_itself_is_no_fault(new_worker):
    """Hosted ones forbid INFO: it is up all the same."""
    worker = new_worker()
    worker.redis.client().memory = {}

    health = health_of(worker)

    assert (health.redis_reachable, health.maxmemory_bytes, health.warnings) == (True, None, ())


@pytest.mark.server
def test_a_user_that_may_not_ask_info_is_no_outage(store, clock, redis_process, new_tier):
    """`-@dangerous` takes that away, and nothing that a cache needs."""
    redis_process.tell("ACL", "SETUSER", "cache", "on", "nopass", "~*", "+@all", "-@dangerous")
    client = strict_client(redis_process.port)
    client.execute_command("AUTH", "cache", "any")
    worker = make_engine(store, clock, new_tier(client), backend="redis")

    health = health_of(worker)
    client.close()
    redis_process.tell("ACL", "DELUSER", "cache")

    assert (health.redis_reachable, health.circuit, health.outages) == (True, "closed", ())
    assert health.redis_version is None


def test_what_redis_evicts_is_told_since_the_last_look(new_worker, clock):
    """A count since its start says little a month later: what matters is whether it grows."""
    worker = new_worker(evicted_keys=50, uptime_in_seconds=86400)
    client = worker.redis.client()

    first = health_of(worker)
    clock.advance(300)
    still = health_of(worker)
    client.memory["evicted_keys"] = 80
    clock.advance(60)
    grown = health_of(worker)

    assert "50 keys in the last 24 hours" in first.warnings[0]
    assert still.warnings == ()
    assert "30 keys in the last 60 seconds" in grown.warnings[0]
    assert grown.redis_evictions == 80


def test_a_memory_that_is_too_small_is_told(store, clock):
    """It evicts more than it holds: entries go before anybody asks again."""
    worker = make_engine(store, clock, backend="memory", memory_bytes=10_000)
    for number in range(60):
        worker.read(make_call(owner=f"u{number}"))

    (warning,) = health_of(worker).warnings

    assert warning.startswith("This worker's memory is full")
    assert "CACHE_MEMORY_BYTES" in warning


@pytest.mark.server
def test_a_real_server_is_judged(store, clock, redis_process, new_tier):
    """The words of INFO are those that Redis has."""
    client = strict_client(redis_process.port)
    worker = make_engine(store, clock, new_tier(client), backend="redis")

    health = health_of(worker)
    client.close()

    assert health.redis_role == "master"
    assert (health.redis_version or "")[0].isdigit()
    assert (health.redis_clients or 0) >= 1
    assert any(each.startswith("maxmemory is not set") for each in health.warnings)
