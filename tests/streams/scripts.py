"""Providers whose answers a test dictates piece by piece, and what surrounds them."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from providers.protocol import Chunk, ChunkStream, ProviderBroken
from streams.engine import StreamEngine, StreamHooks, StreamLimits, StreamPlan
from streams.events import Draft, Event, problem_draft
from streams.limits import TimeLimits
from streams.logs.both import StreamLogs
from streams.outcome import Outcome
from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = [
    "Answer",
    "Script",
    "code_of",
    "delta",
    "events_of",
    "make_engine",
    "names",
    "text_of",
    "wait_until",
]

DEADLINE_S = 10.0


class _End:
    """Marks the end of the provider's part."""


class Script:
    """A `ChunkStream` that gives what the test says, when it says it."""

    def __init__(self, *, minds_close: bool = True) -> None:
        self._queue: queue.SimpleQueue[Chunk | BaseException | _End] = queue.SimpleQueue()
        self._minds_close = minds_close
        self.closed = threading.Event()
        self.taken = 0

    def say(self, *texts: str) -> "Script":
        """Chunks of text."""
        return self.give(*(Chunk(text=text) for text in texts))

    def give(self, *chunks: Chunk) -> "Script":
        """These chunks."""
        for chunk in chunks:
            self._queue.put(chunk)
        return self

    def fail(self, error: BaseException) -> "Script":
        """The provider breaks."""
        self._queue.put(error)
        return self

    def finish(self, reason: str = "stop") -> "Script":
        """The provider's regular end."""
        self._queue.put(Chunk(finish_reason=reason))
        self._queue.put(_End())
        return self

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        step = self._queue.get(timeout=DEADLINE_S)
        if isinstance(step, _End):
            raise StopIteration
        if isinstance(step, BaseException):
            raise step
        self.taken += 1
        return step

    def close(self) -> None:
        """The engine hangs up."""
        self.closed.set()
        if self._minds_close:
            self._queue.put(ProviderBroken("closed"))


def delta(text: str) -> Draft:
    """What `Answer` logs for a text."""
    return Draft("delta", msgspec.json.encode({"text": text}))


def _encode(chunk: Chunk) -> Sequence[Draft]:
    return [delta(chunk.text)] if chunk.text else []


def _closing(outcome: Outcome) -> Sequence[Draft]:
    if outcome.error is not None:
        error = outcome.error
        return [problem_draft(error.code, "Failed", retryable=error.retryable)]
    done = msgspec.json.encode({"finish_reason": outcome.finish_reason})
    return [Draft("usage", b"{}"), Draft("done", done)]


@dataclass
class Answer:
    """One answer as a service would ask for it; `booked` has what `finish` was called with."""

    stream_id: str = "s"
    script: ChunkStream = field(default_factory=Script)
    encode: Callable[[Chunk], Sequence[Draft]] = _encode
    closing: Callable[[Outcome], Sequence[Draft]] = _closing
    pull: Callable[[], ChunkStream] | None = None
    time_limits: TimeLimits = field(default_factory=TimeLimits)
    booked: list[Outcome] = field(default_factory=list)

    def plan(self) -> StreamPlan:
        """What the engine is handed."""
        return StreamPlan(
            stream_id=self.stream_id,
            opening=lambda: [Draft("start", b'{"stream_id":"%s"}' % self.stream_id.encode())],
            pull=self.pull or (lambda: self.script),
            encode=self.encode,
            finish=self._finish,
            time_limits=self.time_limits,
        )

    def _finish(self, outcome: Outcome) -> Sequence[Draft]:
        self.booked.append(outcome)
        return self.closing(outcome)


def make_engine(
    *,
    redis: Callable[[], Any] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    limits: StreamLimits | None = None,
    hooks: StreamHooks | None = None,
) -> StreamEngine:
    """One worker's engine."""
    return StreamEngine(
        logs=StreamLogs(redis=redis),
        clock=clock,
        run_in_context=lambda work: work(),
        limits=limits or StreamLimits(heartbeat_s=5.0),
        hooks=hooks,
    )


def events_of(engine: StreamEngine, stream_id: str = "s", after: int = -1) -> list[Event]:
    """All events that a reader gets, heartbeats left out."""
    return [e for e in engine.join(stream_id, after=after) if isinstance(e, Event)]


def code_of(outcome: Outcome) -> str | None:
    """The word for what went wrong."""
    return outcome.error.code if outcome.error else None


def names(events: Sequence[Event]) -> list[str]:
    """The events' names."""
    return [event.name for event in events]


def text_of(events: Sequence[Event]) -> str:
    """The text that the deltas make."""
    return "".join(msgspec.json.decode(e.data)["text"] for e in events if e.name == "delta")


def wait_until(condition: Callable[[], bool], *, within_s: float = DEADLINE_S) -> None:
    """Look until `condition` holds.

    Raises:
        AssertionError: it did not within `within_s` seconds.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)
