"""The memory tier: a budget in bytes, least recently used goes first, times by the clock."""

import random
from datetime import timedelta
from functools import partial

import pytest
from flask_caching.backends.simplecache import SimpleCache

from cache.backends.memory import NO_SIZE_BYTES, MemoryCache
from tests.doubles.together import together


@pytest.fixture
def memory(clock):
    """A tier that holds 100 bytes."""
    return MemoryCache(max_bytes=100, clock=clock)


def _fill(memory, *keys: str, size_bytes: int = 25) -> None:
    for key in keys:
        assert memory.set(key, key.upper(), 60, size_bytes=size_bytes)


def _live(memory) -> list[str]:
    return [key for key, _, _ in memory.items()]


def test_a_value_is_kept(memory):
    """The very object: nothing is copied or packed."""
    value = ["kept"]
    memory.set("a", value, 60, size_bytes=1)

    assert memory.get("a") is value
    assert memory.get("b") is None


def test_it_stands_in_for_flask_cachings_own(memory):
    """Whoever asks for a `SimpleCache` has one."""
    assert isinstance(memory, SimpleCache)


@pytest.mark.parametrize("timeout", [60, timedelta(minutes=1)])
def test_a_value_lives_as_long_as_it_should(memory, clock, timeout):
    """Not a second longer."""
    memory.set("a", 1, timeout, size_bytes=1)

    clock.advance(59.9)
    before = (memory.get("a"), memory.has("a"))
    clock.advance(0.1)

    assert before == (1, True)
    assert (_live(memory), memory.has("a"), memory.get("a")) == ([], False, None)


def test_an_expired_value_gives_its_bytes_back(memory, clock):
    """As soon as somebody asks for it."""
    _fill(memory, "a")
    clock.advance(61)

    memory.get("a")

    assert (len(memory), memory.size_bytes) == (0, 0)


def test_a_value_without_a_timeout_lives_by_default(memory, clock):
    """Five minutes."""
    memory.set("a", 1, size_bytes=1)
    clock.advance(299)
    assert memory.has("a")
    clock.advance(1)

    assert not memory.has("a")


def test_a_value_for_ever_outlives_the_others(memory, clock):
    """A timeout of 0 means for ever: eviction treats it like any other."""
    memory.set("a", 1, 0, size_bytes=1)
    clock.advance(10**9)

    assert memory.get("a") == 1


def test_the_least_recently_used_go_first(memory):
    """Being read counts as use; being looked at by an admin does not."""
    _fill(memory, "a", "b", "c", "d")
    memory.get("a")
    memory.has("b")
    list(memory.items())

    _fill(memory, "e")

    assert _live(memory) == ["e", "a", "d", "c"]
    assert memory.evictions == 1


def test_the_budget_is_kept(memory):
    """A large value pushes out as many as it needs, and no more."""
    _fill(memory, "a", "b", "c", "d")

    _fill(memory, "e", size_bytes=60)

    assert _live(memory) == ["e", "d"]
    assert (memory.size_bytes, memory.evictions) == (85, 3)


def test_a_value_over_the_budget_is_refused(memory):
    """It pushes nobody out; what stood under its key is gone, for it would be old."""
    _fill(memory, "a", "b")

    assert not memory.set("a", "huge", 60, size_bytes=101)
    assert _live(memory) == ["b"]
    assert memory.size_bytes == 25


def test_a_value_of_exactly_the_budget_fits(memory):
    """It has the tier to itself."""
    _fill(memory, "a")

    _fill(memory, "b", size_bytes=100)

    assert _live(memory) == ["b"]


def test_setting_again_counts_the_new_size_only(memory):
    """A key that is rewritten all day does not eat up the budget."""
    for size_bytes in (10, 90, 30):
        _fill(memory, "a", size_bytes=size_bytes)

    assert (memory.size_bytes, len(memory), memory.evictions) == (30, 1, 0)


def test_a_value_of_unknown_size_counts_too(clock):
    """Else Flask-Caching's own values would be free."""
    memory = MemoryCache(max_bytes=3 * NO_SIZE_BYTES, clock=clock)
    for key in "abcd":
        memory.set(key, 1)

    assert _live(memory) == ["d", "c", "b"]


def test_adding_does_not_replace(memory, clock):
    """Unless what stood there has expired."""
    memory.set("a", "first", 60, size_bytes=1)

    added = memory.add("a", "second", 60)
    clock.advance(60)

    assert (added, memory.get("a")) == (False, None)


def test_adding_sets_what_is_not_there(clock):
    """And says so."""
    memory = MemoryCache(max_bytes=1000, clock=clock)

    assert memory.add("a", "first", 60)
    assert memory.get("a") == "first"


def test_deleting_says_whether_there_was_one(memory):
    """And gives the bytes back, once."""
    _fill(memory, "a")

    assert (memory.delete("a"), memory.delete("a")) == (True, False)
    assert memory.size_bytes == 0


def test_clearing_drops_everything(memory):
    """To the last byte."""
    _fill(memory, "a", "b")

    assert memory.clear()
    assert (len(memory), memory.size_bytes) == (0, 0)


def test_values_can_be_dropped_by_what_they_are(memory):
    """As when Redis is back and knows better."""
    _fill(memory, "a", "b", "c")

    assert memory.drop_where(lambda value: value in {"A", "C"}) == 2
    assert (_live(memory), memory.size_bytes) == (["b"], 25)


def test_threads_leave_it_consistent(clock):
    """The bytes counted are the bytes held, after any mixture of calls."""
    memory = MemoryCache(max_bytes=500, clock=clock)

    def work(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 (a mixture that can be repeated)
        for _ in range(2000):
            key = str(chance.randrange(40))
            memory.set(key, key, 60, size_bytes=chance.randrange(60))
            memory.get(str(chance.randrange(40)))
            memory.delete(str(chance.randrange(400)))

    together([partial(work, seed) for seed in range(4)])

    assert memory.size_bytes == sum(size for _, size, _ in memory.items())
    assert memory.size_bytes <= 500


def test_what_has_run_out_is_dropped_in_one_sweep(clock):
    """And handed over, so that it can be counted; the rest stays."""
    memory = MemoryCache(max_bytes=10**6, clock=clock)
    for number in range(1200):
        memory.set(f"k{number}", number, 10 if number % 2 else 100)
    clock.advance(50)

    ended = memory.drop_ended()

    assert sorted(ended) == list(range(1, 1200, 2))
    assert len(memory) == 600
    assert memory.size_bytes == 600 * 256
