"""The events of an answer within a conversation, written and read (`docs/streaming.md`)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.protocol import Chunk, ProviderError, Usage
from schemas.fields import money_text
from services.calls import Bill
from services.upstream_failures import problem_of
from streams.events import Draft
from streams.outcome import Outcome

__all__ = ["chunk_of", "closing", "deltas", "opening", "usage_of"]

_json = msgspec.json.Encoder()


def opening(
    *, stream_id: str, conversation_id: str | None, message_id: str | None, model_id: str
) -> list[Draft]:
    """The first event, which names the model that answers."""
    named = {
        "stream_id": stream_id,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "model": model_id,
    }
    return [Draft("start", _json.encode(named))]


def deltas(chunk: Chunk) -> list[Draft]:
    """The events of one piece of an answer."""
    drafts = []
    if chunk.reasoning:
        drafts.append(Draft("delta", _json.encode({"reasoning": chunk.reasoning})))
    if chunk.text:
        drafts.append(Draft("delta", _json.encode({"text": chunk.text})))
    if chunk.tool_calls:
        drafts.append(Draft("delta", _json.encode({"tool_calls": chunk.tool_calls})))
    return drafts


def closing(message_id: str | None, outcome: Outcome, bill: Bill) -> list[Draft]:
    """The last events: what the answer came to, and how it ended."""
    usage = {
        "input_tokens": bill.usage.input_tokens,
        "output_tokens": bill.usage.output_tokens,
        "cached_tokens": bill.usage.cached_tokens,
        "cost_usd": None if bill.cost_usd is None else money_text(bill.cost_usd),
        "estimated": bill.is_estimated,
    }
    return [Draft("usage", _json.encode(usage)), _last(message_id, outcome)]


def _last(message_id: str | None, outcome: Outcome) -> Draft:
    fault: ProviderError | None = outcome.error
    if fault is not None:
        return Draft("error", _json.encode(problem_of(fault)))
    done = {"message_id": message_id, "finish_reason": outcome.finish_reason}
    return Draft("done", _json.encode(done))


def chunk_of(delta: bytes) -> Chunk:
    """The piece of an answer that a `delta` event's data is."""
    said: Mapping[str, Any] = msgspec.json.decode(delta)
    return Chunk(
        text=said.get("text", ""),
        reasoning=said.get("reasoning", ""),
        tool_calls=tuple(said.get("tool_calls", ())),
    )


def usage_of(usage: bytes) -> tuple[Usage, bool]:
    """What a `usage` event's data counts, and whether it is an estimate."""
    said: Mapping[str, Any] = msgspec.json.decode(usage)
    counted = Usage(
        said["input_tokens"], said["output_tokens"], cached_tokens=said["cached_tokens"]
    )
    return counted, said["estimated"]
