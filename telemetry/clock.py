"""Time as a port, so that tests move it by hand instead of sleeping."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Where everything reads the time."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause for `seconds`."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Pause until `event` is set, `seconds` at most; returns whether it is."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """Seconds since an arbitrary point; asked several times a token, so without a call between."""

    def sleep(self, seconds: float) -> None:
        """Pause for `seconds`."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Pause until `event` is set, `seconds` at most; returns whether it is."""
        return event.wait(seconds)


SYSTEM_CLOCK = SystemClock()
