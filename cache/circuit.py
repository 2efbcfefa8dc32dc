"""The circuit breaker in front of Redis.

The first failure opens it: from then on nobody touches a socket, so Redis being away costs one
request at most one time-out, and all others nothing. A background probe, one a worker, tries again
with growing pauses and closes it. Every opening is kept with its reason and length.

A Redis that passes the probe and fails the first request is trusted less each time: opened again
at once, the circuit goes on with the pauses where they were.
"""

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from cache.redis_faults import detail_of, reason_of
from telemetry.clock import Clock

__all__ = ["KEPT_OUTAGES", "Circuit", "Outage"]

log = structlog.get_logger(__name__)
KEPT_OUTAGES = 50
LONGEST_PAUSE_S = 5.0
GROWTH = 1.5
SETTLED_S = 1.0
"""Closed for so long, an outage that follows is a new one, and no relapse."""


@dataclass(slots=True)
class Outage:
    """One time that Redis was away; `ended_at` is `None` while it lasts.

    `reason` is one word, `detail` what Redis or the client said.
    """

    began_at: datetime
    reason: str
    detail: str = ""
    ended_at: datetime | None = None


class Circuit:
    """Closed: Redis is spoken to. Open: it is not, until a probe has succeeded.

    Args:
        probe: asks Redis for a sign of life; raises when there is none.
        pause_s: the first pause before a probe.
        clock: where times are read.
        on_close: called when Redis is back.
    """

    def __init__(
        self,
        *,
        probe: Callable[[], Any],
        pause_s: float,
        clock: Clock,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._probe = probe
        self._pause_s = pause_s
        self._clock = clock
        self._on_close = on_close
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        self.next_pause_s = pause_s
        self._closed_s = float("-inf")
        self.is_open = False
        self.opened_count = 0
        self.outages: deque[Outage] = deque(maxlen=KEPT_OUTAGES)

    @property
    def state(self) -> str:
        """`open` or `closed`."""
        return "open" if self.is_open else "closed"

    def fail(self, fault: BaseException, *, is_expected: bool = False) -> None:
        """Redis failed: open, and have it probed; a loss that is `is_expected` is no warning."""
        with self._lock:
            if self.is_open or self._is_stopped:
                return
            if self._clock.monotonic() - self._closed_s > SETTLED_S:
                self.next_pause_s = self._pause_s
            outage = Outage(self._clock.now(), reason_of(fault), detail_of(fault))
            if not self._start_probing(outage):
                return
            self.is_open = True
            self.opened_count += 1
            self.outages.append(outage)
        tell = log.debug if is_expected else log.warning
        tell("redis_away", reason=outage.reason, detail=outage.detail)

    def try_now(self) -> bool:
        """Probe at once, as a start does; whether Redis gave a sign of life."""
        with self._lock:
            outage = self.outages[-1] if self.is_open else None
        try:
            self._probe()
        except Exception as fault:  # noqa: BLE001 (whatever it is, Redis is not to be used)
            self.fail(fault, is_expected=True)
            return False
        if outage is not None:
            self._close(outage)
        return True

    def stop(self) -> None:
        """End the probing; the circuit stays as it is."""
        with self._lock:
            self._is_stopped = True
        self._wake.set()

    def _start_probing(self, outage: Outage) -> bool:
        """Whether a thread could be had for it.

        Open without a probe it would never close. Closed, it costs requests a time-out each, and
        the next failure tries again.
        """
        try:
            threading.Thread(
                target=self._keep_probing, args=(outage,), name="redis-probe", daemon=True
            ).start()
        except RuntimeError as fault:
            log.warning("redis_away_without_probe", reason=outage.reason, fault=str(fault))
            return False
        return True

    def _keep_probing(self, outage: Outage) -> None:
        """Probe until Redis is back, or another has seen it back."""
        while outage.ended_at is None:
            pause_s = self.next_pause_s * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)
            self.next_pause_s = min(self.next_pause_s * GROWTH, LONGEST_PAUSE_S)
            self._wake.wait(pause_s)
            if self._is_stopped or outage.ended_at is not None:
                return
            try:
                self._probe()
            except Exception as fault:  # noqa: BLE001 (whatever it is, Redis is still away)
                log.debug("redis_still_away", reason=reason_of(fault))
            else:
                self._close(outage)

    def _close(self, outage: Outage) -> None:
        """Redis is back from `outage`; a probe from before a later one says nothing of that."""
        with self._lock:
            if outage.ended_at is not None:
                return
            outage.ended_at = self._clock.now()
            self._closed_s = self._clock.monotonic()
            self.is_open = False
        lasted_s = (outage.ended_at - outage.began_at).total_seconds()
        log.info("redis_back", reason=outage.reason, lasted_s=round(lasted_s, 3))
        self._on_close()
