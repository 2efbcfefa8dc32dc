"""A stream's log in this process's memory: one writer, any number of readers.

Readers hold nothing but a position, so a slow one costs nothing and holds up nobody.
"""

import threading
from collections.abc import Iterable, Sequence

from streams.events import Draft, Event

__all__ = ["MemoryLog"]

# What an event takes besides its bytes: the object, its slots, its place in the list.
EVENT_OVERHEAD_BYTES = 150
BATCH_EVENTS = 512


class MemoryLog:
    """The events of one stream, from 0 on without a gap."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self._grown = threading.Condition(threading.Lock())
        self._events: list[Event] = []
        self._size_bytes = 0
        self._closed = False

    @property
    def size_bytes(self) -> int:
        """What the log takes of the memory, about."""
        return self._size_bytes

    @property
    def last_id(self) -> int:
        """The id of the newest event, -1 before the first."""
        return len(self._events) - 1

    @property
    def is_closed(self) -> bool:
        """Whether no more events will come."""
        return self._closed

    def append(self, drafts: Sequence[Draft]) -> None:
        """Give `drafts` their ids and show them to the readers; nothing after the log's end."""
        with self._grown:
            if not self._closed:
                self._add(drafts)
                self._grown.notify_all()

    def close(self, drafts: Sequence[Draft]) -> None:
        """Append the closing `drafts`, the last of them terminal. Only the first call counts."""
        with self._grown:
            if self._closed:
                return
            self._add(drafts[:-1])
            self._closed = True
            last = drafts[-1]
            self._keep(Event(len(self._events), last.name, last.data, terminal=True))
            self._grown.notify_all()

    def read(
        self, after: int, *, timeout_s: float, limit: int = BATCH_EVENTS
    ) -> Sequence[Event] | None:
        """The events after the id `after`, as soon as there are any.

        Returns:
            Up to `limit` events; none when nothing came for `timeout_s` seconds; `None` when
            nothing will ever come.
        """
        start = after + 1
        with self._grown:
            if len(self._events) <= start and not self._closed:
                self._grown.wait_for(
                    lambda: len(self._events) > start or self._closed, timeout=timeout_s
                )
            events = self._events[start : start + limit]
            return events or (None if self._closed else events)

    def after(self, position: int, *, limit_bytes: int | None = None) -> Sequence[Event]:
        """The events after the id `position` that are there now, stopping past `limit_bytes`."""
        with self._grown:
            events = self._events[position + 1 :]
        if limit_bytes is None:
            return events
        size = 0
        for count, event in enumerate(events, start=1):
            size += len(event.data) + len(event.name)
            if size >= limit_bytes:
                return events[:count]
        return events

    def has_shown_end(self, after: int) -> bool:
        """Whether a reader that has had the id `after` has had the last event."""
        return self._closed and after >= self.last_id

    def _add(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self._keep(Event(len(self._events), draft.name, draft.data))

    def _keep(self, event: Event) -> None:
        self._events.append(event)
        self._size_bytes += len(event.data) + EVENT_OVERHEAD_BYTES
