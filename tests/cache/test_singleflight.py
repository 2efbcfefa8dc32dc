"""Single flight: one load for all who ask at once, and nobody waits for ever."""

import threading
from typing import Any

import pytest

from cache.singleflight import SingleFlight
from tests.streams.scripts import wait_until

READERS = 8
LIMIT_S = 10


class Load:
    """A load that waits until the test lets it go on."""

    def __init__(self, value: str = "value") -> None:
        self.value = value
        self.count = 0
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> str:
        """The value, once the test has let it go on."""
        self.count += 1
        self.began.set()
        assert self.may_end.wait(LIMIT_S)
        return self.value


class Key:
    """A key that knows how often it was looked up: the first reader does so twice."""

    def __init__(self) -> None:
        self.lookups = 0

    def __hash__(self) -> int:
        self.lookups += 1
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


class Reader:
    """One reader on its own thread."""

    def __init__(self, flights: SingleFlight[Any], key: object, load) -> None:
        self.result: tuple[Any, bool] | None = None
        self.fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(flights, key, load))
        self._thread.start()

    def _run(self, flights, key, load) -> None:
        try:
            self.result = flights.do(key, load)
        except Exception as fault:  # noqa: BLE001 (the test looks at it)
            self.fault = fault

    def join(self) -> "Reader":
        """Wait for its end."""
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        return self


@pytest.fixture
def flights():
    """Flights whose waiters are patient."""
    return SingleFlight[str](wait_s=LIMIT_S)


def test_readers_at_once_share_one_load(flights):
    """A stampede on a cold key costs the database one query."""
    key, load = Key(), Load()
    readers = [Reader(flights, key, load) for _ in range(READERS)]
    wait_until(lambda: key.lookups == READERS + 1)

    load.may_end.set()
    results = [reader.join().result for reader in readers]

    assert load.count == 1
    assert sorted(filter(None, results)) == [("value", False)] + [("value", True)] * (READERS - 1)


def test_readers_of_different_keys_do_not_wait(flights):
    """Another stamp is another key: who saw newer generations never joins an older load."""
    older = Load("older")
    first = Reader(flights, ("key", 1), older)
    assert older.began.wait(LIMIT_S)

    second = flights.do(("key", 2), lambda: "newer")

    assert second == ("newer", False)
    older.may_end.set()
    assert first.join().result == ("older", False)


def test_a_later_reader_loads_anew(flights):
    """What was loaded is not kept here: keeping is the cache's part."""
    flights.do("key", lambda: "first")

    assert flights.do("key", lambda: "second") == ("second", False)


def test_a_load_that_fails_fails_its_own_reader_only(flights):
    """Waiters load for themselves, and the next reader is not held up."""
    key, load = Key(), Load()

    def fail():
        load()
        raise LookupError("gone")

    first = Reader(flights, key, fail)
    assert load.began.wait(LIMIT_S)
    waiter = Reader(flights, key, lambda: "own")
    wait_until(lambda: key.lookups == 3)
    load.may_end.set()

    assert isinstance(first.join().fault, LookupError)
    assert waiter.join().result == ("own", False)
    assert flights.do(key, lambda: "after") == ("after", False)


def test_a_waiter_of_a_load_that_hangs_loads_for_itself():
    """The wait is bounded: one stuck query does not stop all readers of its key."""
    flights = SingleFlight[str](wait_s=0.01)
    load = Load()
    first = Reader(flights, "key", load)
    assert load.began.wait(LIMIT_S)

    waited = flights.do("key", lambda: "own")

    assert waited == ("own", False)
    load.may_end.set()
    assert first.join().result == ("value", False)


def test_an_empty_result_is_shared_too():
    """`None` is a value like any other, not a sign that nothing landed."""
    flights, key, load = SingleFlight[Any](wait_s=LIMIT_S), Key(), Load()
    readers = [Reader(flights, key, lambda: load() and None) for _ in range(2)]
    wait_until(lambda: key.lookups == 3)

    load.may_end.set()
    results = [reader.join().result for reader in readers]

    assert load.count == 1
    assert sorted(filter(None, results)) == [(None, False), (None, True)]


def test_flights_are_forgotten_when_they_land(flights):
    """Keys of a year do not add up."""
    for number in range(100):
        flights.do(number, lambda: "value")

    wait_until(lambda: not flights._flights)  # noqa: SLF001 (what is kept is the point)
