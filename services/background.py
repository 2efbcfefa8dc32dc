"""Work beside the requests, which an orderly end waits for: what is to be booked is not lost."""

import threading
from collections.abc import Callable, Sequence

import structlog

from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["BackgroundWork"]

log = structlog.get_logger(__name__)


class BackgroundWork:
    """Pieces of work, each on a thread of its own (a greenlet in a gevent worker).

    Args:
        in_context: runs work in the application's context.
        clock: tells how long an end has waited.
    """

    def __init__(
        self, in_context: Callable[[Callable[[], None]], None], *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._in_context = in_context
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[threading.Thread] = set()
        self._is_stopped = False

    def start(self, work: Callable[[], None]) -> None:
        """Have `work` done; what it raises is logged. After the end nothing more is begun."""

        def run() -> None:
            try:
                self._in_context(work)
            except Exception:
                log.exception("background_work_failed")
            finally:
                with self._lock:
                    self._running.discard(thread)

        thread = threading.Thread(target=run, name="larder-work", daemon=True)
        with self._lock:
            is_stopped = self._is_stopped
            if not is_stopped:
                thread.start()
                self._running.add(thread)
        if is_stopped:
            log.warning("background_work_refused")

    def stop(self, timeout_s: float) -> bool:
        """Begin nothing more, and wait for what is under way.

        Args:
            timeout_s: how long at most, seconds.

        Returns:
            Whether all of it has ended.
        """
        with self._lock:
            self._is_stopped = True
        deadline = self._clock.monotonic() + timeout_s
        for thread in self._under_way():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        return not self._under_way()

    def _under_way(self) -> Sequence[threading.Thread]:
        with self._lock:
            return list(self._running)
