"""What cached reads do over every backend: one list, run by `test_suite.py`.

A class `Test…` inherits from `Reads` and gives `new_worker`, which makes engines that share one
database and, where there is one, one Redis.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cache.engine import EVERYTHING, CacheEngine
from cache.results import Outcome, ReadPolicy, reading
from tests.doubles.fake_clock import FakeClock
from tests.doubles.fake_generations import FakeGenerations
from tests.doubles.together import together
from tests.factories.caches import make_call, misses
from tests.streams.scripts import wait_until

__all__ = ["Answers", "NewWorker", "Reads"]

NewWorker = Callable[..., CacheEngine]


class Answers:
    """A loader whose answer a test changes, and which counts its calls."""

    def __init__(self, answer: Any = "first") -> None:
        self.answer = answer
        self.count = 0

    def __call__(self) -> Any:
        """The answer of now."""
        self.count += 1
        return self.answer


class Reads:
    """Cached reads."""

    def test_the_second_read_is_a_hit(self, new_worker: NewWorker):
        """The same bytes and ETag, and no load."""
        worker, answers = new_worker(), Answers(["a", 1])

        first, second = (worker.read(make_call(answers)) for _ in range(2))

        assert (first.outcome, second.outcome) == (Outcome.MISS, Outcome.HIT)
        assert (second.body, second.etag, second.value) == (first.body, first.etag, ["a", 1])
        assert answers.count == 1

    def test_a_write_is_seen_by_every_worker(self, new_worker: NewWorker, store: FakeGenerations):
        """The one promise: nothing older than what was acknowledged."""
        workers, answers = [new_worker(), new_worker()], Answers()
        for worker in workers:
            worker.read(make_call(answers))

        answers.answer = "second"
        store.bump(["users:u1"])

        assert [worker.read(make_call(answers)).value for worker in workers] == ["second"] * 2

    @pytest.mark.parametrize("scope", ["users:u1", "ns:users", EVERYTHING.name])
    def test_each_scope_of_an_entry_makes_it_old(
        self, new_worker: NewWorker, store: FakeGenerations, scope: str
    ):
        """Its owner's, its namespace's, and everything's."""
        worker = new_worker()
        worker.read(make_call())

        store.bump([scope])

        assert worker.read(make_call()).detail == "stamp"

    @pytest.mark.parametrize("scope", ["users:u2", "ns:models", "users:u"])
    def test_other_scopes_do_not(self, new_worker: NewWorker, store: FakeGenerations, scope: str):
        """Another user's write costs nobody a hit."""
        worker = new_worker()
        worker.read(make_call())

        store.bump([scope])

        assert worker.read(make_call()).outcome is Outcome.HIT

    def test_a_restored_generation_brings_nothing_back(
        self, new_worker: NewWorker, store: FakeGenerations
    ):
        """An entry is served under exactly its own stamp, not under a later one either."""
        worker = new_worker()
        store.rows["users:u1"] = 5
        worker.read(make_call())

        store.rows["users:u1"] = 4

        assert worker.read(make_call()).detail == "stamp"

    def test_a_write_during_a_load_is_not_overwritten(
        self, new_worker: NewWorker, store: FakeGenerations
    ):
        """What was read before the write may be answered, but is never a hit afterwards."""
        worker = new_worker()

        def load() -> str:
            store.bump(["users:u1"])
            return "old"

        worker.read(make_call(load))

        assert worker.read(make_call(lambda: "new")).value == "new"

    def test_owners_are_kept_apart(self, new_worker: NewWorker):
        """Whoever asks gets their own."""
        worker = new_worker()
        for owner in ("u1", "u2"):
            worker.read(make_call(Answers(owner), owner=owner))

        found = [worker.read(make_call(owner=owner)).value for owner in ("u1", "u2")]

        assert found == ["u1", "u2"]

    def test_an_entry_ends_with_its_ttl(self, new_worker: NewWorker, clock: FakeClock):
        """Within a tenth before it, so that not all end at once; never after."""
        worker = new_worker()
        worker.read(make_call(ttl_s=100))

        clock.advance(89)
        early = worker.read(make_call(ttl_s=100))
        clock.advance(11)
        late = worker.read(make_call(ttl_s=100))

        assert (early.outcome, late.outcome) == (Outcome.HIT, Outcome.MISS)

    def test_an_operators_ttl_takes_the_place_of_the_namespaces(
        self, new_worker: NewWorker, clock: FakeClock
    ):
        """For its resource alone."""
        worker = new_worker(ttls={"users_me": 10})
        for resource in ("me", "list"):
            worker.read(make_call(resource=resource))

        clock.advance(10)
        found = [worker.read(make_call(resource=each)).outcome for each in ("me", "list")]

        assert found == [Outcome.MISS, Outcome.HIT]

    def test_another_shape_is_a_miss(self, new_worker: NewWorker):
        """An upgrade reads no answers of the version before."""
        worker = new_worker()
        worker.read(make_call(shape="1"))

        assert worker.read(make_call(shape="2")).detail == "schema"

    def test_an_answer_over_the_limit_is_served_and_not_kept(self, new_worker: NewWorker):
        """One huge answer costs its reader time, and nobody else anything."""
        worker, answers = new_worker(entry_bytes=100), Answers("a" * 99)

        results = [worker.read(make_call(answers)) for _ in range(2)]

        assert [each.value for each in results] == ["a" * 99] * 2
        assert answers.count == 2
        assert worker.statistics.snapshot()["refused|users"] == 2

    def test_an_answer_of_the_limit_is_kept(self, new_worker: NewWorker):
        """The limit itself is allowed; text has two quotes around it."""
        worker, answers = new_worker(entry_bytes=100), Answers("a" * 98)

        for _ in range(2):
            worker.read(make_call(answers))

        assert answers.count == 1

    def test_an_error_is_not_kept(self, new_worker: NewWorker):
        """It reaches its reader as it is, and the next one tries again."""
        worker = new_worker()

        def fail() -> None:
            raise LookupError("gone")

        with pytest.raises(LookupError):
            worker.read(make_call(fail))

        assert worker.read(make_call(lambda: "back")).value == "back"

    def test_an_empty_answer_is_kept(self, new_worker: NewWorker):
        """`null` is an answer, not the lack of one."""
        worker, answers = new_worker(), Answers(None)

        results = [worker.read(make_call(answers)) for _ in range(2)]

        assert [each.body for each in results] == [b"null", b"null"]
        assert answers.count == 1

    def test_asking_for_a_fresh_answer_replaces_the_entry(self, new_worker: NewWorker):
        """`Cache-Control: no-cache`: who asks next has the new one."""
        worker, answers = new_worker(), Answers()
        worker.read(make_call(answers))

        answers.answer = "second"
        with reading(ReadPolicy.REFRESH):
            refreshed = worker.read(make_call(answers))

        assert (refreshed.value, refreshed.detail) == ("second", "request")
        assert worker.read(make_call(answers)).value == "second"

    def test_asking_past_the_cache_leaves_no_trace(self, new_worker: NewWorker):
        """`Cache-Control: no-store`: nothing is read, nothing is kept."""
        worker, answers = new_worker(), Answers()

        with reading(ReadPolicy.BYPASS):
            result = worker.read(make_call(answers))

        assert (result.outcome, result.ttl_s) == (Outcome.BYPASS, 0)
        assert worker.read(make_call(answers)).detail == "absent"

    def test_readers_at_once_load_once(self, new_worker: NewWorker):
        """A cold key in a rush costs one query."""
        worker, loads = new_worker(), []

        def load() -> str:
            loads.append(1)
            wait_until(lambda: misses(worker) == {"absent": 6})
            threading.Event().wait(0.05)  # from being counted to waiting is a step or two
            return "loaded"

        results = together([lambda: worker.read(make_call(load))] * 6)

        assert {each.value for each in results} == {"loaded"}
        assert len(loads) <= 2  # a thread may still have been held up on that step
        assert worker.statistics.snapshot()["coalesced|users"] == 6 - len(loads)
