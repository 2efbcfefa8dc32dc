"""Notices a Redis that answers, but so slowly that asking it costs more than it gives.

No single answer is late enough for a time-out, so none would ever open the circuit, and every
request would wait for all of its calls.
"""

import time

__all__ = ["Pace", "Start"]

QUICK_S = 0.001
SLOW_SHARE = 0.25
"""Of the time-out: an answer that took longer is slow."""


class Start:
    """When a call began: by the clock, and by the processor time that this process had used."""

    __slots__ = ("at_s", "busy_s")

    def __init__(self, at_s: float | None = None, busy_s: float | None = None) -> None:
        self.at_s = time.monotonic() if at_s is None else at_s
        self.busy_s = time.process_time() if busy_s is None else busy_s

    def waited_s(self) -> float:
        """Seconds since then in which this process was idle: what it was busy with is no wait.

        A span that cannot be slow is not looked at closer: asking costs as much as an answer.
        """
        span_s = time.monotonic() - self.at_s
        if span_s < QUICK_S:
            return span_s
        return span_s - (time.process_time() - self.busy_s)


class Pace:
    """Adds up slow answers that followed one another; a quick one clears the account.

    An answer that was under way together with one already counted adds nothing: one hiccup of
    Redis is one, however many waited for it.

    Args:
        timeout_s: what an answer may take; slow ones may cost as much together.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._counted_until_s = float("-inf")
        self._cost_s = 0.0

    def is_slow(self, waited_s: float) -> bool:
        """Whether one answer that took `waited_s` seconds is slow."""
        return waited_s > self._timeout_s * SLOW_SHARE

    def is_too_slow(self, began_s: float, waited_s: float) -> bool:
        """Count an answer that has just come; whether slow ones have cost a time-out by now.

        Args:
            began_s: when it was asked for, by the monotonic clock.
            waited_s: how long this process was idle for it.
        """
        if not self.is_slow(waited_s):
            self._cost_s = 0.0
            return False
        if began_s < self._counted_until_s:
            return False
        self._counted_until_s = began_s + waited_s
        self._cost_s += waited_s
        if self._cost_s < self._timeout_s:
            return False
        self._cost_s = 0.0
        return True
