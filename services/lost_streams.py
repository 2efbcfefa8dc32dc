"""Streams whose worker died: the answer kept as far as it came, the call booked once, estimated.

Where it lives, and only could not book the call, what the provider counted is booked all the same.

Whoever finds such a stream ends it: a reader on another worker, or the sweep. It does not matter
how many do, nor whether the worker had booked it just before it died: the stream's row decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cache.namespaces import STREAMS
from cache.scopes import UserId
from database.session import read_session
from database.tables.conversations import Stream
from providers.characters import WholeCharacters
from providers.chat_chunks import relayed_chunk
from providers.protocol import Chunk
from services.answer_events import chunk_of
from services.conversations import messages
from services.costs import ledger, unbooked
from services.costs.ledger import PricedCall, ProviderCall
from services.estimates import estimate_answer
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from services.worker_processes import worker_is_gone
from streams.errors import ProducerLost
from streams.events import Event
from streams.outcome import Outcome, Tally

__all__ = [
    "book_again",
    "end_if_dead",
    "end_lost_stream",
    "end_may_come",
    "lives",
    "sweep_lost_streams",
]

# A stream's row is there a moment before its worker gives signs of life; one whose process is gone
# gives none any more, and holds a place of its key's limit.
YOUNGEST = timedelta(seconds=60)
YOUNGEST_OF_THE_DEAD = timedelta(seconds=10)
SWEPT_AT_ONCE = 500
# A worker that had lost sight of Redis looks for it every few seconds, then sends what it has.
END_ARRIVES = timedelta(seconds=8)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Partial:
    """What had come of an answer."""

    outcome: Outcome
    has_begun: bool


def end_lost_stream(stream_id: str) -> bool:
    """End a stream whose producer is lost; returns whether it was still taken to be running."""
    partial = _partial(runtime().streams.logged(stream_id))
    with read_session() as session:
        lost = session.get(Stream, stream_id)
    if lost is None or lost.status != "running":
        unbooked.forget(stream_id)
        return False
    # A copy of another call's answer is no call of its own: nothing is owed for it.
    call = None if lost.copy_of else _call_of(lost, partial)
    with unit_of_work() as work:
        stream = work.session.get(Stream, stream_id, with_for_update=True)
        if stream is None or stream.status != "running":
            return False
        stream.status = "ended"
        stream.ended_at = runtime().clock.now()
        work.invalidates(STREAMS.of(UserId(stream.user_id)))
        owed = {} if call is None else _owed(ledger.book(work, call))
        if stream.message_id is not None:
            written = {
                "content": partial.outcome.text,
                "reasoning": partial.outcome.reasoning or None,
                "tool_calls": partial.outcome.tool_calls or None,
                "status": "error",
                "finish_reason": None,
                "error_code": ProducerLost.code,
                **owed,
            }
            messages.finish_answer(work, stream.message_id, written)
    unbooked.forget(stream_id)
    log.warning("stream_lost", stream_id=stream_id, chars=len(partial.outcome.text))
    return True


def end_if_dead(stream_id: str) -> bool:
    """End a stream of this machine if its worker's process is gone; returns whether it is."""
    with read_session() as session:
        stream = session.get(Stream, stream_id)
    is_dead = stream is not None and worker_is_gone(stream.worker) is True
    if is_dead:
        end_lost_stream(stream_id)
    return is_dead


def lives(stream_id: str) -> bool:
    """Whether a stream without a sign of life is known to be produced all the same.

    A worker may lose sight of Redis, or find it again later than another one. On this machine its
    process can be asked; of an ended stream only the end has to come, and does so soon or never.
    """
    with read_session() as session:
        stream = session.get(Stream, stream_id)
    if stream is None or stream.worker == runtime().worker:
        return False
    if worker_is_gone(stream.worker) is not False:
        return False
    return end_may_come(stream.ended_at)


def end_may_come(ended_at: datetime | None) -> bool:
    """Whether the end of a stream that ended then, elsewhere, may still be on its way here."""
    return ended_at is None or runtime().clock.now() - ended_at < END_ARRIVES


def sweep_lost_streams() -> int:
    """End the streams that no worker is producing any more; returns how many those were."""
    now = runtime().clock.now()
    with read_session() as session:
        rows = session.execute(
            select(Stream.id, Stream.worker, Stream.started_at)
            .where(Stream.status == "running", Stream.started_at < now - YOUNGEST_OF_THE_DEAD)
            .order_by(Stream.started_at)
            .limit(SWEPT_AT_ONCE)
        ).all()
    lost = [row for row in rows if row.started_at < now - YOUNGEST or worker_is_gone(row.worker)]
    lost = [row for row in lost if _is_lost(row.id, row.worker)]
    if any(worker_is_gone(row.worker) is None for row in lost):
        # A Redis that came back empty has no sign of life until each machine renews its own.
        runtime().clock.sleep(runtime().streams.confirm_lost_s)
    return sum(_end_if_lost(row.id, row.worker) for row in lost)


def book_again() -> int:
    """End the streams of this process whose calls could not be booked; returns how many.

    Sooner than another machine confirms that they are lost, for it could only estimate them.
    """
    failed = unbooked.call_ids()
    running = set(runtime().streams.running())  # asked second: one that is booked ends after that
    ended = 0
    for call_id in failed:
        if call_id in running:
            continue
        try:
            ended += end_lost_stream(call_id)
        except (OperationalError, InterfaceError, PoolTimeout):  # the database is away still
            break
        except Exception:
            log.exception("lost_stream_not_ended", stream_id=call_id)
            unbooked.forget(call_id)  # the sweep tries what is left of it
    return ended


def _end_if_lost(stream_id: str, worker: str) -> bool:
    """Whether it was, and was ended; one that cannot be must not keep the others."""
    try:
        if not _is_lost(stream_id, worker):
            return False
        is_noted = runtime().streams.declare_lost(stream_id)  # who reads it later is told so
        if not is_noted and worker_is_gone(worker) is None:
            return False  # a full Redis takes no signs of life either
        return end_lost_stream(stream_id)
    except Exception:
        log.exception("lost_stream_not_ended", stream_id=stream_id)
        return False


def _is_lost(stream_id: str, worker: str) -> bool:
    alive = runtime().streams.is_alive(stream_id)
    if alive:
        return False
    is_gone = worker_is_gone(worker)
    if is_gone is None:
        return alive is False  # without Redis nobody can tell of another machine
    # A Redis that came back empty says the same of every stream: here the process itself counts.
    return is_gone or worker == runtime().worker  # this very process would know it


def _owed(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a message says of the tokens and the cost of its call."""
    return {
        "input_tokens": record["input_tokens"],
        "output_tokens": record["output_tokens"],
        "cached_tokens": record["cached_tokens"],
        "cost_usd": record["cost_usd"],
        "is_estimated": record["is_estimated"],
    }


def _partial(events: Sequence[Event]) -> _Partial:
    tally, whole = Tally(), WholeCharacters()
    for event in events:
        tally.add(whole.joined(_said_by(event)))
    outcome = tally.outcome(
        error=ProducerLost(), cancelled=False, first_token_s=None, duration_s=0.0
    )
    return _Partial(outcome, has_begun=bool(events))


def _said_by(event: Event) -> Chunk:
    """What an event says of the answer, whichever end point it is of."""
    if event.name == "delta":
        return chunk_of(event.data)
    if event.name == "chunk":
        return relayed_chunk(event.data)
    if event.name == "content_block_delta":
        return _of_block(msgspec.json.decode(event.data)["delta"])
    return Chunk()


def _of_block(delta: Mapping[str, Any]) -> Chunk:
    """An event of `/v1/messages`: a piece of a block."""
    arguments = delta.get("partial_json", "")
    return Chunk(
        text=delta.get("text", ""),
        reasoning=delta.get("thinking", ""),
        tool_calls=({"function": {"arguments": arguments}},) if arguments else (),
    )


def _call_of(lost: Stream, partial: _Partial) -> PricedCall:
    """What is owed for a stream: as it was counted, if this process knows that, or estimated."""
    return unbooked.recall(lost.id) or ledger.priced(_call(lost, partial))


def _call(stream: Stream, partial: _Partial) -> ProviderCall:
    outcome = partial.outcome
    lasted = runtime().clock.now() - stream.started_at
    return ProviderCall(
        call_id=stream.id,
        user_id=stream.user_id,
        key_id=stream.key_id,
        workspace_id=stream.workspace_id,
        provider_id=stream.model_id.partition("/")[0],
        model_id=stream.model_id,
        alias_id=stream.alias_id,
        endpoint=stream.endpoint,
        conversation_id=stream.conversation_id,
        message_id=stream.message_id,
        status="broken" if partial.has_begun else "error",
        error_code=ProducerLost.code,
        usage=outcome.usage or estimate_answer(outcome, stream.input_estimate),
        is_estimated=True,
        is_streamed=True,
        duration_ms=round(lasted.total_seconds() * 1000),
        called_at=stream.started_at,
    )
