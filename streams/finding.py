"""Finds a stream's log to read it, whichever worker produces it."""

import threading
from collections.abc import Callable, Sequence

import structlog

from streams.errors import StreamGone
from streams.events import Event
from streams.logs.following import Follower
from streams.logs.memory import MemoryLog
from streams.logs.protocol import OutOfReach, SharedLogs
from streams.logs.shelf import LogShelf
from streams.reading import Reader
from telemetry.clock import Clock

__all__ = ["StreamFinder"]

# How long a join waits for a stream that nobody knows yet: it may have begun a moment ago.
PATIENCE_S = 0.25
PATIENCE_IF_EXPECTED_S = 2.0
LOOK_S = 0.01

log = structlog.get_logger(__name__)


class StreamFinder:
    """Reads this worker's streams, and the others' where their logs are shared.

    Args:
        shelf: this worker's logs.
        shared: where the logs of all workers are, if anywhere.
        follower: follows those of other workers, where they are shared.
        heartbeat_s: the longest silence of a reader.
    """

    def __init__(
        self,
        shelf: LogShelf,
        *,
        shared: SharedLogs | None,
        follower: Follower | None,
        clock: Clock,
        heartbeat_s: float,
    ) -> None:
        self._shelf = shelf
        self._shared = shared
        self._follower = follower
        self._clock = clock
        self._heartbeat_s = heartbeat_s

    def join(self, stream_id: str, *, after: int, is_expected: bool) -> Reader:
        """Read a stream from the event after the id `after` on.

        Raises:
            StreamGone: there is nothing to read; its `reason` says why.
        """
        found = self._shelf.find(stream_id)
        if found is None:
            if self._follower is None:
                raise StreamGone(stream_id, "unreachable")
            patience_s = PATIENCE_IF_EXPECTED_S if is_expected else PATIENCE_S
            found = self._follower.follow(stream_id, patience_s=patience_s)
        if self._has_shown_end(found, after):
            raise StreamGone(stream_id, "ended")
        return self.reader(found, after)

    def logged(self, stream_id: str) -> Sequence[Event]:
        """All events of a stream that can be had by now; none when it is out of reach."""
        found = self._shelf.find(stream_id)
        if found is None and self._follower is not None:
            try:
                found = self._follower.follow(stream_id, patience_s=0)
            except StreamGone:
                return ()
        return found.after(-1) if found else ()

    def reader(
        self, found: MemoryLog, after: int, drive: Callable[[], bool] | None = None
    ) -> Reader:
        """A reader of a log that is at hand; `drive` makes its next events, if it is his turn."""
        return Reader(
            found,
            after=after,
            heartbeat_s=self._heartbeat_s,
            on_end_of_lost=self._mark_end,
            drive=drive,
        )

    def _has_shown_end(self, found: MemoryLog, after: int) -> bool:
        """Whether a reader that has had the id `after` has had the last event.

        A copy may be behind what its reader has had from another worker: it gets its moment.
        """
        deadline = self._clock.monotonic() + PATIENCE_S
        while found.last_id < after and not found.is_closed and self._clock.monotonic() < deadline:
            self._clock.wait(threading.Event(), LOOK_S)
        return found.has_shown_end(after)

    def _mark_end(self, stream_id: str, event_id: int) -> None:
        if self._shared is not None:
            try:
                self._shared.mark_end(stream_id, event_id)
            except OutOfReach:
                log.warning("stream_end_not_marked", stream_id=stream_id)
