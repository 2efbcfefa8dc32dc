"""One load at a time for each key and stamp; the others wait, bounded, and share what came.

The stamp is part of the flight: a reader that saw newer generations never joins an older load.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")
MAX_FAULTS, MAX_WAITS = 2, 3


class _Flight(Generic[T]):
    __slots__ = ("done", "fault", "result")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: list[T] = []
        self.fault: Exception | None = None


class SingleFlight(Generic[T]):
    """Loads in flight within one process.

    Whoever waited for a load that failed, or for too long, takes part in one more: one of them
    loads, the others wait for that one. So a database in trouble is not asked by everybody. Two
    that failed are enough; after three waits in vain a reader loads for itself.

    Args:
        wait_s: the longest that a reader waits for one load of another.
    """

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[T]] = {}

    def do(self, flight_key: Hashable, load: Callable[[], T]) -> tuple[T, bool]:
        """Load, or take what another is loading.

        Returns:
            The value, and whether it is another's.

        Raises:
            Exception: whatever `load` raises; for a reader that has seen two loads of others fail,
                what the second one raised.
        """
        faults: list[Exception] = []
        waits = 0
        while len(faults) < MAX_FAULTS and waits < MAX_WAITS:
            flight, leads = self._join(flight_key)
            if leads:
                return self._lead(flight_key, flight, load), False
            flight.done.wait(self._wait_s)
            if flight.result:
                return flight.result[0], True
            if flight.fault is not None:
                faults.append(flight.fault)
            else:
                waits += 1
                self._leave(flight_key, flight)
        if faults and waits < MAX_WAITS:
            raise faults[-1]
        return load(), False

    def _join(self, flight_key: Hashable) -> tuple[_Flight[T], bool]:
        with self._lock:
            flight = self._flights.get(flight_key)
            if flight is not None:
                return flight, False
            flight = self._flights[flight_key] = _Flight()
            return flight, True

    def _lead(self, flight_key: Hashable, flight: _Flight[T], load: Callable[[], T]) -> T:
        try:
            flight.result.append(load())
            return flight.result[0]
        except Exception as fault:
            flight.fault = fault
            raise
        finally:
            self._leave(flight_key, flight)
            flight.done.set()

    def _leave(self, flight_key: Hashable, flight: _Flight[T]) -> None:
        """Let nobody join this flight any more."""
        with self._lock:
            if self._flights.get(flight_key) is flight:
                del self._flights[flight_key]
