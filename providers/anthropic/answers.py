"""Answers of the Messages API as chunks: its events while it streams, or its whole message.

https://platform.claude.com/docs/en/build-with-claude/streaming

An unknown kind of event is passed over: the API says that there will be more. A block's events go
along as they are, whatever its kind, for clients that know it.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import msgspec

from providers.answer import END, Answer, streamed, unstreamed
from providers.anthropic.usage import UsageCount
from providers.numbers import token_count
from providers.protocol import (
    Chunk,
    ProviderAuthFailed,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.refusals import words_to_show
from providers.reply import Reply
from providers.sse import ServerEvent

__all__ = ["answer_of"]

NOT_OF_ITS_FORMAT = "The provider sent an event that is not of its format."
NOWHERE = nan
"""No index is equal to it, nor to the next."""
LINE_FEED = 10
"""As a number, which is found in a quarter of the time."""
OVERLOADED = 529
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Anthropic's reasons in OpenAI's words; one that is not here is a plain stop."""
PLAIN_REASONS = ("end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal")
"""Those that OpenAI's words tell, or the sequence that ended it."""
PLAIN_ORDER = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
PLAIN_FIELDS = {
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "text": {"type", "text"},
    "tool_use": {"type", "id", "name", "input"},
}
SAID_ELSEWHERE = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "delta"}
)
OUR_FAULT = ("authentication_error", "permission_error", "billing_error")
THEIR_FAULT = ("invalid_request_error", "not_found_error", "request_too_large")


def answer_of(reply: Reply, secret: str, *, is_streamed: bool) -> Answer:
    """An accepted reply as an answer. `secret` is the key, which no error is to show."""
    reader = _Reader(secret)
    if is_streamed:
        return Answer(reply, streamed(reply, reader.chunk_of, reader.whole))
    return Answer(reply, unstreamed(reply, reader.whole))


class _Reader:
    """Reads one answer, whole or event by event."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._usage = UsageCount()
        self._calls = self._details = 0
        self._block: dict[str, Any] = {}
        self._place = -1.0
        self._open_at = NOWHERE
        self._written = ""

    def whole(self, raw: bytes) -> Chunk:
        """The one chunk of an answer that comes as one message."""
        told = self._parsed(raw)
        blocks = told.get("content")
        if not isinstance(blocks, list):
            raise ProviderMalformed("The provider's answer has no content.")
        self._usage.add(told.get("usage"))
        blocks = [each for each in blocks if isinstance(each, dict)]
        chunks = [self._whole_block(each) for each in blocks]
        return Chunk(
            text="".join(each.text for each in chunks),
            reasoning="".join(each.reasoning for each in chunks),
            tool_calls=tuple(call for each in chunks for call in each.tool_calls),
            details=tuple(detail for each in chunks for detail in each.details),
            finish_reason=_finish_reason(told.get("stop_reason")),
            usage=None if self._usage.is_half() else self._usage.whole(),
            stop_sequence=_stop_sequence(told),
            ending=_ending(told, told),
            blocks=() if _are_plain(blocks) else tuple(blocks),
        )

    def _whole_block(self, block: dict[str, Any]) -> Chunk:
        """A block of an answer that came in one piece."""
        if block.get("type") == "tool_use":
            arguments = msgspec.json.encode(block.get("input") or {}).decode()
            return self._opened_call(block, arguments)
        if block.get("type") == "thinking":
            text = _text(block.get("thinking"))
            return Chunk(reasoning=text, details=self._signed(text, block.get("signature")))
        if block.get("type") == "redacted_thinking":
            return Chunk(details=self._encrypted(block))
        return Chunk(text=_text(block.get("text")) if block.get("type") == "text" else "")

    def chunk_of(self, event: ServerEvent) -> Chunk | None:
        """An event's chunk, if it has one."""
        told = self._parsed(event.data)
        kind = told.get("type")
        if kind == "content_block_delta":
            chunk = self._delta(_part(told, "delta"))
        elif kind == "content_block_start":
            self._place += 1
            self._open_at = self._place
            chunk = self._begun(_part(told, "content_block"))
        elif kind == "content_block_stop":
            chunk = self._ended()
        else:
            return END if kind == "message_stop" else self._counted(told)
        if told.get("index") != self._open_at:
            self._place = self._open_at = NOWHERE  # for good
            return chunk
        if kind == "content_block_stop":
            self._open_at = NOWHERE
        chunk = chunk or Chunk()
        raw = event.data
        chunk.event = (kind, msgspec.json.encode(told) if LINE_FEED in raw else raw)
        return chunk

    def _counted(self, told: dict[str, Any]) -> Chunk | None:
        """What says something of the message as a whole: its usage, and why it ended."""
        kind = told.get("type")
        if kind == "message_start":
            self._usage.add(_part(told, "message").get("usage"))
            return Chunk(prompt_usage=self._usage.whole())
        if kind == "message_delta":
            counted, delta = _part(told, "usage"), _part(told, "delta")
            self._usage.add(counted)
            reason = delta.get("stop_reason")
            # What the beginning says of the output is no count of it.
            is_counted = token_count(counted.get("output_tokens")) is not None
            is_counted = is_counted and not self._usage.is_half()
            return Chunk(
                finish_reason=_finish_reason(reason) if reason else None,
                usage=self._usage.whole() if reason and is_counted else None,
                stop_sequence=_stop_sequence(delta),
                ending=_ending({**told, **delta}, told) if reason else None,
            )
        return None

    def _begun(self, block: dict[str, Any]) -> Chunk | None:
        self._block, self._written = block, ""
        kind = block.get("type")
        if kind == "tool_use":
            return self._opened_call(block, "")
        if kind == "redacted_thinking":
            return Chunk(details=self._encrypted(block))
        if kind == "thinking":
            self._written = _text(block.get("thinking"))
            return Chunk(reasoning=self._written) if self._written else None
        if kind == "text":
            text = _text(block.get("text"))
            return Chunk(text=text) if text else None
        return Chunk(beside_chars=len(_text(block.get("name"))) or 1)  # the answer has begun

    def _delta(self, delta: dict[str, Any]) -> Chunk | None:
        kind = delta.get("type")
        if kind == "text_delta":
            text = delta.get("text")
            return Chunk(text if isinstance(text, str) else "")
        if kind == "thinking_delta":
            text = _text(delta.get("thinking"))
            self._written += text
            return Chunk(reasoning=text)
        if kind == "signature_delta":
            return Chunk(details=self._signed(self._written, delta.get("signature")))
        if kind == "input_json_delta":
            piece = _text(delta.get("partial_json"))
            if self._block.get("type") != "tool_use":  # of a tool that runs at the provider
                return Chunk(beside_chars=len(piece))
            self._written += piece
            return self._more_arguments(piece) if piece else None
        return None if kind == "citations_delta" else Chunk(is_unknown=True)

    def _ended(self) -> Chunk | None:
        """A block's end; a call that had no arguments gets an empty object, which JSON wants."""
        block, self._block = self._block, {}
        if block.get("type") != "tool_use" or self._written:
            return None
        return self._more_arguments(msgspec.json.encode(block.get("input") or {}).decode())

    def _opened_call(self, block: Mapping[str, Any], arguments: str) -> Chunk:
        self._calls += 1
        function = {"name": _text(block.get("name")), "arguments": arguments}
        call = {"index": self._calls - 1, "id": _text(block.get("id")), "type": "function"}
        return Chunk(tool_calls=({**call, "function": function},))

    def _more_arguments(self, piece: str) -> Chunk:
        function = {"arguments": piece}
        return Chunk(tool_calls=({"index": self._calls - 1, "function": function},))

    def _signed(self, text: str, signature: Any) -> tuple[Mapping[str, object], ...]:
        """A whole thought with its signature, which a client sends back with its tools' results."""
        if not isinstance(signature, str) or not signature:
            return ()
        return self._detail("reasoning.text", {"text": text, "signature": signature})

    def _encrypted(self, block: Mapping[str, Any]) -> tuple[Mapping[str, object], ...]:
        """A thought that is not to be read, only to be sent back."""
        return self._detail("reasoning.encrypted", {"data": _text(block.get("data"))})

    def _detail(self, kind: str, said: dict[str, object]) -> tuple[Mapping[str, object], ...]:
        """A detail by its number, which official OpenAI clients need to put a list together."""
        self._details += 1
        return ({"type": kind, "index": self._details - 1, **said},)

    def _parsed(self, raw: bytes) -> dict[str, Any]:
        try:
            told = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
            raise ProviderMalformed(NOT_OF_ITS_FORMAT) from fault
        if not isinstance(told, dict):
            raise ProviderMalformed(NOT_OF_ITS_FORMAT)
        if told.get("type") == "error" or told.get("error"):
            raise _error_in(_part(told, "error"), self._secret)
        return told


def _error_in(error: Mapping[str, Any], secret: str) -> ProviderError:
    """An error in the place of an answer, or in its middle."""
    kind = error.get("type")
    if kind == "rate_limit_error":
        return ProviderRateLimited("The provider is rate limiting.")
    if kind == "overloaded_error":
        return ProviderUnavailable("The provider is overloaded.", status=OVERLOADED)
    if kind in OUR_FAULT:
        return ProviderAuthFailed("The provider refused Larder's credentials.")
    if kind in THEIR_FAULT:
        words = words_to_show(error.get("message"), secret)
        return ProviderRejected(words or "The provider rejected the request.")
    return ProviderUnavailable("The provider failed while it answered.")


def _finish_reason(reason: Any) -> str:
    return FINISH_REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"


def _stop_sequence(told: Mapping[str, Any]) -> str | None:
    """The text that ended the answer, where that was one of the request's."""
    return _text(told.get("stop_sequence")) or None


def _ending(said: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is said at the end and nowhere else: a reason of Anthropic's own, searches, a container.

    Args:
        said: the fields of the message, or of the event that ends it.
        told: where the usage stands.
    """
    ending = {
        name: value
        for name, value in said.items()
        if name not in SAID_ELSEWHERE and value is not None
    }
    reason = said.get("stop_reason")
    if isinstance(reason, str) and reason not in PLAIN_REASONS:
        ending["stop_reason"] = reason
    if searches := _part(told, "usage").get("server_tool_use"):
        ending["server_tool_use"] = searches
    return ending or None


def _are_plain(blocks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are thoughts, one text that cites nothing and calls, in this order, at most."""
    kinds = [each.get("type") for each in blocks]
    if not all(isinstance(kind, str) and kind in PLAIN_ORDER for kind in kinds):
        return False
    places = [PLAIN_ORDER[str(kind)] for kind in kinds]
    if places != sorted(places) or kinds.count("text") > 1:
        return False
    said = [{name for name, value in each.items() if value is not None} for each in blocks]
    return all(names <= PLAIN_FIELDS[str(kind)] for names, kind in zip(said, kinds, strict=True))


def _part(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return part if isinstance(part, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
