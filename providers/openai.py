"""OpenAI's chat-completions wire format, with the dialects of those who speak it nearly.

https://platform.openai.com/docs/api-reference/chat

Dialects: no `[DONE]` after a finish reason; usage on the last content chunk or on every chunk;
`reasoning_content` or `reasoning`; error objects in mid-stream; comments and CRLF.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from providers.numbers import token_count
from providers.protocol import (
    ChatRequest,
    Chunk,
    ModelListing,
    ProviderBroken,
    ProviderConfig,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    Usage,
)
from providers.sse import SseReader
from providers.transport import Reply, Transport, words_to_show

__all__ = ["OpenAIProvider"]

DONE = b"[DONE]"
RATE_LIMITED = re.compile(r"\brate|429|too_many")
MAX_MODELS = 10_000
MAX_REASON_CHARS = 40
FIRST_HALF, SECOND_HALF, AFTER_HALVES = "\ud800", "\udc00", "\ue000"
WINDOW_FIELDS = ("context_window", "context_length", "max_model_len", "max_context_length")


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_body = msgspec.json.Decoder(_Body)


class OpenAIProvider:
    """The adapter of one provider that speaks OpenAI's format."""

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._transport = Transport(config)

    def stream(self, request: ChatRequest) -> "OpenAIStream":
        """Ask for a completion; returns once the provider accepted.

        Raises:
            ProviderError: it did not.
        """
        body: dict[str, Any] = {**request.body, "model": request.model, "stream": request.stream}
        if request.stream:
            options = request.body.get("stream_options")
            known = options if isinstance(options, Mapping) else {}
            body["stream_options"] = {**known, "include_usage": True}
        reply = self._transport.send(
            "POST", "/chat/completions", body=body, headers=self._headers(request.stream)
        )
        return OpenAIStream(reply, self._config.api_key, is_streamed=request.stream)

    def list_models(self) -> Sequence[ModelListing]:
        """The provider's own list.

        Raises:
            ProviderError: it could not be had.
        """
        raw = self._transport.send("GET", "/models", headers=self._headers(False)).whole()
        try:
            found = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as fault:
            raise ProviderMalformed("The provider's model list is not JSON.") from fault
        rows = found.get("data") if isinstance(found, dict) else found
        if not isinstance(rows, list):
            raise ProviderMalformed("The provider's model list is not a list.")
        return [each for each in map(_listing, rows[:MAX_MODELS]) if each is not None]

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _headers(self, streamed: bool) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if streamed else "application/json",
            "User-Agent": "larder",
        }
        if self._config.api_key:
            headers["Authorization"] = f"Bearer {self._config.api_key}"
        return headers


class OpenAIStream:
    """The chunks of one answer."""

    def __init__(self, reply: Reply, secret: str, *, is_streamed: bool) -> None:
        self._reply = reply
        self._secret = secret
        self._chunks = self._streamed() if is_streamed else self._single()

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """End the call; nothing more comes."""
        self._reply.close()

    def _single(self) -> Iterator[Chunk]:
        raw = self._reply.whole()
        body = _parse(raw, self._secret)
        if not body.choices:
            raise ProviderMalformed("The provider's answer has no choices.")
        first = body.choices[0]
        yield _chunk(raw, first.message or _Delta(), first.finish_reason, body.usage)

    def _streamed(self) -> Iterator[Chunk]:
        reader, halves = SseReader(), _Halves()
        is_finished = False
        pieces = self._reply.pieces()
        try:
            for piece in pieces:
                events = list(reader.feed(piece))
                for place, event in enumerate(events, start=1):
                    if event.data == DONE:
                        self._say_goodbye(pieces)
                        return
                    chunk = halves.joined(_streamed_chunk(event.data, self._secret))
                    chunk.is_followed = place < len(events)
                    is_finished = is_finished or chunk.finish_reason is not None
                    yield chunk
        except ProviderBroken:
            if is_finished:  # all was said; only the goodbye is missing
                return
            raise
        finally:
            self._reply.close()
        if not is_finished:
            raise ProviderBroken("The provider's answer ended before its end.")

    def _say_goodbye(self, pieces: Iterator[bytes]) -> None:
        """Read the end of the body if it is there: then the connection serves the next call too."""
        self._reply.hurry()
        with suppress(ProviderError):
            next(pieces, None)


class _Halves:
    """Puts code points together that a provider cut in two over chunks (lone surrogates)."""

    def __init__(self) -> None:
        self._held = ""

    def joined(self, chunk: Chunk) -> Chunk:
        """The chunk with whole code points; the first half of one waits for the next chunk."""
        text = self._held + chunk.text
        if not self._held and (not text or not _is_half(text)):
            return chunk
        self._held = ""
        if FIRST_HALF <= text[-1:] < SECOND_HALF and chunk.finish_reason is None:
            text, self._held = text[:-1], text[-1]
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return replace(chunk, text=whole)


def _is_half(text: str) -> bool:
    return not text.isascii() and any(FIRST_HALF <= char < AFTER_HALVES for char in text)


def _streamed_chunk(raw: bytes, secret: str) -> Chunk:
    body = _parse(raw, secret)
    choice = next((each for each in body.choices or [] if each.index == 0), None)
    if choice is not None:
        return _chunk(raw, choice.delta or _Delta(), choice.finish_reason, body.usage)
    # Other choices of `n` are relayed as they are; the answer kept is the first one.
    return Chunk(usage=_usage(body.usage), raw=raw)


def _parse(raw: bytes, secret: str) -> _Body:
    try:
        body = _body.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        body = _forgiving(raw, fault)
    if body.error:
        raise _error_in(body.error, secret)
    return body


def _forgiving(raw: bytes, fault: Exception) -> _Body:
    """Once more for halves of a code point cut over two chunks, which msgspec refuses."""
    if b"\\u" not in raw:
        raise ProviderMalformed("The provider sent a chunk that is not of its format.") from fault
    try:
        return msgspec.convert(json.loads(raw), _Body)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise ProviderMalformed("The provider sent a chunk that is not of its format.") from fault


def _chunk(raw: bytes, delta: _Delta, finish_reason: str | None, usage: Any) -> Chunk:
    thought = delta.reasoning_content or delta.reasoning
    return Chunk(
        text=delta.content if isinstance(delta.content, str) else "",
        reasoning=thought if isinstance(thought, str) else "",
        tool_calls=tuple(delta.tool_calls or ()),
        finish_reason=(finish_reason or "").replace("\x00", "")[:MAX_REASON_CHARS] or None,
        usage=_usage(usage),
        raw=raw,
    )


def _usage(found: Any) -> Usage | None:
    """The usage a provider states; an explicit zero is a zero, nonsense is nothing."""
    if not isinstance(found, dict):
        return None
    counts = [token_count(found.get(name)) for name in ("prompt_tokens", "completion_tokens")]
    if counts[0] is None and counts[1] is None:
        return None
    asked, given = (_part(found, f"{name}_tokens_details") for name in ("prompt", "completion"))
    return Usage(
        input_tokens=counts[0] or 0,
        output_tokens=counts[1] or 0,
        cached_tokens=token_count(asked.get("cached_tokens")) or 0,
        cache_write_tokens=token_count(asked.get("cache_write_tokens")) or 0,
        reasoning_tokens=token_count(given.get("reasoning_tokens")) or 0,
        input_audio_tokens=token_count(asked.get("audio_tokens")) or 0,
        output_audio_tokens=token_count(given.get("audio_tokens")) or 0,
    )


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _error_in(error: Any, secret: str) -> ProviderError:
    """An error object in the place of an answer."""
    found = error if isinstance(error, dict) else {}
    words = words_to_show(found.get("message"), secret) or "The provider reported an error."
    kind = f"{found.get('type')} {found.get('code')}".lower()
    if RATE_LIMITED.search(kind):
        return ProviderRateLimited("The provider is rate limiting.")
    if "invalid" in kind or "400" in kind:
        return ProviderRejected(words)
    return ProviderUnavailable("The provider failed while it answered.")


def _listing(row: Any) -> ModelListing | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not row["id"]:
        return None
    windows = [token_count(row.get(name)) for name in WINDOW_FIELDS]
    told = row.get("capabilities")
    named = row.get("display_name") or row.get("name")
    return ModelListing(
        name=row["id"],
        display_name=named if isinstance(named, str) else None,
        context_window=next((each for each in windows if each), None),
        max_output_tokens=token_count(row.get("max_output_tokens")),
        capabilities=tuple(filter(None, map(str, told))) if isinstance(told, list) else None,
    )
