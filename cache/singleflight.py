"""One load at a time for each key and stamp; the others wait, bounded, and share what came.

The stamp is part of the flight: a reader that saw newer generations never joins an older load.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


class _Flight(Generic[T]):
    __slots__ = ("done", "landed", "result")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.landed = False
        self.result: list[T] = []


class SingleFlight(Generic[T]):
    """Loads in flight within one process.

    Args:
        wait_s: the longest that a reader waits for another's load before it loads for itself.
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
            Exception: whatever `load` raises, here; a waiter of a failed load loads for itself.
        """
        with self._lock:
            flight = self._flights.get(flight_key)
            leads = flight is None
            if flight is None:
                flight = self._flights[flight_key] = _Flight()
        if not leads:
            flight.done.wait(self._wait_s)
            if flight.landed:
                return flight.result[0], True
            return load(), False
        try:
            flight.result.append(load())
            flight.landed = True
            return flight.result[0], False
        finally:
            with self._lock:
                del self._flights[flight_key]
            flight.done.set()
