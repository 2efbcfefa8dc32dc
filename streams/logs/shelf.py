"""The logs that this worker holds: of running streams, and of ended ones for a while."""

import threading
from collections import OrderedDict

from streams.logs.memory import MemoryLog
from telemetry.clock import Clock

__all__ = ["LogShelf"]


class LogShelf:
    """Finds logs by stream; ended ones go after `ttl_s`, or earlier when they exceed `max_bytes`.

    Then the oldest go first.
    """

    def __init__(self, *, clock: Clock, ttl_s: float, max_bytes: int) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._running: dict[str, MemoryLog] = {}
        self._ended: OrderedDict[str, tuple[float, MemoryLog]] = OrderedDict()
        self._ended_bytes = 0

    @property
    def ended_bytes(self) -> int:
        """What the logs of ended streams take."""
        return self._ended_bytes

    def open(self, stream_id: str) -> MemoryLog:
        """A new log.

        Raises:
            ValueError: the stream has one.
        """
        with self._lock:
            if stream_id in self._running or stream_id in self._ended:
                raise ValueError(f"Stream {stream_id} was started before.")
            log = self._running[stream_id] = MemoryLog(stream_id)
            return log

    def find(self, stream_id: str) -> MemoryLog | None:
        """The stream's log, if it is still here."""
        with self._lock:
            self._drop_old()
            if (log := self._running.get(stream_id)) is not None:
                return log
            ended = self._ended.get(stream_id)
            return ended[1] if ended else None

    def retire(self, stream_id: str) -> None:
        """The stream has ended: its log is kept for a while."""
        with self._lock:
            log = self._running.pop(stream_id, None)
            if log is not None:
                self._ended[stream_id] = (self._clock.monotonic() + self._ttl_s, log)
                self._ended_bytes += log.size_bytes
            self._drop_old()

    def _drop_old(self) -> None:
        now = self._clock.monotonic()
        while self._ended:
            expires_at, log = next(iter(self._ended.values()))
            if expires_at > now and self._ended_bytes <= self._max_bytes:
                return
            self._ended.popitem(last=False)
            self._ended_bytes -= log.size_bytes
