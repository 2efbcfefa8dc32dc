"""The engine's reads against a version in a database, in every order of events.

Two workers read and write on memory, on Redis, on both and on a Redis that is away; entries end,
are evicted, flushed, restored from an old copy; Redis goes and comes back. Every read that begins
after a write gives that write's version: the model is one number for each owner.
"""

from typing import Any

import fakeredis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cache.results import Outcome, ReadPolicy, reading
from cache.sweeping import sweep
from tests.factories.caches import make_call
from tests.properties.workers import Fleet, Outages, Setup

WHO = st.integers(0, 1)
OWNERS = st.sampled_from(["u1", "u2"])
RESOURCES = st.sampled_from(["me", "list"])
POLICIES = st.sampled_from([ReadPolicy.NORMAL] * 6 + [ReadPolicy.REFRESH, ReadPolicy.BYPASS])
TTL_S = 300
RUNS = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Reads(Outages):
    """Readers and writers of a fleet."""

    setup = Setup.MEMORY
    memory_bytes = 3000

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(self.setup, memory_bytes=self.memory_bytes)
        self.client: Any = fakeredis.FakeRedis(server=self.fleet.server)
        self.versions = {"u1": 1, "u2": 1}
        self.copy: dict[bytes, bytes] = {}
        self.asked = 0

    def teardown(self) -> None:
        """End what was begun."""
        self.fleet.close()

    @rule(who=WHO, owner=OWNERS, resource=RESOURCES, policy=POLICIES)
    def read(self, who, owner, resource, policy):
        """Whoever asks, however: the version of now, and nobody else's."""
        with reading(policy):
            result = self._read(who, owner, resource, lambda: self._value(owner, resource))

        assert result.value == self._value(owner, resource)

    @rule(who=WHO, owner=OWNERS, resource=RESOURCES)
    def read_while_it_is_written(self, who, owner, resource):
        """The load began before the write: its reader may have that, and nobody after it."""
        before = self._value(owner, resource)

        def load():
            self.write(owner)
            return before

        result = self._read(who, owner, resource, load)
        again = self._read(who, owner, resource, lambda: self._value(owner, resource))

        assert result.value in {before, self._value(owner, resource)}
        assert again.value == self._value(owner, resource)

    @rule(who=WHO, owner=OWNERS, resource=RESOURCES)
    def read_what_cannot_be_loaded(self, who, owner, resource):
        """A hit if there is one, else the error; it leaves nothing behind."""

        def fail():
            raise LookupError(owner)

        try:
            result = self._read(who, owner, resource, fail)
        except LookupError:
            return
        assert result.outcome is Outcome.HIT
        assert result.value == self._value(owner, resource)

    @rule(owner=OWNERS)
    def write(self, owner):
        """A write, on whatever worker: the database is one."""
        self.versions[owner] += 1
        self.fleet.store.bump([f"users:{owner}"])

    @rule(scope=st.sampled_from(["ns:users", "*"]))
    def clear(self, scope):
        """A namespace, or all of it, is cleared."""
        self.fleet.store.bump([scope])

    @rule(seconds=st.sampled_from([1, 30, TTL_S, 10 * TTL_S]))
    def wait(self, seconds):
        """Let time pass."""
        self.fleet.clock.advance(seconds)

    @rule(who=WHO)
    def sweep(self, who):
        """A worker drops what has run out."""
        sweep(self.fleet.engines[who])

    @precondition(lambda self: self.fleet.server.connected)
    @rule()
    def save(self):
        """It writes a snapshot."""
        self.copy = {key: self.client.get(key) for key in self.client.scan_iter("t:users:*")}

    @precondition(lambda self: self.fleet.server.connected and self.copy)
    @rule()
    def restore(self):
        """It is restarted, and has what it had then."""
        self.client.flushall()
        self.client.mset(self.copy)

    @precondition(lambda self: self.fleet.server.connected)
    @rule()
    def evict(self):
        """It makes room: any key may go."""
        for key in list(self.client.scan_iter("t:users:*"))[:1]:
            self.client.delete(key)

    @invariant()
    def every_read_is_counted_once(self):
        """Hits, misses and bypasses of both workers add up to what was asked."""
        counted = sum(
            value
            for each in self.fleet.engines
            for name, value in each.statistics.snapshot().items()
            if name.startswith("reads|")
        )
        assert counted == self.asked

    @invariant()
    def memory_stays_within_its_budget(self):
        """However much is read."""
        assert all(each.memory.size_bytes <= self.memory_bytes for each in self.fleet.engines)

    def _read(self, who, owner, resource, load):
        self.asked += 1
        call = make_call(load, owner=owner, resource=resource, ttl_s=TTL_S)
        return self.fleet.engines[who].read(call)

    def _value(self, owner: str, resource: str) -> str:
        return f"{owner} {resource} {self.versions[owner]}"


@pytest.mark.parametrize("setup", Setup)
def test_a_read_gives_the_last_write(setup):
    """On memory, Redis, both, and on a Redis that is away: the four cannot be told apart."""
    run_state_machine_as_test(type("Machine", (Reads,), {"setup": setup}), settings=RUNS)


class _Forgetful(Reads):
    """The same fleet, whose writes do not say what they change."""

    @rule(owner=OWNERS)
    def write(self, owner):
        """A write that bumps nothing."""
        self.versions[owner] += 1


class _Careless(Reads):
    """The same fleet, which keeps what was loaded before a write under the stamp of after it."""

    def _read(self, who, owner, resource, load):
        self.asked += 1
        call = make_call(load, owner=owner, resource=resource, ttl_s=TTL_S)
        engine = self.fleet.engines[who]
        found = engine.read(call)
        if found.outcome is Outcome.MISS:
            stamp = engine.generations.now(engine.scopes("users", call.scope))
            engine.store(engine.entry(call.key, call.shape, stamp, found.body, TTL_S))
        return found


@pytest.mark.parametrize("broken", [_Forgetful, _Careless])
def test_the_machine_finds_a_broken_cache(broken):
    """Known-bad protocols fail it, so that passing it means something."""
    tried = settings(RUNS, max_examples=200, phases=[Phase.generate], derandomize=True)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(broken, settings=tried)
