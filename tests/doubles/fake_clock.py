"""A clock that a test moves by hand."""

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """Stands still until `advance` or `sleep`, which moves it and returns at once."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, 12, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic_s = 1000.0

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return self._monotonic_s

    def sleep(self, seconds: float) -> None:
        """Move on instead of pausing."""
        self.advance(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Move on instead of pausing; whether `event` is set."""
        if not event.is_set():
            self.advance(seconds)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds
