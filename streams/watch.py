"""Looks after the running streams: requests to stop, time limits, producers that do not react."""

from collections.abc import Callable, Sequence

import structlog

from streams.limits import StreamLimits
from streams.loops import BackgroundLoop
from streams.producer import CANCELLED, Interruption, Production
from telemetry.clock import Clock

__all__ = ["Watch"]

TICK_S = 0.05

log = structlog.get_logger(__name__)


class Watch:
    """One thread a worker, alive only while streams run.

    Args:
        running: the streams to look after.
        take_over: ends a production whose own thread hangs, without waiting for it.
        stops_requested: which of these streams are to be stopped; raises what it likes.
    """

    def __init__(
        self,
        *,
        running: Callable[[], Sequence[Production]],
        take_over: Callable[[Production], None],
        stops_requested: Callable[[Sequence[str]], Sequence[str]],
        clock: Clock,
        limits: StreamLimits,
    ) -> None:
        self._running = running
        self._take_over = take_over
        self._stops_requested = stops_requested
        self._clock = clock
        self._limits = limits
        self._asked_at = float("-inf")
        self._taken_over: set[str] = set()
        self._loop = BackgroundLoop("larder-stream-watch", self._step)

    @property
    def is_running(self) -> bool:
        """Whether the watch's thread lives."""
        return self._loop.is_running

    def wake(self) -> None:
        """A stream runs."""
        self._loop.wake()

    def _step(self) -> bool:
        running = self._running()
        if not running:
            self._taken_over.clear()
            return False
        now = self._clock.monotonic()
        for production in running:
            self._hold_to_limits(production, now)
        if now - self._asked_at >= self._limits.stop_poll_s:
            self._asked_at = now
            self._stop_requested(running)
        self._loop.pause(min(TICK_S, self._limits.stop_poll_s))
        return True

    def _hold_to_limits(self, production: Production, now: float) -> None:
        if production.interrupted_at is not None:
            stream_id = production.plan.stream_id
            if (
                now - production.interrupted_at >= self._limits.takeover_s
                and stream_id not in self._taken_over
            ):
                self._taken_over.add(stream_id)
                self._take_over(production)
        elif (timeout := production.overstayed(now)) is not None:
            production.interrupt(Interruption(timeout))

    def _stop_requested(self, running: Sequence[Production]) -> None:
        by_id = {production.plan.stream_id: production for production in running}
        for stream_id in self._stops_requested(list(by_id)):
            if stream_id in by_id:
                by_id[stream_id].interrupt(CANCELLED)
