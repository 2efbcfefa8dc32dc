"""An answer that no call is made for: one that was kept, or one that is being made for another.

It is a stream of its own all the same, with its own events to read on from, its own message, and
its own row in the ledger, which says what was saved.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import chain

import msgspec

from providers.protocol import Chunk, ChunkStream, ProviderBroken, Usage
from services.answer_events import chunk_of, usage_of
from services.calls import Bill
from services.costs import ledger
from services.costs.ledger import ProviderCall, SavedCall
from services.followed_streams import followed
from services.principal import Principal
from services.response_cache import KeptAnswer
from services.runtime import runtime
from services.stream_rows import begin_stream, end_stream
from services.unit_of_work import UnitOfWork
from streams.events import Event
from streams.limits import TimeLimits
from streams.outcome import Outcome
from streams.reading import Reader
from telemetry.ids import new_id

__all__ = ["AnswerCopy", "copy_of_kept", "copy_of_running"]

FREE = Decimal(0)
STOPPED = "cancelled"


class KeptChunks:
    """The chunks of a kept answer as they came; all are there, so they are handed on together."""

    def __init__(self, kept: KeptAnswer) -> None:
        self.is_estimated = kept.is_estimated
        self.usage: Usage | None = kept.usage
        *before, last = kept.chunks()
        self._chunks = iter([*(replace(each, is_followed=True) for each in before), last])

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Nothing is held."""


class FollowedChunks:
    """The events of a stream within a conversation as chunks, while they come.

    Iterating raises `ProviderBroken` where that stream fails, is stopped, or can no longer be
    followed. What it used stands in the ledger alone: its events do not name every kind of token.
    """

    usage: Usage | None = None

    def __init__(self, batches: Iterable[Sequence[Event]]) -> None:
        self.is_estimated = False
        self._chunks = self._followed(batches)

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Read no further."""
        self._chunks.close()

    def _followed(self, batches: Iterable[Sequence[Event]]) -> Generator[Chunk, None, None]:
        for batch in batches:
            for place, event in enumerate(batch, start=1):
                if event.name == "delta":
                    yield replace(chunk_of(event.data), is_followed=place < len(batch))
                elif event.name == "usage":
                    usage, self.is_estimated = usage_of(event.data)
                    yield Chunk(usage=usage)
                elif event.terminal:
                    yield Chunk(finish_reason=_reason(event))
                    return
        raise ProviderBroken("The call that this answer shares can no longer be followed.")


def _reason(last: Event) -> str | None:
    """Why the other stream ended, if it ended well."""
    said = msgspec.json.decode(last.data)
    if last.name == "error":
        raise ProviderBroken(said["detail"])
    if said["finish_reason"] == STOPPED:
        raise ProviderBroken("The call that this answer shares was stopped.")
    reason: str | None = said["finish_reason"]
    return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCopy:
    """A copy of another call's answer, about to be made. `call_id` is its own stream's id."""

    call_id: str
    principal: Principal
    copy_of: str
    model_id: str
    answer: KeptChunks | FollowedChunks
    endpoint: str
    called_at: datetime
    alias_id: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None

    def pull(self) -> ChunkStream:
        """The pieces of the answer, with the bounds that they had."""
        return self.answer

    def open(self, work: UnitOfWork) -> None:
        """Note the running stream, as one that owes nothing if it is lost.

        Raises:
            RateLimited: its key has as many answers under way as it may.
        """
        begin_stream(work, self, copy_of=self.copy_of)

    def closing(self, outcome: Outcome) -> Callable[[UnitOfWork], Bill]:
        """Price what is saved, if it is a whole answer; what is returned ends the stream."""
        usage = outcome.usage or self.answer.usage or Usage(0, 0)
        is_whole = outcome.error is None and outcome.finish_reason != STOPPED
        saving = ledger.priced(self._saving(self._used() or usage)) if is_whole else None

        def close(work: UnitOfWork) -> Bill:
            if saving is not None:
                ledger.book(work, saving)
            end_stream(work, self.principal, self.call_id)
            return Bill(usage, FREE, self.answer.is_estimated)

        return close

    def time_limits(self) -> TimeLimits:
        """Those of the call itself: its chunks come no faster."""
        settings = runtime().settings
        return TimeLimits(
            first_chunk_s=settings.provider_total_timeout_s,
            between_chunks_s=settings.provider_total_timeout_s,
            total_s=settings.provider_total_timeout_s,
        )

    def _used(self) -> Usage | None:
        """All that the call itself has used; one that is followed was booked before its end."""
        if self.answer.usage is not None:
            return self.answer.usage
        call = ledger.answered_call(self.copy_of)
        return None if call is None else call.usage

    def _saving(self, usage: Usage) -> ProviderCall:
        principal = self.principal
        return ledger.saving(
            SavedCall(self.model_id.partition("/")[0], self.model_id, usage),
            call_id=self.call_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            workspace_id=principal.workspace_id,
            alias_id=self.alias_id,
            endpoint=self.endpoint,
            conversation_id=self.conversation_id,
            message_id=self.message_id,
            is_streamed=True,
            called_at=self.called_at,
        )


def copy_of_kept(principal: Principal, kept: KeptAnswer, endpoint: str) -> AnswerCopy:
    """A copy of an answer that was kept."""
    return AnswerCopy(
        call_id=new_id(),
        principal=principal,
        copy_of=kept.call_id,
        model_id=kept.model_id,
        answer=KeptChunks(kept),
        endpoint=endpoint,
        called_at=runtime().clock.now(),
    )


def copy_of_running(principal: Principal, reader: Reader, endpoint: str) -> AnswerCopy | None:
    """A copy of an answer that another stream within a conversation brings just now.

    Returns:
        `None` where that stream fails before it has begun.
    """
    batches = followed(reader)
    first = next((batch for batch in batches if batch), ())
    if not first or first[0].name != "start":
        return None
    return AnswerCopy(
        call_id=new_id(),
        principal=principal,
        copy_of=reader.stream_id,
        model_id=msgspec.json.decode(first[0].data)["model"],
        answer=FollowedChunks(chain([first], batches)),
        endpoint=endpoint,
        called_at=runtime().clock.now(),
    )
