"""Flask-Caching's verbs against a dictionary with a clock, in every order of events.

The first machine holds one worker to the model exactly, whether it stands on memory, on Redis, on
both, or on a Redis that is away. The second has two workers, a small memory and a Redis that goes,
comes back and forgets: then a value may be missing, and never be an older or another's.
"""

import math
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cache.backends.views import ViewCache
from tests.properties.workers import Fleet, Outages, Setup

KEYS = st.sampled_from(["a", "b", "view//path"])
VALUES = st.none() | st.integers() | st.text(max_size=3) | st.tuples(st.binary(max_size=3))
TIMEOUTS = st.sampled_from([None, 0, 1, 10, 300])
DEFAULT_S = 300
RUNS = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Model:
    """A dictionary whose values end."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._kept: dict[str, tuple[float, Any]] = {}

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return key in self._kept and self._kept[key][0] > self.now_s

    def get(self, key: str) -> Any:
        """The value, or `None`."""
        return self._kept[key][1] if self.has(key) else None

    def set(self, key: str, value: Any, timeout: int | None) -> None:
        """Keep a value."""
        seconds = DEFAULT_S if timeout is None else timeout or math.inf
        self._kept[key] = (self.now_s + seconds, value)

    def delete(self, key: str) -> bool:
        """Drop a value; whether there was one."""
        had = self.has(key)
        self._kept.pop(key, None)
        return had

    def clear(self) -> None:
        """Drop all."""
        self._kept.clear()


class Verbs(RuleBasedStateMachine):
    """What both machines do."""

    setup = Setup.MEMORY
    workers = 1
    memory_bytes = 2**20

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(self.setup, workers=self.workers, memory_bytes=self.memory_bytes)
        self.views = [ViewCache(each, DEFAULT_S) for each in self.fleet.engines]
        self.model = Model()
        self.context = Flask("bare").app_context()
        self.context.push()

    def teardown(self) -> None:
        """End what was begun."""
        self.context.pop()
        self.fleet.close()


class OneWorker(Verbs):
    """One worker does exactly what the dictionary does."""

    @rule(key=KEYS, value=VALUES, timeout=TIMEOUTS)
    def set(self, key, value, timeout):
        """Keep a value, for a time, for ever, or for the default."""
        assert self.views[0].set(key, value, timeout)
        self.model.set(key, value, timeout)

    @rule(key=KEYS, value=VALUES, timeout=TIMEOUTS)
    def add(self, key, value, timeout):
        """Keep a value where there is none."""
        assert self.views[0].add(key, value, timeout) is not self.model.has(key)
        if not self.model.has(key):
            self.model.set(key, value, timeout)

    @rule(key=KEYS)
    def get(self, key):
        """Read a value."""
        found = self.views[0].get(key)

        assert (type(found), found) == (type(self.model.get(key)), self.model.get(key))

    @rule(keys=st.lists(KEYS, max_size=3))
    def get_many(self, keys):
        """Read several."""
        assert self.views[0].get_many(*keys) == [self.model.get(each) for each in keys]

    @rule(key=KEYS)
    def has(self, key):
        """Look for a value; `None` is one."""
        assert self.views[0].has(key) is self.model.has(key)

    @rule(key=KEYS)
    def delete(self, key):
        """Drop a value. What has run out may still have stood there."""
        dropped, had = self.views[0].delete(key), self.model.delete(key)

        assert dropped >= had

    @rule(keys=st.lists(KEYS, max_size=3, unique=True))
    def delete_many(self, keys):
        """Drop several."""
        dropped = self.views[0].delete_many(*keys)

        assert set(dropped) >= {each for each in keys if self.model.delete(each)}
        assert set(dropped) <= set(keys)

    @rule()
    def clear(self):
        """Drop all."""
        assert self.views[0].clear()
        self.model.clear()

    @rule(seconds=st.sampled_from([0.5, 1, 5, 100, 10**6]))
    def wait(self, seconds):
        """Let time pass."""
        self.fleet.clock.advance(seconds)
        self.model.now_s += seconds


class TwoWorkers(Verbs, Outages):
    """Two workers, a small memory and a Redis that comes and goes: missing perhaps, never wrong."""

    workers = 2
    memory_bytes = 2000

    def __init__(self) -> None:
        super().__init__()
        self.contexts = [Flask("bare").app_context() for _ in self.views]

    @rule(who=st.integers(0, 1), key=KEYS, value=st.integers(), timeout=TIMEOUTS)
    def set(self, who, key, value, timeout):
        """A write: from here on nobody sees what was there before."""
        self.views[who].delete(key)
        self.views[who].set(key, value, timeout)
        self.model.set(key, value, timeout)

    @rule(who=st.integers(0, 1), key=KEYS)
    def delete(self, who, key):
        """Likewise."""
        self.views[who].delete(key)
        self.model.delete(key)

    @rule(who=st.integers(0, 1))
    def clear(self, who):
        """Likewise."""
        self.views[who].clear()
        self.model.clear()

    @rule(who=st.integers(0, 1), key=KEYS)
    def look(self, who, key):
        """Read on either worker."""
        found = self.views[who].get(key)

        assert found is None or found == self.model.get(key)
        assert self.model.has(key) or not self.views[who].has(key)

    @rule(seconds=st.sampled_from([1, 5, 100, 10**6]))
    def wait(self, seconds):
        """Let time pass."""
        self.fleet.clock.advance(seconds)
        self.model.now_s += seconds

    @invariant()
    def memory_stays_within_its_budget(self):
        """However much is written."""
        assert all(each.memory.size_bytes <= self.memory_bytes for each in self.fleet.engines)


@pytest.mark.parametrize("setup", Setup)
def test_one_worker_does_what_a_dictionary_does(setup):
    """Over each of the four, to the letter."""
    run_state_machine_as_test(type("Machine", (OneWorker,), {"setup": setup}), settings=RUNS)


@pytest.mark.parametrize("setup", [Setup.MEMORY, Setup.BOTH])
def test_two_workers_never_see_what_was_replaced(setup):
    """Whatever Redis does in between, and whoever wrote."""
    run_state_machine_as_test(type("Machine", (TwoWorkers,), {"setup": setup}), settings=RUNS)


class _Deaf(TwoWorkers):
    """The same two, one of which is not told of deletions."""

    setup = Setup.MEMORY

    @rule(who=st.integers(0, 1), key=KEYS)
    def delete(self, who, key):
        """Drop a value here, and nowhere else."""
        self.fleet.engines[who].memory.delete(f"views::{key}")
        self.model.delete(key)


def test_the_machine_finds_a_deletion_that_others_do_not_hear_of():
    """It can fail: plain caches of one process each do just this."""
    tried = settings(RUNS, max_examples=200, phases=[Phase.generate], derandomize=True)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(_Deaf, settings=tried)
