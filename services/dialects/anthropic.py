"""Answers for Anthropic's clients, whatever provider gives them.

https://docs.anthropic.com/en/api/messages-streaming

The order of events is what those clients expect: the message, a ping, each block from its start to
its stop, why it ended with the usage, the message's stop. One block is open at a time: what else
comes amid a tool call (OpenAI's format allows calls interleaved) waits until that one is whole. The
limit on an answer's size bounds what waits, too.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from providers.protocol import Chunk, ProviderError
from schemas.anthropic import answers
from schemas.fields import money_text
from services import upstream_failures
from services.calls import Bill
from services.dialects.protocol import Head
from streams.events import Draft
from streams.outcome import Outcome
from telemetry.ids import new_id

__all__ = ["AnthropicDialect", "anthropic_unpaid"]

OVERLOADED = 529
PROVIDERS = "provider's"
"""In the place of an open block's kind: its events come as its provider wrote them."""
STARTS: Mapping[str, Mapping[str, Any]] = {
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    "text": {"type": "text", "text": ""},
}


class AnthropicDialect:
    """One answer as events, or as a message."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._has_begun = False
        self._place = -1
        self._open = ""
        self._call: _Call | None = None
        self._calls: defaultdict[object, _Call] = defaultdict(_Call)
        self._waiting: deque[Callable[[], list[Draft]]] = deque()

    def chunk(self, chunk: Chunk) -> list[Draft]:
        """The events of a chunk; the first one opens the message."""
        drafts = self._opening()
        if chunk.event is not None:
            return [*drafts, self._relayed(*chunk.event)]
        if chunk.blocks:
            return [*drafts, *(draft for each in chunk.blocks for draft in self._whole_block(each))]
        if self._call is None:
            drafts += self._said(chunk)
        elif chunk.text or chunk.reasoning or chunk.details:
            self._waiting.append(partial(self._said, replace(chunk, raw=None)))
            drafts += self._released()
        for delta in chunk.tool_calls:
            drafts += self._called(delta)
        return drafts

    def _relayed(self, kind: str, data: bytes) -> Draft:
        """The provider's own event of a block, whose places are the same as here."""
        if kind == "content_block_start":
            self._place += 1
            self._open = PROVIDERS
        elif kind == "content_block_stop":
            self._open = ""
        return Draft(kind, data)

    def _said(self, chunk: Chunk) -> list[Draft]:
        """A chunk's words and thoughts."""
        drafts: list[Draft] = []
        if chunk.reasoning:
            drafts += self._told("thinking", "thinking_delta", "thinking", chunk.reasoning)
        for detail in chunk.details:
            drafts += self._thought(detail)
        if chunk.text:
            drafts += self._told("text", "text_delta", "text", chunk.text)
        return drafts

    def _whole_block(self, block: Mapping[str, Any]) -> list[Draft]:
        """A block of an answer that came in one piece."""
        start, deltas = answers.taken_apart(block)
        drafts = self._begun(str(block.get("type")), start)
        drafts += [self._delta(self._place, each) for each in deltas]
        return [*drafts, *self._stopped()]

    def closing(self, outcome: Outcome, bill: Bill) -> list[Draft]:
        """The last block's stop, the reason with the usage, the end."""
        ended_by = outcome.stop_sequence
        told, counted, beside = answers.at_its_end(outcome.ending or {})
        delta = {"stop_reason": _stop_reason(outcome), "stop_sequence": ended_by, **told}
        drafts = self._opening()
        nameless = [call for call in self._calls.values() if not call.name]
        self._waiting.extend(partial(self._written, call) for call in nameless)
        for write in self._waiting:
            drafts += write()
        return [
            *drafts,
            *self._stopped(),
            _draft("message_delta", **beside, delta=delta, usage=_usage(bill) | counted),
            _draft("message_stop"),
        ]

    def failure(self, fault: ProviderError) -> Draft:
        """An event that clients raise; its type tells them whether to ask again."""
        status = upstream_failures.http_status(fault.code)
        if fault.status == OVERLOADED:
            status = OVERLOADED
        return Draft("error", answers.error_json(fault.message, status, None))

    def whole(self, outcome: Outcome, bill: Bill, raws: Sequence[bytes]) -> bytes:
        """The message; other formats' own words are not needed for it."""
        del raws
        content: list[Mapping[str, Any]] = list(outcome.blocks)
        content = content or [*answers.put_together(outcome.events)]
        if not content:
            content += answers.thoughts(outcome.reasoning, outcome.details)
            if outcome.text:
                content.append({"type": "text", "text": outcome.text})
            content.extend(answers.block_of_call(call) for call in outcome.tool_calls)
        told, counted, beside = answers.at_its_end(outcome.ending or {})
        message = answers.message(
            self._head.call_id,
            self._head.model(),
            content,
            _stop_reason(outcome),
            _usage(bill) | counted,
            stop_sequence=outcome.stop_sequence,
        )
        return answers.message_json(message | told | beside)

    def _opening(self) -> list[Draft]:
        if self._has_begun:
            return []
        self._has_begun = True
        nothing_yet = answers.usage(0, 0, cached=0, written=0)
        empty = answers.message(self._head.call_id, self._head.model(), [], None, nothing_yet)
        return [_draft("message_start", message=empty), _draft("ping")]

    def _told(self, block: str, kind: str, name: str, words: str) -> list[Draft]:
        drafts = self._begun(block, STARTS[block]) if self._open != block else []
        return [*drafts, self._delta(self._place, {"type": kind, name: words})]

    def _thought(self, detail: Mapping[str, Any]) -> list[Draft]:
        """What belongs to a thought beside its text: its signature, or one that is encrypted."""
        if detail.get("type") == "reasoning.encrypted":
            block = {"type": "redacted_thinking", "data": detail.get("data")}
            return self._begun("redacted_thinking", block)
        if not detail.get("signature"):
            return []
        drafts = []
        if self._open != "thinking":
            drafts = self._begun("thinking", STARTS["thinking"])
        signed = {"type": "signature_delta", "signature": detail["signature"]}
        return [*drafts, self._delta(self._place, signed), *self._stopped()]

    def _called(self, delta: Mapping[str, Any]) -> list[Draft]:
        """A piece of a tool call, which may begin another block; none begins without its name."""
        call = self._calls[delta.get("index")]
        was_nameless = not call.name
        call.add(delta)
        if call is self._call:
            return [*self._written(call), *self._released()]
        if was_nameless and call.name:
            self._waiting.append(partial(self._written, call))
        return self._released()

    def _released(self) -> list[Draft]:
        """What has waited, up to the next call that is not whole."""
        drafts: list[Draft] = []
        while self._waiting and (self._call is None or self._call.is_whole):
            drafts += self._waiting.popleft()()
        return drafts

    def _written(self, call: "_Call") -> list[Draft]:
        """What has not been told of a call."""
        drafts: list[Draft] = []
        if call.place is None:
            start = {"type": "tool_use", "id": call.id or f"call_{new_id()}", "name": call.name}
            drafts += self._begun("tool_use", {**start, "input": {}})
            self._call, call.place = call, self._place
        if untold := call.untold():
            piece = {"type": "input_json_delta", "partial_json": untold}
            drafts.append(self._delta(call.place, piece))
        return drafts

    def _begun(self, block: str, start: Mapping[str, Any]) -> list[Draft]:
        drafts = self._stopped()
        self._place += 1
        self._open = block
        return [*drafts, _draft("content_block_start", index=self._place, content_block=start)]

    def _stopped(self) -> list[Draft]:
        if not self._open:
            return []
        self._open, self._call = "", None
        return [_draft("content_block_stop", index=self._place)]

    @staticmethod
    def _delta(place: int, delta: Mapping[str, Any]) -> Draft:
        return _draft("content_block_delta", index=place, delta=delta)


class _Call:
    """A tool call as far as it has come, and its block's place once that has begun."""

    __slots__ = ("_pieces", "_told", "id", "name", "place")

    def __init__(self) -> None:
        self.id: object = None
        self.name = ""
        self.place: int | None = None
        self._pieces: list[str] = []
        self._told = 0

    @property
    def is_whole(self) -> bool:
        """Whether the arguments have come to their end."""
        last = next((each for each in reversed(self._pieces) if not each.isspace()), "")
        may_be = last.rstrip().endswith("}")  # else there is no need to read them all
        return may_be and answers.arguments_of("".join(self._pieces)) is not None

    def add(self, delta: Mapping[str, Any]) -> None:
        """Take what a piece brings."""
        function = delta.get("function") or {}
        self.id = self.id or delta.get("id") or None
        self.name = self.name or function.get("name") or ""
        if function.get("arguments"):
            self._pieces.append(function["arguments"])

    def untold(self) -> str:
        """The arguments that have come since this was last asked."""
        untold = "".join(self._pieces[self._told :])
        self._told = len(self._pieces)
        return untold


def anthropic_unpaid(name: str, data: bytes) -> bytes:
    """An event for one who pays nothing for it."""
    if name != "message_delta":
        return data
    found = msgspec.json.decode(data)
    return msgspec.json.encode({**found, "usage": {**found["usage"], "cost_usd": "0"}})


def _stop_reason(outcome: Outcome) -> str | None:
    """Why it ended; Gemini says `stop` behind a call, and OpenAI where the request named the tool.

    Anthropic's clients run a tool only where the reason is that one is called.
    """
    if outcome.stop_sequence is not None:
        return "stop_sequence"
    is_call = outcome.tool_calls and outcome.finish_reason in {None, "stop"}
    return answers.stop_reason("tool_calls" if is_call else outcome.finish_reason)


def _draft(kind: str, /, **fields: Any) -> Draft:
    return Draft(kind, answers.event_json(kind, **fields))


def _usage(bill: Bill) -> dict[str, Any]:
    usage = bill.usage
    counted = answers.usage(
        usage.input_tokens,
        usage.output_tokens,
        cached=usage.cached_tokens,
        written=usage.cache_write_tokens,
    )
    cost_usd = None if bill.cost_usd is None else money_text(bill.cost_usd)
    return {**counted, "cost_usd": cost_usd, "estimated": bill.is_estimated}
