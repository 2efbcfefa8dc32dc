"""What the engine hands out for a stream that this worker produces."""

from collections.abc import Callable
from typing import Protocol

from streams.logs.memory import MemoryLog
from streams.outcome import Outcome
from streams.producer import Production
from streams.reading import Reader

__all__ = ["RunningStream"]


class Readers(Protocol):
    """Makes a reader of a log from the event after an id on; `drive` makes its next events."""

    def __call__(self, found: MemoryLog, after: int, drive: Callable[[], bool]) -> Reader: ...


class RunningStream:
    """A stream of this worker. Whoever reads it, or waits for it, produces it meanwhile."""

    def __init__(self, production: Production, read: Readers) -> None:
        self._production = production
        self._read = read

    @property
    def stream_id(self) -> str:
        """Its name."""
        return self._production.plan.stream_id

    def events(self, after: int = -1) -> Reader:
        """A reader from the event after the id `after` on; one that had all gets nothing more."""
        return self._read(self._production.log, after, self._production.advance)

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """The outcome, once the answer is booked and the log closed.

        Raises:
            TimeoutError: that took longer than `timeout_s` seconds.
        """
        while timeout_s is None and self._production.advance():
            pass
        if not self._production.has_ended.wait(timeout_s) or self._production.outcome is None:
            raise TimeoutError(f"Stream {self.stream_id} has not ended.")
        return self._production.outcome

    def wait_begun(self) -> None:
        """Wait for the first chunk, as `start` does; for those who share another's stream.

        Raises:
            ProviderError: the stream failed before its first chunk.
        """
        self._production.has_begun.wait()
        if (failure := self._production.failed_unopened) is not None:
            raise failure
