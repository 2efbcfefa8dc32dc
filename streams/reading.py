"""One reader of one stream: a position in a log, and nothing else."""

from collections.abc import Callable, Iterator, Sequence

from streams.errors import ProducerLost
from streams.events import HEARTBEAT, Event, Heartbeat, problem_draft
from streams.logs.memory import Bell, MemoryLog
from streams.logs.replica import Replica

__all__ = ["Reader"]

LOST_STATUS = 502


class Reader:
    """Iterates over the events after a position, then the live ones, to the terminal event.

    It may be left at any time: nothing but the reader itself goes away. When it ends without a
    terminal event (`was_cut`) the stream went on, or may have, where it could not be followed:
    the client should come again with the last id it had.
    """

    def __init__(
        self,
        log: MemoryLog,
        *,
        after: int,
        heartbeat_s: float,
        on_end_of_lost: Callable[[str, int], None] | None = None,
        drive: Callable[[], bool] | None = None,
    ) -> None:
        self._log = log
        self._heartbeat_s = heartbeat_s
        self._on_end_of_lost = on_end_of_lost
        self._drive = drive
        self.position = after
        self.was_cut = False

    @property
    def stream_id(self) -> str:
        """What is read."""
        return self._log.stream_id

    @property
    def is_whole(self) -> bool:
        """Whether no more events will come than are there by now."""
        return self._log.is_closed

    @property
    def has_failed(self) -> bool:
        """Whether it is known by now that the stream ended in an error, or out of sight."""
        return self._log.has_failed

    def __iter__(self) -> Iterator[Event | Heartbeat]:
        for batch in self.batches():
            if batch:
                yield from batch
            else:
                yield HEARTBEAT

    def batches(self) -> Iterator[Sequence[Event]]:
        """The events that are ready together, together; an empty batch is a heartbeat."""
        read, heartbeat_s, bell = self._log.read, self._heartbeat_s, Bell()
        while True:
            is_made = self._is_made_here()
            batch = read(self.position, timeout_s=0 if is_made else heartbeat_s, bell=bell)
            if batch is None:
                yield from self._last_batch()
                return
            if batch:
                self.position = batch[-1].id
            yield batch
            if batch and batch[-1].terminal:
                return

    def _is_made_here(self) -> bool:
        """Whether what comes next was pulled just now by this reader, or nothing came meanwhile."""
        if self._drive is None or self.position < self._log.last_id or self._log.is_closed:
            return False
        if self._drive():
            return True
        self._drive = None
        return False

    def _last_batch(self) -> Iterator[Sequence[Event]]:
        if isinstance(self._log, Replica) and self._log.is_lost:
            # A reader may have been ahead of what reached Redis before the worker died, so
            # each is told under the id that follows the last one it has had.
            error = ProducerLost()
            draft = problem_draft(
                error.code, "Producer lost", retryable=True, status=LOST_STATUS,
                detail=error.message,
            )  # fmt: skip
            self.position += 1
            if self._on_end_of_lost is not None:
                self._on_end_of_lost(self.stream_id, self.position)
            yield [Event(self.position, draft.name, draft.data, terminal=True)]
        else:
            self.was_cut = not self._log.has_shown_end(self.position)
