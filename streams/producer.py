"""The producer of one stream: pulls the provider, fills the log, books the answer, ends the log.

Whoever comes first ends it: the provider's end, a failure, a stop, a time limit. The end is claimed
once, under a lock; so the answer is booked once and the log has one terminal event, even where the
provider's thread hangs and the end is made on another thread.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf

import structlog

from providers.event_loop import by_thread
from providers.protocol import SILENCE, Chunk, ChunkStream, ProviderError, ProviderTimeout
from streams.driving import DriverSeat
from streams.errors import AnswerTooLarge, InternalFailure
from streams.events import Draft, problem_draft
from streams.limits import StreamLimits
from streams.logs.memory import MemoryLog
from streams.outcome import Outcome, Tally
from streams.plan import StreamPlan
from telemetry.clock import Clock

__all__ = ["CANCELLED", "Interruption", "Production"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Interruption:
    """Why a stream is ended from outside: a stop, or with an `error` something worse."""

    error: ProviderError | None = None


CANCELLED = Interruption()


class Production:
    """One stream while it is made.

    Args:
        plan: what to do.
        log: where the events go.
        limits: what the log, or the text, may take; how long who reads it by `advance` may go
            without hearing anything.
        in_context: runs the end, which books, with whatever context it needs; never raises.
        on_end: called when the log is closed, whatever happened.
    """

    def __init__(
        self,
        plan: StreamPlan,
        log: MemoryLog,
        *,
        clock: Clock,
        limits: StreamLimits,
        in_context: Callable[[Callable[[], None]], object],
        on_end: Callable[["Production"], None],
    ) -> None:
        self.plan = plan
        self.log = log
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()
        self.outcome: Outcome | None = None
        self._clock = clock
        self._max_bytes = limits.stream_bytes
        self._may_be_silent_s = limits.heartbeat_s - limits.silence_s  # the next look is too late
        self._in_context = in_context
        self._on_end = on_end
        self._seat = DriverSeat()
        self._lock = threading.Lock()
        self._tally = Tally()
        self._drafts: list[Draft] = []
        self._chunks: ChunkStream | None = None
        self._coming: Iterator[Chunk] | None = None
        self._interruption: Interruption | None = None
        self._is_claimed = False
        self._is_opened = False
        self._has_news = False
        self._started_at = self._last_chunk_at = self._heard_at = clock.monotonic()
        self.may_overstay_at = self._started_at
        self._first_token_s: float | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether the stream is to end, by `interrupt`."""
        return self._interruption is not None

    @property
    def failed_unopened(self) -> ProviderError | None:
        """The failure of a stream that ended before its first chunk."""
        return self.outcome.error if self.outcome and not self._is_opened else None

    def run(self) -> None:
        """Produce the answer to its end."""
        with self._seat:
            while self._advance():
                pass

    def begin(self) -> None:
        """Produce the first events; the rest is for whoever reads them."""
        with self._seat:
            self._advance()
        self._seat.offer()

    def advance(self) -> bool:
        """Produce the next events as one who reads them.

        Returns:
            Whether this was the caller's turn, and may be again; if so, no new event means that
            none has come for a while. If not, others produce the rest, or it is there.
        """
        if not self._seat.take():
            return False
        try:
            return self._advance()
        finally:
            self._seat.leave()

    def is_left(self) -> bool:
        """Whether no reader produces the rest any more; who gets true has to `run` it.

        To be asked at regular intervals, by one.
        """
        return self._seat.claim(is_urgent=self._interruption is not None)

    def interrupt(self, interruption: Interruption) -> bool:
        """End the stream from outside; returns whether it was still running.

        The provider's connection is closed at once. What has come so far is kept and booked.
        """
        with self._lock:
            if self._is_claimed or self._interruption is not None:
                return not self._is_claimed
            self._interruption = interruption
            chunks = self._chunks
        _close(chunks)
        return True

    def overstayed(self, now: float) -> ProviderTimeout | None:
        """Which of the plan's time limits has run out at the instant `now`, if one has.

        There is no use in asking again before `may_overstay_at`.
        """
        limits = self.plan.time_limits
        self.may_overstay_at = min(
            self._started_at + (limits.total_s or inf),
            self._last_chunk_at + (limits.first_chunk_s or inf),
            self._last_chunk_at + (limits.between_chunks_s or inf),
        )
        if limits.total_s is not None and now - self._started_at > limits.total_s:
            return ProviderTimeout("The answer took longer than it may.")
        if not self._is_opened:
            if limits.first_chunk_s is not None and now - self._started_at > limits.first_chunk_s:
                return ProviderTimeout("The provider sent nothing in time.")
            return None
        pause_s = now - self._last_chunk_at
        if limits.between_chunks_s is not None and pause_s > limits.between_chunks_s:
            return ProviderTimeout("The provider paused for too long.")
        return None

    def end(self, failure: ProviderError | None = None) -> None:
        """Book what has come and close the log; only the first call does."""
        with self._lock:
            if self._is_claimed:
                return
            self._is_claimed = True
        outcome, closing = _failed(Outcome())
        try:
            outcome, closing = self._book(self._concluded(failure))
        finally:  # nobody else will: readers wait for the log's end, and its place is to be freed
            self.outcome = outcome
            self._close_log(closing)

    def _advance(self) -> bool:
        """Produce up to what is shown next; false when there was nothing left to produce."""
        if self._is_claimed:
            return False
        failure: ProviderError | None = None
        try:
            if self._relay():
                return True
        except ProviderError as error:
            failure = error
        except BaseException:  # a killed greenlet too must leave a booked, ended stream
            if self._interruption is None:
                log.exception("stream_production_failed", stream_id=self.plan.stream_id)
            failure = InternalFailure()
        if failure is not None:
            _close(self._chunks)
        by_thread(lambda: self._in_context(lambda: self.end(failure)))
        self.end(InternalFailure())  # unless it ended: then this does nothing
        return False

    def _relay(self) -> bool:
        """Take what comes, up to what readers hear of it; false when no more is to come."""
        if self._coming is None:
            self._coming = self._opened()
        self._has_news = False
        for chunk in self._coming:
            if chunk is SILENCE:
                now = self._clock.monotonic()
            elif not self._take(chunk):
                _close(self._chunks)
                return False
            elif chunk.is_followed:
                continue
            else:
                now = self._last_chunk_at
            if self._has_news or now - self._heard_at >= self._may_be_silent_s:
                self._heard_at = now
                return True
        return False

    def _opened(self) -> Iterator[Chunk]:
        chunks = self.plan.pull()
        with self._lock:
            self._chunks = chunks
            is_wanted = self._interruption is None and not self._is_claimed
        if not is_wanted:
            _close(chunks)
            return iter(())
        return iter(chunks)

    def _take(self, chunk: Chunk) -> bool:
        """Log a chunk; false when the stream is not to go on."""
        now = self._clock.monotonic()
        with self._lock:
            if self._is_claimed or self._interruption is not None:
                return False
            # Only now: an encoder remembers what it has said, and its closing words follow from it.
            drafts = self.plan.encode(chunk)
            self._last_chunk_at = now
            if self._first_token_s is None and chunk.is_token:
                self._first_token_s = now - self._started_at
            self._tally.add(chunk)
            if self._is_opened:
                self._drafts.extend(drafts)
                if not chunk.is_followed:
                    self._show()
            else:
                self._is_opened = self._has_news = True
                self.log.append([*self.plan.opening(), *drafts])
                self.has_begun.set()
        if self.log.size_bytes > self._max_bytes or self._tally.size > self._max_bytes:
            raise AnswerTooLarge
        return True

    def _show(self) -> None:
        """Log what came together, with the lock held: readers are woken once for all of it."""
        if self._drafts:
            self.log.append(self._drafts)
            self._drafts, self._has_news = [], True

    def _concluded(self, failure: ProviderError | None) -> Outcome:
        """What has come, with all of it logged; nothing more is taken once the end is claimed."""
        interruption = self._interruption
        with self._lock:
            outcome = self._tally.outcome(
                error=interruption.error if interruption else failure,
                cancelled=interruption is not None,
                first_token_s=self._first_token_s,
                duration_s=self._clock.monotonic() - self._started_at,
            )
            self._show()
        if not self._is_opened and outcome.error is None:
            self.log.append(self.plan.opening())
        return outcome

    def _close_log(self, closing: Sequence[Draft]) -> None:
        try:
            self.log.close(closing)
            self._on_end(self)
        finally:
            self.has_ended.set()
            self.has_begun.set()

    def _book(self, outcome: Outcome) -> tuple[Outcome, Sequence[Draft]]:
        try:
            if closing := self.plan.finish(outcome):
                return outcome, closing
            log.error("stream_finish_without_events", stream_id=self.plan.stream_id)
        except BaseException:  # the log must be closed, whatever the booking does
            log.exception("stream_finish_failed", stream_id=self.plan.stream_id)
        return _failed(outcome)


def _failed(outcome: Outcome) -> tuple[Outcome, Sequence[Draft]]:
    """The outcome as one that Larder's own code has spoilt, and how its stream ends."""
    error = InternalFailure()
    draft = problem_draft(error.code, "Internal error", retryable=True, detail=error.message)
    return replace(outcome, error=error, finish_reason=None), [draft]


def _close(chunks: ChunkStream | None) -> None:
    if chunks is not None:
        with suppress(Exception):  # whatever closing does, the stream ends
            chunks.close()
