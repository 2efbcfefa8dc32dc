"""One call over all its tries: the same model again, then the next, until one answers.

Everything here happens before the first token. What comes before it (a role, a ping, a usage) is
held back, so that a try which fails then leaves no trace in the answer. From the first token on the
chunks pass through untouched, and a failure is the caller's.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from providers.circuit import Circuit
from providers.protocol import (
    SILENCE,
    ChatRequest,
    Chunk,
    ChunkStream,
    HangUp,
    Provider,
    ProviderBroken,
    ProviderError,
    ProviderTimeout,
    Usage,
)
from providers.retries import RetryPolicy, may_fall_back
from telemetry.clock import Clock

__all__ = ["Attempts", "Candidate", "FailedTry", "Reached", "Watcher"]

MOST_HELD = 256
NEARLY = 0.9
"""The clocks of the engine and of the sockets begin a moment apart."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A provider's adapter, with its circuit."""

    provider: Provider
    circuit: Circuit


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer: how its provider is reached, and what it is asked."""

    reach: Callable[[], Reached]
    request: ChatRequest


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A try that failed before its first token. `place` is its candidate's; times are seconds."""

    place: int
    fault: ProviderError
    usage: Usage | None
    began_s: float
    lasted_s: float


class Watcher(Protocol):
    """Who is told of the tries, on the thread that makes them."""

    def failed(self, failed: FailedTry, next_place: int | None) -> None:
        """A try failed; the candidate at `next_place` is tried next, or `None`, and it was all."""
        ...


class Attempts:
    """The chunks of the first candidate that answers.

    Nothing is asked until the first chunk is wanted. `close` ends whatever is under way, a wait
    between two tries as well, and may be called from any thread.

    Args:
        candidates: at least one, the first to be tried first.
        policy: what is tried again, and when.
        clock: where the time is read and waited for.
        draw: gives random numbers from 0 to 1.
        deadline_s: no try begins after it, by the clock's `monotonic`.
        watcher: told of failed tries.

    Raises (when read):
        ProviderError: what the last try failed with.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        policy: RetryPolicy,
        clock: Clock,
        draw: Callable[[], float],
        deadline_s: float,
        watcher: Watcher,
    ) -> None:
        self._candidates = candidates
        self._policy = policy
        self._clock = clock
        self._draw = draw
        self._deadline_s = deadline_s
        self._watcher = watcher
        self._is_closed = threading.Event()
        self._stream: ChunkStream | None = None
        self._hang_up: HangUp | None = None
        self._waits = threading.Lock()
        self._held: list[Chunk] = []
        self._began_s = 0.0
        self._chunks = chain.from_iterable(self._answered())

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """End the call; nothing more comes."""
        self._is_closed.set()
        with self._waits:
            if self._hang_up is not None:
                self._hang_up()
        stream = self._stream
        if stream is not None:
            stream.close()

    def _answered(self) -> Iterator[Iterable[Chunk]]:
        """What was held back, then the rest: handed on whole, so that no chunk passes through."""
        place, retry = 0, 0
        while True:
            try:
                rest = self._try(self._candidates[place])
                break
            except ProviderError as fault:
                turn = self._turn_after(fault, place, retry)
                self._watcher.failed(self._failed(fault, place), turn[0] if turn else None)
                if turn is None:
                    raise
                if turn[0] == place and self._clock.wait(self._is_closed, turn[2]):
                    raise _stopped() from fault
                place, retry, _ = turn
        yield self._held
        yield rest

    def _try(self, candidate: Candidate) -> Iterator[Chunk]:
        """Ask once, up to the first token; the chunks that follow those in `_held`."""
        self._held = []
        self._began_s = self._clock.monotonic()
        reached = candidate.reach()
        is_probe = reached.circuit.enter()
        try:
            rest = self._opened(reached.provider, candidate.request)
        except ProviderError as fault:
            if not self._is_closed.is_set():
                reached.circuit.leave(fault, is_probe=is_probe)
            elif self._clock.monotonic() - self._began_s >= NEARLY * self._patience_s(candidate):
                # Whoever closed it had no more patience either.
                reached.circuit.leave(ProviderTimeout("No token in time."), is_probe=is_probe)
            else:  # our own hanging up says nothing of the provider
                reached.circuit.give_up(is_probe=is_probe)
            raise
        except BaseException:
            reached.circuit.give_up(is_probe=is_probe)
            raise
        reached.circuit.leave(None, is_probe=is_probe)
        return rest

    def _patience_s(self, candidate: Candidate) -> float:
        """How long a try may take until something comes: one not streamed, all the call's time."""
        if candidate.request.stream:
            return self._policy.patience_s
        return self._deadline_s - self._began_s

    def _opened(self, provider: Provider, request: ChatRequest) -> Iterator[Chunk]:
        stream = provider.stream(replace(request, on_wait=self._note_wait))
        self._stream = stream
        if self._is_closed.is_set():  # it was closed before it was there to be closed
            stream.close()
            raise _stopped()
        chunks = iter(stream)
        try:
            for chunk in chunks:
                if chunk is SILENCE:
                    continue
                self._held.append(chunk)
                if chunk.says_something or len(self._held) == MOST_HELD:
                    break
        except ProviderError:
            with suppress(Exception):  # whatever closing does, the next try is made
                stream.close()
            raise
        return chunks

    def _note_wait(self, hang_up: HangUp | None) -> None:
        """Know how to end a wait for the provider; one that was closed by now is ended at once."""
        with self._waits:
            self._hang_up = hang_up
            if hang_up is not None and self._is_closed.is_set():
                hang_up()

    def _turn_after(
        self, fault: ProviderError, place: int, retry: int
    ) -> tuple[int, int, float] | None:
        """The next candidate's place, which retry of it that is, and the wait before it."""
        now_s = self._clock.monotonic()
        if self._is_closed.is_set() or now_s >= self._deadline_s:
            return None
        wait_s = self._policy.wait_s(retry + 1, fault, self._draw())
        if wait_s is not None and now_s + wait_s < self._deadline_s:
            return place, retry + 1, wait_s
        if place + 1 == len(self._candidates) or not may_fall_back(fault):
            return None
        return place + 1, 0, 0.0

    def _failed(self, fault: ProviderError, place: int) -> FailedTry:
        """What is told of a try; a provider that failed may have counted until then."""
        counts = (each.usage or each.prompt_usage for each in reversed(self._held))
        usage = next((each for each in counts if each is not None), None)
        lasted_s = self._clock.monotonic() - self._began_s
        return FailedTry(place, fault, usage, self._began_s, lasted_s)


def _stopped() -> ProviderBroken:
    return ProviderBroken("The call was stopped.", was_sent=False)
