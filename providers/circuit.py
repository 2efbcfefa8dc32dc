"""A circuit breaker for each provider: one that keeps failing is left alone for a while.

Closed, it lets every call through and counts failures in a row: no connection, a 5xx, a time-out.
Open, it answers at once in the provider's place. After its pause it is half open: one call goes
through as a probe, whose success closes it, and whose failure opens it for twice as long.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from providers.protocol import (
    ProviderBroken,
    ProviderCircuitOpen,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
)
from telemetry.clock import Clock

__all__ = ["Circuit", "CircuitPolicy", "CircuitState"]

log = structlog.get_logger(__name__)
MOST_DOUBLINGS = 3
CLIENT_ERRORS = range(300, 500)


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """After how many failures in a row (0: never), and for how long at first, in seconds."""

    failures: int = 5
    pause_s: float = 15.0


@dataclass(frozen=True, slots=True)
class CircuitState:
    """How a provider's circuit stands in this process.

    `state` is `closed`, `open` or `half_open`; the rest is `None` unless it is open.
    """

    state: str = "closed"
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    reason: str | None = None


CLOSED = CircuitState()


class Circuit:
    """One provider's.

    Args:
        provider_id: whose it is.
        policy: when it opens.
        clock: where the time is read.
        on_change: told the new state whenever it opens or closes.
    """

    def __init__(
        self,
        provider_id: str,
        policy: CircuitPolicy,
        clock: Clock,
        on_change: Callable[[str, bool], None] = lambda *_: None,
    ) -> None:
        self._provider_id = provider_id
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._failures = 0
        self._openings = 0
        self._opened: CircuitState | None = None
        self._next_probe_s = 0.0

    @property
    def state(self) -> CircuitState:
        """How it stands now."""
        with self._lock:
            if self._opened is None:
                return CLOSED
            is_due = self._clock.monotonic() >= self._next_probe_s
            opened = self._opened
        name = "half_open" if is_due else "open"
        return CircuitState(name, opened.opened_at, opened.retry_at, opened.reason)

    def enter(self) -> bool:
        """Ask whether a call may go through; each that may is followed by `leave` or `give_up`.

        Returns:
            Whether the call is the probe of a half-open circuit.

        Raises:
            ProviderCircuitOpen: it may not, until the error's `retry_after_s`.
        """
        with self._lock:
            if self._opened is None:
                return False
            now_s = self._clock.monotonic()
            left_s = self._next_probe_s - now_s
            if left_s <= 0:
                # This call is the probe. Should it never come back, another may try in its place.
                self._next_probe_s = now_s + self._pause_s()
                return True
        raise ProviderCircuitOpen(
            "The provider has failed too often lately and is left alone for a while.",
            retry_after_s=left_s,
            was_sent=False,
        )

    def leave(self, fault: ProviderError | None, *, is_probe: bool) -> None:
        """Say how a call that went through came out; a refusal is a sign of life."""
        if fault is None or (fault.was_sent and not _is_failure(fault)):
            self._close()
        elif not _is_failure(fault):  # refused on our side: nothing was heard of the provider
            self.give_up(is_probe=is_probe)
        elif self._policy.failures:
            self._count(fault, is_probe=is_probe)

    def give_up(self, *, is_probe: bool) -> None:
        """Say that a call was stopped before it could tell anything."""
        with self._lock:
            if is_probe and self._opened is not None:
                self._next_probe_s = self._clock.monotonic()

    def _count(self, fault: ProviderError, *, is_probe: bool) -> None:
        with self._lock:
            self._failures += 1
            if self._opened is not None:
                if not is_probe:  # it was under way when the circuit opened
                    return
            elif self._failures < self._policy.failures:
                return
            self._openings += 1
            pause_s = self._pause_s()
            self._next_probe_s = self._clock.monotonic() + pause_s
            now = self._clock.now()
            retry_at = datetime.fromtimestamp(now.timestamp() + pause_s, now.tzinfo)
            began_at = self._opened.opened_at if self._opened else now
            self._opened = CircuitState("open", began_at, retry_at, fault.code)
        log.warning("provider_circuit_opened", provider=self._provider_id, reason=fault.code)
        self._on_change(self._provider_id, True)

    def _close(self) -> None:
        with self._lock:
            self._failures = self._openings = 0
            was_open, self._opened = self._opened is not None, None
        if was_open:
            log.info("provider_circuit_closed", provider=self._provider_id)
            self._on_change(self._provider_id, False)

    def _pause_s(self) -> float:
        return self._policy.pause_s * 2.0 ** min(max(0, self._openings - 1), MOST_DOUBLINGS)


def _is_failure(fault: ProviderError) -> bool:
    """Whether it speaks against the provider's health: no connection, a 5xx, a time-out."""
    if isinstance(fault, ProviderTimeout | ProviderBroken):
        return True
    return isinstance(fault, ProviderUnavailable) and fault.status not in CLIENT_ERRORS
