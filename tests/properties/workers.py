"""Workers over memory, Redis, both, or a Redis that is away, for the machines of this folder."""

import enum
from typing import Any

import fakeredis
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from redis.exceptions import ConnectionError as RedisRefused

from cache.backends.redis import RedisTier
from cache.engine import CacheEngine
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.redis_tier import FailingClient, make_tier
from tests.factories.caches import make_engine

__all__ = ["Fleet", "Outages", "Setup"]


class Setup(enum.Enum):
    """What stands between a reader and the database."""

    MEMORY = "memory alone"
    REDIS = "Redis alone"
    BOTH = "memory in front of Redis"
    AWAY = "a Redis that is away"


class Fleet:
    """Workers that share a database, a clock and a Redis, which can be unplugged."""

    def __init__(self, setup: Setup, *, workers: int = 2, memory_bytes: int = 2**20) -> None:
        self.setup = setup
        self.store = FakeGenerations()
        self.clock = FakeClock()
        self.server = fakeredis.FakeServer()
        self._tiers: list[RedisTier] = []
        self.engines = [self._engine(memory_bytes) for _ in range(workers)]

    def unplug(self) -> None:
        """Redis does not answer from now on; each worker finds out by itself."""
        self.server.connected = False

    def plug(self) -> None:
        """It answers again, with all it had, and each worker's probe says so."""
        self.server.connected = True
        for tier in self._tiers:
            tier.circuit.try_now()

    def flush(self) -> None:
        """Redis loses all it had."""
        fakeredis.FakeRedis(server=self.server).flushall()

    def close(self) -> None:
        """End the probes."""
        self.server.connected = True
        for tier in self._tiers:
            tier.stop()

    def _engine(self, memory_bytes: int) -> CacheEngine:
        return make_engine(
            self.store,
            self.clock,
            self._tier(),
            memory_bytes=memory_bytes,
            memory_first=self.setup is not Setup.REDIS,
        )

    def _tier(self) -> RedisTier | None:
        if self.setup is Setup.MEMORY:
            return None
        client: Any = fakeredis.FakeRedis(server=self.server)
        if self.setup is Setup.AWAY:
            client = FailingClient(RedisRefused("refused"))
        tier = make_tier(client, clock=self.clock)
        tier.circuit.try_now()
        self._tiers.append(tier)
        return tier


class Outages(RuleBasedStateMachine):
    """What becomes of a fleet's Redis, as rules."""

    fleet: Fleet

    @rule()
    def unplug(self):
        """Redis goes away."""
        self.fleet.unplug()

    @rule()
    def plug(self):
        """It comes back with all it had."""
        self.fleet.plug()

    @precondition(lambda self: self.fleet.server.connected)
    @rule()
    def flush(self):
        """It forgets."""
        self.fleet.flush()
