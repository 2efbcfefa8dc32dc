"""Looks after the running streams: requests to stop, time limits, producers that do not react."""

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil

import structlog

from streams.limits import StreamLimits
from streams.loops import BackgroundLoop
from streams.producer import CANCELLED, Interruption, Production
from telemetry.clock import Clock

__all__ = ["Watch"]

TICK_S = 0.05

log = structlog.get_logger(__name__)


class Watch:
    """Two threads a worker, alive only while streams run.

    One holds them to their limits; the other asks which are to be stopped, which may take long.

    Args:
        running: the streams to look after.
        take_over: ends a production whose own thread hangs, without waiting for it.
        carry_on: goes on with a production that no reader produces any more, likewise.
        stops_requested: which of these streams are to be stopped; raises what it likes.
    """

    def __init__(
        self,
        *,
        running: Callable[[], Sequence[Production]],
        take_over: Callable[[Production], None],
        carry_on: Callable[[Production], None],
        stops_requested: Callable[[Sequence[str]], Sequence[str]],
        clock: Clock,
        limits: StreamLimits,
    ) -> None:
        self._running = running
        self._take_over = take_over
        self._carry_on = carry_on
        self._stops_requested = stops_requested
        self._clock = clock
        self._limits = limits
        self._overdue: Counter[str] = Counter()
        self._loop = BackgroundLoop("larder-stream-watch", self._step)
        self._stops = BackgroundLoop("larder-stream-stops", self._stop_step)

    @property
    def is_running(self) -> bool:
        """Whether one of the watch's threads lives."""
        return self._loop.is_running or self._stops.is_running

    def wake(self) -> None:
        """A stream runs."""
        self._loop.wake()
        self._stops.wake()

    def _step(self) -> bool:
        running = self._running()
        if not running:
            self._overdue.clear()
            return False
        now = self._clock.monotonic()
        for production in running:
            if production.is_left():
                self._carry_on(production)
            if production.is_interrupted or now >= production.may_overstay_at:
                self._hold_to_limits(production, now)
        self._loop.rest(TICK_S)
        return True

    def _stop_step(self) -> bool:
        self._stops.rest(self._limits.stop_poll_s)  # first: most calls are over by then
        running = self._running()
        if running:
            self._stop_requested(running)
        return bool(running)

    def _hold_to_limits(self, production: Production, now: float) -> None:
        if production.is_interrupted:
            stream_id = production.plan.stream_id
            self._overdue[stream_id] += 1
            if self._overdue[stream_id] == 1 + ceil(self._limits.takeover_s / TICK_S):
                self._take_over(production)
        elif (timeout := production.overstayed(now)) is not None:
            production.interrupt(Interruption(timeout))

    def _stop_requested(self, running: Sequence[Production]) -> None:
        by_id = {production.plan.stream_id: production for production in running}
        for stream_id in self._stops_requested(list(by_id)):
            if stream_id in by_id:
                by_id[stream_id].interrupt(CANCELLED)
