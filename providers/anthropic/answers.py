"""Answers of the Messages API as chunks: its events while it streams, or its whole message.

https://platform.claude.com/docs/en/build-with-claude/streaming

An unknown kind of event, block or delta is passed over: the API says that there will be more.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers.answer import END, Answer, streamed, unstreamed
from providers.anthropic.usage import UsageCount
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
PLAIN_ORDER = {"thinking": 0, "redacted_thinking": 0, "text": 1, "tool_use": 2}
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
        self._written = ""
        self._cited: list[dict[str, Any]] = []

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
            usage=self._usage.whole(),
            stop_sequence=_stop_sequence(told),
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
        return Chunk(text=_text(block.get("text")))

    def chunk_of(self, event: ServerEvent) -> Chunk | None:
        """An event's chunk, if it has one."""
        told = self._parsed(event.data)
        kind = told.get("type")
        if kind == "message_stop":
            return END
        if kind == "content_block_delta":
            return self._delta(_part(told, "delta"))
        if kind == "content_block_start":
            return self._begun(_part(told, "content_block"))
        if kind == "content_block_stop":
            return self._ended()
        return self._counted(told)

    def _counted(self, told: dict[str, Any]) -> Chunk | None:
        """What says something of the message as a whole: its usage, and why it ended."""
        kind = told.get("type")
        if kind == "message_start":
            self._usage.add(_part(told, "message").get("usage"))
            return Chunk(prompt_usage=self._usage.whole())
        if kind == "message_delta":
            self._usage.add(told.get("usage"))
            delta = _part(told, "delta")
            reason = delta.get("stop_reason")
            return Chunk(
                finish_reason=_finish_reason(reason) if reason else None,
                usage=self._usage.whole() if reason else None,
                stop_sequence=_stop_sequence(delta),
            )
        return None

    def _begun(self, block: dict[str, Any]) -> Chunk | None:
        self._block, self._written, self._cited = block, "", []
        kind = block.get("type")
        if kind == "tool_use":
            return self._opened_call(block, "")
        if kind == "redacted_thinking":
            return Chunk(details=self._encrypted(block))
        if kind == "thinking":
            self._written = _text(block.get("thinking"))
            return Chunk(reasoning=self._written) if self._written else None
        text = _text(block.get("text")) if kind == "text" else ""
        return Chunk(text=text) if text else None

    def _delta(self, delta: dict[str, Any]) -> Chunk | None:
        kind = delta.get("type")
        if kind == "text_delta":
            return Chunk(text=_text(delta.get("text")))
        if kind == "thinking_delta":
            text = _text(delta.get("thinking"))
            self._written += text
            return Chunk(reasoning=text)
        if kind == "signature_delta":
            return Chunk(details=self._signed(self._written, delta.get("signature")))
        if kind == "input_json_delta" and self._block.get("type") == "tool_use":
            piece = _text(delta.get("partial_json"))
            self._written += piece
            return self._more_arguments(piece) if piece else None
        if kind == "citations_delta":
            self._cited.append(_part(delta, "citation"))
        return None

    def _ended(self) -> Chunk | None:
        """A block's end; a call that had no arguments gets an empty object, which JSON wants."""
        block, self._block = self._block, {}
        if block.get("type") == "text":
            return Chunk(citations=tuple(self._cited))
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


def _are_plain(blocks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are thoughts, one text that cites nothing and calls, in this order, at most."""
    kinds = [each.get("type") for each in blocks]
    if not all(isinstance(kind, str) and kind in PLAIN_ORDER for kind in kinds):
        return False
    places = [PLAIN_ORDER[str(kind)] for kind in kinds]
    is_cited = any(each.get("citations") for each in blocks)
    return places == sorted(places) and kinds.count("text") <= 1 and not is_cited


def _part(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = told.get(name)
    return part if isinstance(part, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
