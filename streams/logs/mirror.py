"""Keeps Redis up to date with this worker's streams, without ever holding a stream up.

One thread sends, every few milliseconds, what the memory logs have gained: nothing is queued, the
memory log is the queue. After any doubt (a failed round, a log in Redis with fewer entries than
were sent) a stream's log is written afresh, so Redis may die, be flushed, or come back from an old
snapshot, and has the whole log again soon after. The same rounds bring requests to stop.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from streams.counters import StreamCounters
from streams.limits import StreamLimits
from streams.logs.memory import MemoryLog
from streams.logs.protocol import OutOfReach, SharedLogs, WriteReply, Writing
from streams.logs.redis import MAX_ENTRIES
from streams.loops import BackgroundLoop
from telemetry.clock import Clock

__all__ = ["Mirror", "MirrorSignals"]

SHORTEST_PAUSE_S = 0.02
"""However many streams begin: what comes together goes in one round."""
LONGEST_PAUSE_S = 0.2
"""However long a round takes: stops come with the rounds."""
PAUSE_BY_ROUND = 40
"""How much longer than a round the pause after it is: many streams must not take all the time."""
UNTOLD_S = 0.1
"""How old a stream becomes that is not kept before the others hear of it: embeddings are over by
then. A stop that comes sooner finds its way through the database."""
ENTRY_BYTES = 256 * 1024
ROUND_BYTES = 2**20
SHORTEST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MirrorSignals:
    """What the mirror hears and passes on: a stream is to be stopped, or counts as lost."""

    on_stop: Callable[[str], object]
    on_declared_lost: Callable[[str], None]


@dataclass(slots=True)
class _Mirrored:
    log: MemoryLog
    is_kept: bool
    began_s: float
    position: int = -1
    entries: int = 0
    afresh: bool = False
    refreshed_at: float | None = None
    retry_at: float = 0.0
    ended_at: float | None = None

    @property
    def was_never_sent(self) -> bool:
        """Whether Redis has heard nothing of this log."""
        return not self.afresh and self.refreshed_at is None and self.position < 0

    def doubt(self) -> None:
        """What Redis holds of this log is not certain any more."""
        self.position, self.entries, self.afresh, self.refreshed_at = -1, 0, True, None


class Mirror:
    """Writes this worker's logs to the shared ones."""

    def __init__(
        self,
        shared: SharedLogs,
        *,
        clock: Clock,
        limits: StreamLimits,
        signals: MirrorSignals,
        counters: StreamCounters,
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._limits = limits
        self._signals = signals
        self._counters = counters
        self._lock = threading.Lock()
        self._tracked: dict[str, _Mirrored] = {}
        self._worker_id = ""
        self._backoff_s = 0.0
        self._quiet = threading.Event()
        self._quiet.set()
        self._loop = BackgroundLoop("larder-stream-mirror", self._step)

    @property
    def is_running(self) -> bool:
        """Whether the mirror's thread lives."""
        return self._loop.is_running

    def track(self, log: MemoryLog, *, worker_id: str, is_kept: bool = True) -> None:
        """Mirror `log` from now on until its end has arrived.

        Args:
            log: where the events are.
            worker_id: of this worker, whose sign of life goes with them.
            is_kept: whether it is to be read after its end. One that is not, and ends before
                anything of it was sent, is not sent at all.
        """
        with self._lock:
            self._worker_id = worker_id
            self._tracked[log.stream_id] = _Mirrored(log, is_kept, self._clock.monotonic())
            self._quiet.clear()
        self._loop.wake()

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything has arrived; false when it has not after `timeout_s`."""
        if not self._quiet.is_set():
            self._loop.wake()
        return self._quiet.wait(timeout_s)

    def _step(self) -> bool:
        with self._lock:
            tracked = list(self._tracked.values())
            if not tracked:
                self._quiet.set()
                return False
        began_s = self._clock.monotonic()
        try:
            is_whole = self._round(tracked)
        except OutOfReach as fault:
            self._lose_touch(tracked, fault)
        else:
            self._backoff_s = 0.0
            self._pace(self._clock.monotonic() - began_s, is_whole=is_whole)
        return True

    def _pace(self, took_s: float, *, is_whole: bool) -> None:
        """Pause after a round; a stream that begins meanwhile may shorten that."""
        if not is_whole:  # those that wait give no sign of life: for long, and they count as lost
            self._loop.rest(min(max(SHORTEST_PAUSE_S, took_s), LONGEST_PAUSE_S))
            return
        needed_s = PAUSE_BY_ROUND * took_s
        interval_s = max(self._limits.mirror_interval_s, min(needed_s, LONGEST_PAUSE_S))
        shortest_s = min(interval_s, max(SHORTEST_PAUSE_S, needed_s))
        self._loop.rest(shortest_s)
        self._loop.pause(interval_s - shortest_s)

    def _lose_touch(self, tracked: Sequence[_Mirrored], fault: OutOfReach) -> None:
        if not self._backoff_s:
            log.debug("stream_mirror_out_of_reach", fault=str(fault), streams=len(tracked))
        self._counters.add("mirror_failures")
        for mirrored in tracked:
            mirrored.doubt()
        self._let_go([each for each in tracked if each.log.is_closed])
        self._backoff_s = min(max(SHORTEST_BACKOFF_S, self._backoff_s * 2), LONGEST_BACKOFF_S)
        self._loop.pause(self._backoff_s)

    def _let_go(self, ended: Sequence[_Mirrored]) -> None:
        """Wait for Redis with ended logs for a while, and within the memory that they may take."""
        now = self._clock.monotonic()
        held_bytes = 0
        for mirrored in reversed(ended):  # in the order of their beginnings, so the oldest go
            mirrored.ended_at = mirrored.ended_at or now
            is_wanted = mirrored.is_kept and now - mirrored.ended_at <= self._limits.log_ttl_s
            held_bytes += mirrored.log.size_bytes if is_wanted else 0
            if not is_wanted or held_bytes > self._limits.finished_bytes:
                self._forget(mirrored)

    def _round(self, tracked: Sequence[_Mirrored]) -> bool:
        """Send what is new; returns whether that was all of it."""
        now = self._clock.monotonic()
        work: list[tuple[_Mirrored, Writing]] = []
        size = 0
        for mirrored in tracked:
            writing = self._writing(mirrored, now, limit_bytes=ENTRY_BYTES)
            if writing is None:
                continue
            work.append((mirrored, writing))
            size += sum(len(event.data) for event in writing.events)
            if size >= ROUND_BYTES:
                self._go_behind(work)
                break
        if all(mirrored.was_never_sent for mirrored in tracked) and not work:
            return True  # so nobody can have asked to stop one of them
        written = self._shared.write(self._worker_id, [writing for _, writing in work])
        for stream_id in written.stops:
            self._signals.on_stop(stream_id)
        for (mirrored, writing), reply in zip(work, written.replies, strict=True):
            self._apply(mirrored, writing, reply, now)
        return size < ROUND_BYTES

    def _go_behind(self, work: Sequence[tuple[_Mirrored, Writing]]) -> None:
        """The rest waits for the next round; those served go behind it."""
        with self._lock:
            for mirrored, _ in work:
                stream_id = mirrored.log.stream_id
                if self._tracked.pop(stream_id, None) is not None:
                    self._tracked[stream_id] = mirrored

    def _writing(self, mirrored: _Mirrored, now: float, *, limit_bytes: int) -> Writing | None:
        if mirrored.retry_at > now:
            return None
        # Whether the log is closed is asked first: what it then gains nobody has to wait for.
        closed = mirrored.log.is_closed
        if not mirrored.is_kept and mirrored.was_never_sent:
            if closed:
                self._forget(mirrored)
            if closed or now - mirrored.began_s < UNTOLD_S:
                return None
        events = mirrored.log.after(mirrored.position, limit_bytes=limit_bytes)
        closes = closed and (not events or events[-1].id == mirrored.log.last_id)
        refresh = not closes and (
            mirrored.refreshed_at is None
            or now - mirrored.refreshed_at >= self._limits.alive_refresh_s
        )
        if not (events or closes or refresh):
            return None
        return Writing(
            mirrored.log.stream_id, events, afresh=mirrored.afresh, refresh=refresh, closes=closes
        )

    def _apply(self, mirrored: _Mirrored, writing: Writing, reply: WriteReply, now: float) -> None:
        if reply.lost:
            self._forget(mirrored)
            self._counters.add("declared_lost_by_others")
            self._signals.on_declared_lost(writing.stream_id)
            return
        entries = mirrored.entries + bool(writing.events)
        has_gap = reply.entries is not None and reply.entries < min(entries, MAX_ENTRIES)
        if not reply.ok or has_gap:
            self._counters.add("mirror_rewrites")
            mirrored.doubt()
            if not reply.ok:
                mirrored.retry_at = now + LONGEST_BACKOFF_S
            return
        mirrored.entries, mirrored.afresh = entries, False
        if writing.events:
            mirrored.position = writing.events[-1].id
        if writing.refresh:
            mirrored.refreshed_at = now
        if writing.closes:
            self._forget(mirrored)

    def _forget(self, mirrored: _Mirrored) -> None:
        with self._lock:
            self._tracked.pop(mirrored.log.stream_id, None)
