"""The stream engine: each answer is produced once, by nobody's connection, and read by anybody.

`start` begins a `StreamPlan`; who reads it produces it meanwhile, and where nobody does a thread of
its own goes on (`streams.driving`). `join` reads a stream from any position, in any worker; `stop`
ends one from any worker. Threads begin lazily, so an engine made before a fork works after it;
under gevent's patches they are greenlets.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from streams.counters import StreamCounters
from streams.errors import InternalFailure, ProducerLost, ServerShutdown, StreamGone
from streams.events import Event
from streams.finding import StreamFinder
from streams.limits import StreamLimits, TimeLimits
from streams.logs.both import StreamLogs
from streams.logs.following import Follower
from streams.logs.mirror import Mirror, MirrorSignals
from streams.logs.protocol import OutOfReach
from streams.logs.shelf import LogShelf
from streams.plan import StreamHooks, StreamPlan
from streams.producer import CANCELLED, Interruption, Production
from streams.reading import Reader
from streams.running import RunningStream
from streams.watch import Watch
from telemetry.clock import Clock

__all__ = [
    "Reader",
    "RunningStream",
    "StreamEngine",
    "StreamGone",
    "StreamHooks",
    "StreamLimits",
    "StreamPlan",
    "TimeLimits",
]

log = structlog.get_logger(__name__)


class StreamEngine:
    """Runs this worker's streams and reads everybody's.

    Args:
        logs: where events are kept.
        clock: where the time is read.
        run_in_context: runs a function with whatever context the plans and hooks need.
        limits: how long and how large things may get.
        hooks: what the service is told and asked; `bind` sets them later.
    """

    def __init__(
        self,
        *,
        logs: StreamLogs,
        clock: Clock,
        run_in_context: Callable[[Callable[[], None]], None],
        limits: StreamLimits | None = None,
        hooks: StreamHooks | None = None,
    ) -> None:
        self._clock = clock
        self._in_context = run_in_context
        self._limits = limits = limits or StreamLimits()
        self._hooks = hooks or StreamHooks()
        self.counters = StreamCounters()
        self._lock = threading.Lock()
        self._running: dict[str, Production] = {}
        self._is_draining = False
        self._worker_id: str | None = None
        self._shelf = LogShelf(clock=clock, ttl_s=limits.log_ttl_s, max_bytes=limits.finished_bytes)
        self._watch = Watch(
            running=self._productions,
            take_over=self._take_over,
            carry_on=self._carry_on,
            stops_requested=self._stops_requested,
            clock=clock,
            limits=limits,
        )
        self._shared = logs.shared(limits)
        self._mirror: Mirror | None = None
        follower: Follower | None = None
        if self._shared is not None:
            signals = MirrorSignals(on_stop=self._stop_here, on_declared_lost=self._declared_lost)
            self._mirror = Mirror(
                self._shared, clock=clock, limits=limits, signals=signals, counters=self.counters
            )
            follower = Follower(
                self._shared,
                clock=clock,
                limits=limits,
                on_lost=self._found_lost,
                lives=self._lives,
                counters=self.counters,
            )

        self._finder = StreamFinder(
            self._shelf,
            shared=self._shared,
            follower=follower,
            clock=clock,
            heartbeat_s=limits.heartbeat_s,
        )

    def bind(self, hooks: StreamHooks) -> None:
        """Set what the service is told and asked."""
        self._hooks = hooks

    def start(self, plan: StreamPlan) -> RunningStream:
        """Begin an answer here; returns when its first chunk is there, or it has ended.

        The rest is produced by whoever reads it, or waits for it, and without them all the same.

        Raises:
            ProviderError: the call failed before the first chunk, or the engine is shutting down.
                The plan's `finish` has been called with the same error.
            ValueError: the stream was started before; `finish` is not called.
        """
        production = self._begin(plan)
        if not production.has_ended.is_set():
            if plan.is_pulled_by_readers:
                self._produce(production, production.begin)
            else:
                self._carry_on(production)
        stream = RunningStream(production, self._finder.reader)
        stream.wait_begun()
        return stream

    def run(self, plan: StreamPlan) -> RunningStream:
        """Produce an answer to its end, here and now, for a caller who waits for the whole of it.

        It can be read, stopped and lost like any other.

        Raises:
            ProviderError, ValueError: as `start`.
        """
        production = self._begin(plan)
        if not production.has_ended.is_set():
            self._produce(production, production.run)
        stream = RunningStream(production, self._finder.reader)
        stream.wait_begun()
        return stream

    def find(self, stream_id: str) -> RunningStream | None:
        """The stream, when this worker is producing it."""
        with self._lock:
            production = self._running.get(stream_id)
        return RunningStream(production, self._finder.reader) if production else None

    def join(self, stream_id: str, *, after: int = -1, is_expected: bool = False) -> Reader:
        """Read a stream, wherever it is produced.

        Args:
            stream_id: the stream.
            after: the id of the last event the reader has had; -1 for none.
            is_expected: the caller knows that it runs, so it is worth waiting for.

        Raises:
            StreamGone: there is nothing to read; its `reason` says why.
        """
        return self._finder.join(stream_id, after=after, is_expected=is_expected)

    def stop(self, stream_id: str) -> bool:
        """End a stream; what was generated is kept and booked.

        Returns:
            Whether it runs here. Else its worker was told, if there is one in reach; but Redis may
            lose that, and `StreamHooks.stops_requested` is what reaches it for certain.
        """
        if self._stop_here(stream_id):
            return True
        if self._shared is not None:
            with suppress(OutOfReach):
                self._shared.request_stop(stream_id)
        return False

    def is_alive(self, stream_id: str) -> bool | None:
        """Whether some worker is producing the stream; `None` when that cannot be known."""
        with self._lock:
            if stream_id in self._running:
                return True
        if self._shared is None:
            return None
        try:
            (fetched,) = self._shared.fetch([(stream_id, -1)])
        except OutOfReach:
            return None
        return fetched.owner is not None and not fetched.lost

    @property
    def confirm_lost_s(self) -> float:
        """How long a sign of life must be missing to count as death, seconds."""
        return self._limits.confirm_lost_s

    def declare_lost(self, stream_id: str) -> bool:
        """Have the stream's producer count as dead, to itself too; whether Redis took note."""
        if self._shared is None:
            return False
        try:
            self._shared.declare_lost(stream_id)
        except OutOfReach:
            return False
        return True

    def logged(self, stream_id: str) -> Sequence[Event]:
        """All events of a stream that can be had by now; none when it is out of reach."""
        return self._finder.logged(stream_id)

    def running(self) -> Sequence[str]:
        """The streams that this worker is producing."""
        with self._lock:
            return list(self._running)

    def shutdown(self, grace_s: float) -> None:
        """Take no new streams, let the running ones finish, and end what is left.

        Args:
            grace_s: how long they may take. The rest ends with `server_shutdown`, booked.
        """
        with self._lock:
            self._is_draining = True
        self._wait_for_end(grace_s)
        for production in self._productions():
            production.interrupt(Interruption(ServerShutdown()))
        if self._productions():
            self._watch.wake()
            self._wait_for_end(self._limits.settle_s)
        if self._mirror is not None:
            self._mirror.drain(min(2.0, self._limits.settle_s))

    def _begin(self, plan: StreamPlan) -> Production:
        production = Production(
            plan,
            self._shelf.open(plan.stream_id),
            clock=self._clock,
            limits=self._limits,
            in_context=self._guarded,
            on_end=self._retire,
        )
        with self._lock:
            is_refused = self._is_draining
            self._running[plan.stream_id] = production
        if is_refused:
            production.end(ServerShutdown())
            return production
        self.counters.add("started")
        try:
            if self._mirror is not None:
                self._mirror.track(production.log, worker_id=self._own_id(), is_kept=plan.is_kept)
            self._watch.wake()
        except RuntimeError:  # no thread can be had for them
            log.exception("stream_thread_refused")
            production.end(InternalFailure())
        return production

    def _in_thread(self, production: Production, work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._produce, args=(production, work), name="larder-stream", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            log.exception("stream_thread_refused")
            production.end(InternalFailure())

    def _produce(self, production: Production, work: Callable[[], None]) -> None:
        if not self._guarded(work):
            production.end(InternalFailure())  # unless it ended: then this does nothing

    def _carry_on(self, production: Production) -> None:
        self._in_thread(production, production.run)

    def _take_over(self, production: Production) -> None:
        threading.Thread(
            target=self._guarded, args=(production.end,), name="larder-stream-end", daemon=True
        ).start()

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Run `work` in context; what it, or the context, raises is logged and goes no further.

        Returns:
            Whether it ran to its end.
        """
        try:
            self._in_context(work)
        except Exception:
            log.exception("stream_work_failed")
            return False
        return True

    def _retire(self, production: Production) -> None:
        self._shelf.retire(production.plan.stream_id)
        with self._lock:
            self._running.pop(production.plan.stream_id, None)
        outcome = production.outcome
        is_failed = outcome is None or outcome.error is not None
        is_stopped = outcome is not None and outcome.finish_reason == "cancelled"
        self.counters.add("failed" if is_failed else "cancelled" if is_stopped else "done")

    def _productions(self) -> Sequence[Production]:
        with self._lock:
            return list(self._running.values())

    def _wait_for_end(self, timeout_s: float) -> None:
        deadline = self._clock.monotonic() + timeout_s
        for production in self._productions():
            if not production.has_ended.wait(max(0.0, deadline - self._clock.monotonic())):
                return

    def _own_id(self) -> str:
        # Made at the first stream, so that workers forked from one engine differ.
        with self._lock:
            if self._worker_id is None:
                self._worker_id = uuid.uuid4().hex
            return self._worker_id

    def _stop_here(self, stream_id: str) -> bool:
        return self._interrupt_here(stream_id, CANCELLED)

    def _declared_lost(self, stream_id: str) -> None:
        self._interrupt_here(stream_id, Interruption(ProducerLost()))

    def _interrupt_here(self, stream_id: str, interruption: Interruption) -> bool:
        with self._lock:
            production = self._running.get(stream_id)
        return production is not None and production.interrupt(interruption)

    def _found_lost(self, stream_id: str) -> None:
        hook = self._hooks.on_lost
        if hook is not None:
            self._guarded(lambda: _call(hook, stream_id))

    def _lives(self, stream_id: str) -> bool:
        hook = self._hooks.lives
        found: list[bool] = []
        if hook is not None:
            self._guarded(lambda: found.append(hook(stream_id)))
        return any(found)

    def _stops_requested(self, stream_ids: Sequence[str]) -> Sequence[str]:
        hook = self._hooks.stops_requested
        requested: list[str] = []
        if hook is not None:
            self._guarded(lambda: requested.extend(hook(stream_ids)))
        return requested


def _call(hook: Callable[[str], object], stream_id: str) -> None:
    hook(stream_id)
