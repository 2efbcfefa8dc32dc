"""A copy of another worker's log, fed from Redis, read like any other log."""

import threading
from collections.abc import Sequence

from streams.events import Event
from streams.logs.memory import MemoryLog

__all__ = ["Replica"]


class Replica(MemoryLog):
    """Grows by what the follower fetched; ends, is declared lost, or is cut when Redis is away."""

    def __init__(self, stream_id: str) -> None:
        super().__init__(stream_id)
        self._turn = threading.Lock()
        self._is_lost = False
        self._ends: set[int] = set()

    @property
    def is_lost(self) -> bool:
        """Whether the producer died before the stream's end."""
        return self._is_lost

    def extend(self, events: Sequence[Event]) -> bool:
        """Take fetched events; what is known already is skipped.

        Returns:
            Whether they joined on: false when some are missing in between.
        """
        with self._turn:
            before, joins = len(self._events), True
            for event in events:
                expected = len(self._events)
                joins = event.id <= expected
                if not joins:
                    break
                if event.id == expected and not self._closed:
                    self._keep(event)
                    self._closed = event.terminal
            if len(self._events) > before:  # woken for nothing, readers would send comments
                self._ring()
        return joins

    def lose(self, ends: set[int]) -> None:
        """No more will come: each reader gets one `error`, but for those that had it as `ends`."""
        with self._turn:
            if not self._closed:
                self._ends = ends
                self._is_lost = self._closed = True
                self._ring()

    def cut(self) -> None:
        """No more will come from here; what became of the stream is not known."""
        with self._turn:
            self._closed = True
            self._ring()

    def has_shown_end(self, after: int) -> bool:
        """Whether a reader that has had the id `after` has had the last event."""
        if self._is_lost:
            return after in self._ends
        return super().has_shown_end(after)
