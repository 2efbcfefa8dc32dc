"""Times when Redis was up and kept nothing: kept as outages are, told of once, not per command."""

from collections import deque

import structlog

from cache.circuit import KEPT_OUTAGES, Outage
from cache.redis_faults import detail_of, reason_of
from telemetry.clock import Clock

__all__ = ["Refusals"]

log = structlog.get_logger(__name__)
QUIET_S = 5.0
"""Kept again for so long after the last refusal, an episode is over."""


class Refusals:
    """What single commands were refused for, in episodes.

    Args:
        clock: where times are read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_s = float("-inf")
        self.episodes: deque[Outage] = deque(maxlen=KEPT_OUTAGES)

    def refused(self, fault: BaseException) -> None:
        """A command was refused: begin an episode, unless one for the same reason lasts."""
        self._last_s = self._clock.monotonic()
        reason = reason_of(fault)
        last = self.episodes[-1] if self.episodes else None
        if last is not None and last.ended_at is None:
            if last.reason == reason:
                return
            last.ended_at = self._clock.now()
        self.episodes.append(Outage(self._clock.now(), reason, detail_of(fault)))
        log.warning("redis_refused", reason=reason, detail=detail_of(fault))

    def accepted(self) -> None:
        """A value was kept: an episode that has been quiet for a while is over."""
        last = self.episodes[-1] if self.episodes else None
        if last is None or last.ended_at is not None:
            return
        if self._clock.monotonic() - self._last_s > QUIET_S:
            last.ended_at = self._clock.now()
            log.info("redis_keeps_again", reason=last.reason)
