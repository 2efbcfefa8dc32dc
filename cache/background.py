"""Work of the cache beside the requests: a few jobs at once, one for each key, in a context each.

Jobs are plain threads, which are greenlets in a gevent worker. They are started when there is
something to do, so that a worker that forks, or never needs one, has none.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

__all__ = ["Background", "Job"]

log = structlog.get_logger(__name__)
T = TypeVar("T")
END_S = 2.0


class Job(Generic[T]):
    """One piece of work under way."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: list[T] = []
        self._fault: Exception | None = None

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after `seconds` at most."""
        return self._done.wait(seconds)

    def result(self) -> T:
        """What came of it, once it has ended.

        Raises:
            Exception: whatever the work has raised.
        """
        if self._fault is not None:
            raise self._fault
        return self._result[0]

    def run(self, work: Callable[[], T]) -> None:
        """Do it, here."""
        try:
            self._result.append(work())
        except Exception as fault:  # noqa: BLE001 (it is told to whoever asks for the result)
            self._fault = fault

    def end(self) -> None:
        """Say that nothing more will come of it."""
        if not self._result and self._fault is None:
            self._fault = RuntimeError("the job was ended")
        self._done.set()


class Background:
    """Starts jobs, and knows those that run.

    Args:
        in_context: runs work as the application wants it, such as in its context.
        max_jobs: how many may run at once.
    """

    def __init__(
        self,
        *,
        in_context: Callable[[Callable[[], None]], None] = lambda work: work(),
        max_jobs: int = 4,
    ) -> None:
        self._in_context = in_context
        self._max_jobs = max_jobs
        self._lock = threading.Lock()
        self._jobs: dict[Hashable, Job[object]] = {}
        self._is_stopped = False

    def start(self, key: Hashable, work: Callable[[], T]) -> Job[T] | None:
        """Have `work` done, unless it is being done already.

        Returns:
            The job of `key`, new or running; `None` when there are as many as there may be, or at
            the end.
        """
        with self._lock:
            running: Job[T] | None = self._jobs.get(key)  # type: ignore[assignment]  # of one key
            if running is not None:
                return running
            if self._is_stopped or len(self._jobs) >= self._max_jobs:
                return None
            job: Job[T] = Job()
            self._jobs[key] = job  # type: ignore[assignment]  # as above
        self._thread(job, work, lambda: self._forget(key))
        return job

    def within(self, seconds: float, work: Callable[[], T]) -> T:
        """Do `work` on a thread of its own, and wait `seconds` at most; it may end later than that.

        Raises:
            TimeoutError: it has not ended by then.
            Exception: whatever it raises.
        """
        job: Job[T] = Job()
        self._thread(job, work, lambda: None)
        if not job.wait(seconds):
            raise TimeoutError(f"not done after {seconds:g} s")
        return job.result()

    def stop(self) -> None:
        """Start nothing more, and let what runs end: it has a moment."""
        with self._lock:
            self._is_stopped = True
            jobs = list(self._jobs.values())
        end_s = time.monotonic() + END_S
        for job in jobs:
            job.wait(max(0.0, end_s - time.monotonic()))

    def _thread(self, job: Job[T], work: Callable[[], T], after: Callable[[], None]) -> None:
        def run() -> None:
            try:
                self._in_context(lambda: job.run(work))
            except Exception:
                log.exception("cache_background_failed")
            finally:
                after()
                job.end()

        try:
            threading.Thread(target=run, name="cache-background", daemon=True).start()
        except RuntimeError:  # no more threads: the job was ended before it began
            after()
            job.end()

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._jobs[key]
