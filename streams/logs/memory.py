"""A stream's log in this process's memory: one writer at a time, any number of readers.

Readers hold nothing but a position, so a slow one costs nothing and holds up nobody. Neither side
takes a lock for an event that is there: the list grows at its end only, and a reader that has to
wait leaves its bell first and looks once more, so no event can come between unnoticed.
"""

import threading
from collections.abc import Iterable, Sequence
from functools import partial

from providers.event_loop import by_thread
from streams.events import Draft, Event

__all__ = ["Bell", "MemoryLog"]

# What an event takes besides its bytes: the object, its slots, its place in the list.
EVENT_OVERHEAD_BYTES = 150
BATCH_EVENTS = 512


class Bell:
    """What one reader waits at. Rung once for each time it was left with a log."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # A bare lock costs a fraction of a Condition, most of all on gevent, whose locks pause
        # when a Condition asks them who owns them.
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout_s: float = -1) -> bool:
        """Wait until it rings; false when it did not within `timeout_s` seconds (-1: for ever)."""
        return by_thread(partial(self._lock.acquire, timeout=timeout_s))

    def ring(self) -> None:
        """Wake who waits."""
        self._lock.release()


class MemoryLog:
    """The events of one stream, from 0 on without a gap. Writers take turns by themselves."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self._events: list[Event] = []
        self._bells: list[Bell] = []
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

    @property
    def has_end(self) -> bool:
        """Whether the terminal event is there."""
        return bool(self._events) and self._events[-1].terminal

    @property
    def has_failed(self) -> bool:
        """Whether no more events will come and the last one is no good end."""
        return self._closed and (not self.has_end or self._events[-1].name == "error")

    def append(self, drafts: Sequence[Draft]) -> None:
        """Give `drafts` their ids and show them to the readers; nothing after the log's end."""
        if not self._closed:
            self._add(drafts)
            self._ring()

    def close(self, drafts: Sequence[Draft]) -> None:
        """Append the closing `drafts`, the last of them terminal. Only the first call counts."""
        if self._closed:
            return
        self._add(drafts[:-1])
        last = drafts[-1]
        self._keep(Event(len(self._events), last.name, last.data, terminal=True))
        self._closed = True
        self._ring()

    def read(
        self, after: int, *, timeout_s: float, bell: Bell, limit: int = BATCH_EVENTS
    ) -> Sequence[Event] | None:
        """The events after the id `after`, as soon as there are any.

        Args:
            after: the reader's position.
            timeout_s: how long to wait for an event, seconds.
            bell: the reader's own.
            limit: how many events at most.

        Returns:
            The events; none when nothing came in time; `None` when nothing will ever come.
        """
        start = after + 1
        while not self._has(start) and self._wait(start, bell, timeout_s):
            pass  # rung for events that this reader had seen before it left its bell
        # Asked before the events are looked at: a log that closes in between has more of them.
        closed = self._closed
        events = self._events[start : start + limit]
        return events or (None if closed else events)

    def after(self, position: int, *, limit_bytes: int | None = None) -> Sequence[Event]:
        """The events after the id `position` that are there now, stopping past `limit_bytes`."""
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
        return self.has_end and after >= self.last_id

    def _has(self, start: int) -> bool:
        return len(self._events) > start or self._closed

    def _wait(self, start: int, bell: Bell, timeout_s: float) -> bool:
        """Whether the bell rang."""
        self._bells.append(bell)
        if not self._has(start) and bell.wait(timeout_s):
            return True
        try:
            self._bells.remove(bell)
        except ValueError:
            bell.wait()  # it was taken just now: wait out the ring, so that it is silent next time
            return True
        return False

    def _ring(self) -> None:
        bells = self._bells
        while bells:
            try:
                bell = bells.pop()
            except IndexError:
                return  # its reader took it back
            bell.ring()

    def _add(self, drafts: Iterable[Draft]) -> None:
        events, size_bytes = self._events, 0
        for draft in drafts:
            events.append(Event(len(events), draft.name, draft.data))
            size_bytes += len(draft.data) + EVENT_OVERHEAD_BYTES
        self._size_bytes += size_bytes

    def _keep(self, event: Event) -> None:
        self._events.append(event)
        self._size_bytes += len(event.data) + EVENT_OVERHEAD_BYTES
