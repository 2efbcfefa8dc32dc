"""Answers for OpenAI's clients.

A provider that speaks the format itself is relayed byte for byte; for the others the same shape is
written here. The usage chunk goes out last, with what the call cost, if the client asked for it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from providers.protocol import Chunk, ProviderError, ProviderRejected
from schemas import openai, openai_chunks
from schemas.fields import money_text
from services.calls import Bill
from services.dialects.protocol import Head, says_something
from streams.events import Draft
from streams.outcome import Outcome

__all__ = ["DONE", "OpenAIDialect", "openai_unpaid", "usage_of"]

DONE = b"[DONE]"
ERROR_TYPES = {
    "provider_rejected": "invalid_request_error",
    "provider_rate_limited": "rate_limit_error",
}
"""Of failures by their codes, as they have them before the first token."""


class _Choice(msgspec.Struct):
    index: Any = 0
    delta: dict[str, Any] | None = None
    finish_reason: Any = None
    logprobs: Any = None


class _Choices(msgspec.Struct):
    choices: list[_Choice] | None = None


_choices = msgspec.json.Decoder(_Choices)


class OpenAIDialect:
    """One answer as chunks, or as a completion."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._is_first = True
        self._is_ended = False
        self._counting: bytes | None = None

    def chunk(self, chunk: Chunk) -> list[Draft]:
        """The chunk as it goes out; one that only says the usage is held back until the end."""
        if chunk.raw is not None:
            return self._relayed(chunk, chunk.raw)
        if not (says_something(chunk) or chunk.details or self._is_first):
            return []
        delta = _delta(chunk, is_first=self._is_first)
        self._is_first = False
        return [Draft("chunk", openai.chunk_json(*self._named(), delta))]

    def closing(self, outcome: Outcome, bill: Bill) -> list[Draft]:
        """The usage, if it was asked for, and the end."""
        del outcome
        drafts = []
        if self._head.include_usage:
            drafts.append(Draft("usage", self._usage_chunk(usage_of(bill))))
        return [*drafts, Draft("done", DONE)]

    def failure(self, fault: ProviderError) -> Draft:
        """An error object in the place of a chunk."""
        kind, code = ERROR_TYPES.get(fault.code, "api_error"), fault.code
        if isinstance(fault, ProviderRejected):  # others tell of Larder's account
            code = fault.upstream_code or code
        return Draft("error", openai.error_json(fault.message, kind, fault.param, code))

    def whole(self, outcome: Outcome, bill: Bill, raws: Sequence[bytes]) -> bytes:
        """The provider's own completion, or one written from what came."""
        if raws and not openai_chunks.is_whole(raws[0]):
            return msgspec.json.encode(openai_chunks.assembled(raws, usage_of(bill)))
        return outcome.raw or openai.completion_json(
            *self._named(), _choice(outcome), usage_of(bill)
        )

    def _relayed(self, chunk: Chunk, raw: bytes) -> list[Draft]:
        if openai_chunks.is_whole(raw):
            return [Draft("chunk", line) for line in openai_chunks.taken_apart(raw)]
        if chunk.usage is not None and not says_something(chunk) and self._only_counts(raw):
            self._counting = raw
            return []
        self._is_ended = self._is_ended or chunk.finish_reason is not None
        return [Draft("chunk", raw)]

    def _only_counts(self, raw: bytes) -> bool:
        """Whether a chunk has nothing for any choice; some count in each, also in other choices'.

        Behind its end the first choice needs no role any more: OpenRouter counts beside one, and a
        client that adds up every usage it sees would count twice.
        """
        try:
            choices = _choices.decode(raw).choices or ()
        except (msgspec.MsgspecError, UnicodeDecodeError):  # half a character: there is text
            return False
        for each in choices:
            said = dict(each.delta or {})
            if self._is_ended and not each.index:
                said.pop("role", None)
            if each.finish_reason or each.logprobs or any(said.values()):
                return False
        return True

    def _usage_chunk(self, usage: Mapping[str, Any]) -> bytes:
        if self._counting is not None:
            with suppress(ValueError, msgspec.MsgspecError):  # broken where nobody looked yet
                return openai_chunks.with_usage(self._counting, usage)
        return openai.usage_chunk_json(*self._named(), usage)

    def _named(self) -> tuple[str, str, int]:
        return self._head.call_id, self._head.model(), self._head.created_s


def usage_of(bill: Bill) -> dict[str, Any]:
    """A bill as OpenAI's usage, with what it cost."""
    usage = bill.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
        "cost_usd": None if bill.cost_usd is None else money_text(bill.cost_usd),
        "estimated": bill.is_estimated,
    }


def openai_unpaid(name: str, data: bytes) -> bytes:
    """An event for one who pays nothing for it."""
    if name != "usage":
        return data
    found = msgspec.json.decode(data)
    return msgspec.json.encode({**found, "usage": {**found["usage"], "cost_usd": "0"}})


def _delta(chunk: Chunk, *, is_first: bool) -> dict[str, Any]:
    """A chunk's part of a choice, in OpenAI's words."""
    delta: dict[str, Any] = {"role": "assistant"} if is_first else {}
    if chunk.text or is_first:
        delta["content"] = chunk.text
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.details:
        delta["reasoning_details"] = chunk.details
    if chunk.tool_calls:
        delta["tool_calls"] = chunk.tool_calls
    return {"delta": delta, "finish_reason": chunk.finish_reason}


def _choice(outcome: Outcome) -> dict[str, Any]:
    """The message of a whole completion and why it ended."""
    message: dict[str, Any] = {"role": "assistant", "content": outcome.text, "refusal": None}
    if outcome.reasoning:
        message["reasoning_content"] = outcome.reasoning
    if outcome.details:
        message["reasoning_details"] = outcome.details
    if outcome.tool_calls:
        message["tool_calls"] = outcome.tool_calls
    return {"message": message, "finish_reason": outcome.finish_reason}
