"""Threads that live while there is work: begun lazily, after a fork, and gone when it is quiet."""

import threading
from collections.abc import Callable

import structlog

__all__ = ["BackgroundLoop"]

LINGER_S = 2.0
PAUSE_AFTER_FAULT_S = 0.5

log = structlog.get_logger(__name__)


class BackgroundLoop:
    """Calls `step` over and over while it returns true, in one daemon thread.

    `step` paces itself with `pause` and `rest`. When it returns false the thread waits a moment for
    more work and ends; the next `wake` begins a new one. Under gevent's patches the thread is a
    greenlet.
    """

    def __init__(self, name: str, step: Callable[[], bool], *, linger_s: float = LINGER_S) -> None:
        self._name = name
        self._step = step
        self._linger_s = linger_s
        self._lock = threading.Lock()
        self._nudge = threading.Event()
        self._never = threading.Event()
        self._wanted = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread lives in this process."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def wake(self) -> None:
        """See to it that `step` runs soon."""
        with self._lock:
            self._wanted = True
            # After a fork the parent's thread is not alive here, and a new one begins.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._nudge.set()

    def pause(self, seconds: float) -> None:
        """Rest for `seconds`, or until somebody wakes the loop."""
        self._nudge.wait(seconds)
        self._nudge.clear()

    def rest(self, seconds: float) -> None:
        """Rest for `seconds`, whoever wakes the loop: each round costs, and this work can wait."""
        self._never.wait(seconds)

    def _run(self) -> None:
        while True:
            self._wanted = False
            if self._has_work():
                continue
            self.pause(self._linger_s)
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return

    def _has_work(self) -> bool:
        try:
            return self._step()
        except Exception:
            log.exception("background_step_failed", loop=self._name)
            self.pause(PAUSE_AFTER_FAULT_S)
            return True
