"""What one chunk of OpenAI's format says, in the dialects of those who speak it nearly.

Thoughts: `reasoning_content` (DeepSeek, vLLM), `reasoning` (OpenRouter, Ollama), only in
`reasoning_details` (OpenRouter), or parts of the content (Mistral). Usage: in every chunk, in the
last one with content, in one of its own, in the choice (Moonshot) or in `x_groq`; with hidden
output left out of the completion (xAI, Gemini). Errors: objects in the place of a chunk, of any of
several shapes, or a finish reason. Nulls anywhere.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers.numbers import token_count
from providers.protocol import (
    Chunk,
    ProviderError,
    ProviderMalformed,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    Usage,
)
from providers.refusals import unwrapped, words_to_show
from providers.sse import ServerEvent
from providers.tool_calls import has_objects, tool_calls, with_text_arguments

__all__ = ["relayed_chunk", "streamed_chunk", "whole_chunk"]

NOT_OF_ITS_FORMAT = "The provider sent a chunk that is not of its format."
RATE_LIMITED = re.compile(r"\brate|429|too_many")
AT_FAULT = re.compile(r"invalid|bad.?request|\b4(00|04|13|22)\b")
FAILED = "The provider failed while it answered."
MAX_REASON_CHARS = 40
LINE_FEED = 10
"""As a number: that is found in a sixth of the time."""
FINISH_REASONS = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop",
    "max_tokens": "length", "model_length": "length",
    "tool_use": "tool_calls", "function_call": "tool_calls",
    "safety": "content_filter", "recitation": "content_filter", "refusal": "content_filter",
    "blocklist": "content_filter", "prohibited_content": "content_filter",
    "spii": "content_filter", "image_safety": "content_filter",
}  # fmt: skip
"""OpenAI's words in any case, and other formats' words that gateways let through."""


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    tool_calls: list[dict[str, Any] | None] | None = None
    function_call: Any = None
    refusal: Any = None
    audio: Any = None


class _Choice(msgspec.Struct):
    index: Any = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: Any = None
    usage: Any = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    object: Any = None
    x_groq: Any = None
    message: Any = None
    type: Any = None
    code: Any = None


_body = msgspec.json.Decoder(_Body)
_NOTHING = _Delta()


def whole_chunk(raw: bytes, secret: str) -> Chunk:
    """A completion that came in one piece.

    Raises:
        ProviderError: it says that it failed, or is none.
    """
    body = _parse(raw, secret)
    if not body.choices:
        raise ProviderMalformed("The provider's answer has no choices.")
    first = body.choices[0]
    chunk = _chunk(raw, body, first, first.message)
    chunk.beside_chars = _chars(body.choices, first)
    if chunk.tool_calls:  # each entry is a call, whatever its index says
        listed = enumerate(chunk.tool_calls)
        chunk.tool_calls = tuple({**call, "index": place} for place, call in listed)
    return chunk


def streamed_chunk(event: ServerEvent, secret: str) -> Chunk:
    """One event of a stream.

    Raises:
        ProviderError: it says that the answer failed, or is no chunk.
    """
    raw = event.data
    body = _parse(raw, secret, is_error=event.name == "error")
    if LINE_FEED in raw:  # a blank between tokens of JSON; relayed, it would cut the line
        raw = raw.replace(b"\n", b" ")
    choices = body.choices or ()
    for choice in choices:
        if not choice.index:  # zero, or left out
            chunk = _chunk(raw, body, choice, choice.delta or choice.message)
            if len(choices) > 1:
                chunk.beside_chars = _chars(choices, choice)
            return chunk
    # Other choices of `n` are relayed as they are; the answer kept is the first one.
    return Chunk(usage=_usage_in(body, None), raw=raw, beside_chars=_chars(choices))


def relayed_chunk(raw: bytes) -> Chunk:
    """A chunk that was relayed as it came, read once more; one that is none says nothing."""
    try:
        return streamed_chunk(ServerEvent(raw), "")
    except ProviderError:
        return Chunk()


def _parse(raw: bytes, secret: str, *, is_error: bool = False) -> _Body:
    try:
        body = _body.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
        body = _forgiving(raw, fault)
    if body.error:
        raise _error_in(body.error, secret)
    if is_error or body.object == "error":  # the error is the object itself
        told = {"message": body.message, "type": body.type, "code": body.code}
        raise _error_in(told, secret)
    return body


def _forgiving(raw: bytes, fault: Exception) -> _Body:
    """Once more for what msgspec refuses: half a code point, cut over two chunks, and lists."""
    if b"\\u" not in raw and raw[:1] != b"[":
        raise ProviderMalformed(NOT_OF_ITS_FORMAT) from fault
    try:
        return msgspec.convert(unwrapped(json.loads(raw)), _Body)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise ProviderMalformed(NOT_OF_ITS_FORMAT) from fault


def _chunk(raw: bytes, body: _Body, choice: _Choice, said: _Delta | None) -> Chunk:
    delta = _NOTHING if said is None else said
    reason = _finish_reason(choice.finish_reason)
    if reason == "error":
        raise ProviderUnavailable(FAILED)
    text, thought = delta.content, delta.reasoning_content or delta.reasoning
    if isinstance(delta.content, list):
        text, thought = _parts(delta.content, "text"), thought or _parts(delta.content, "thinking")
    if not text:  # the answer itself, though under another name
        text = delta.refusal or _spoken(delta.audio)
    if not thought and delta.reasoning_details:
        thought = _detailed(delta.reasoning_details)
    chunk = Chunk(
        text=text if isinstance(text, str) else "",
        reasoning=thought if isinstance(thought, str) else "",
        finish_reason=reason,
        usage=_usage_in(body, choice),
        raw=raw,
    )
    if delta.tool_calls or delta.function_call:
        listed = delta.tool_calls or ()
        chunk.tool_calls = tool_calls(listed, delta.function_call)
        if raw and has_objects(listed):
            chunk.raw = with_text_arguments(raw)
    if delta.audio:
        chunk.has_audio = True
    return chunk


def _chars(choices: Sequence[_Choice], but: _Choice | None = None) -> int:
    """How many characters choices say, `but` one that is read."""
    others = (each.delta or each.message for each in choices if each is not but)
    said = [_chunk(b"", _Body(), _Choice(), each) for each in others]
    calls = [call.get("function") for each in said for call in each.tool_calls]
    given = [call.get("arguments") for call in calls if isinstance(call, dict)]
    arguments = sum(len(each) for each in given if isinstance(each, str))
    return arguments + sum(len(each.text) + len(each.reasoning) for each in said)


def _finish_reason(reason: Any) -> str | None:
    if not isinstance(reason, str) or not reason:
        return None
    known = FINISH_REASONS.get(reason.lower().partition(":")[0])  # Gemini gives its own behind it
    return known or reason.replace("\x00", "")[:MAX_REASON_CHARS] or None


def _parts(content: list[Any], kind: str) -> str:
    """The text of a content's parts of one kind, however deep it lies."""
    found = (each.get(kind) for each in content if isinstance(each, dict))
    texts = (_parts(each, "text") if isinstance(each, list) else each for each in found)
    return "".join(each for each in texts if isinstance(each, str))


def _spoken(audio: Any) -> Any:
    return audio.get("transcript") if isinstance(audio, dict) else None


def _detailed(details: Any) -> str:
    """The thoughts in OpenRouter's details: their text, or a summary of it."""
    listed = details if isinstance(details, list) else []
    found = [each for each in listed if isinstance(each, dict)]
    texts = (each.get("text") or each.get("summary") for each in found)
    return "".join(each for each in texts if isinstance(each, str))


def _usage_in(body: _Body, choice: _Choice | None) -> Usage | None:
    """The usage, wherever in a chunk it is said."""
    if body.usage is None and body.x_groq is None and (choice is None or choice.usage is None):
        return None
    grouped = body.x_groq.get("usage") if isinstance(body.x_groq, dict) else None
    return _usage(body.usage) or _usage(grouped) or _usage(choice.usage if choice else None)


def _usage(found: Any) -> Usage | None:
    """The usage a provider states; an explicit zero is a zero, nonsense is nothing.

    Half of it is nothing either: the other half would be free, and nobody would know.
    """
    if not isinstance(found, dict):
        return None
    prompt, completion = _both(found)
    if prompt is None or completion is None:
        return None
    asked, given = (_part(found, f"{name}_tokens_details") for name in ("prompt", "completion"))
    cached = _first(
        asked.get("cached_tokens"),
        found.get("prompt_cache_hit_tokens"),
        found.get("cached_tokens"),  # Moonshot, Together
    )
    reasoning = token_count(given.get("reasoning_tokens")) or 0
    hidden = _hidden(found, prompt + completion, reasoning, cached)
    return Usage(
        input_tokens=prompt,
        output_tokens=completion + hidden,
        cached_tokens=cached,
        cache_write_tokens=_first(
            asked.get("cache_write_tokens"), found.get("cache_creation_input_tokens")
        ),
        reasoning_tokens=max(reasoning, hidden),
        input_audio_tokens=token_count(asked.get("audio_tokens")) or 0,
        output_audio_tokens=token_count(given.get("audio_tokens")) or 0,
    )


def _both(found: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The tokens of prompt and completion; what is left out of one is the rest of the total."""
    prompt, completion, total = (
        token_count(found.get(f"{name}_tokens")) for name in ("prompt", "completion", "total")
    )
    if total is not None and prompt is None and completion is not None:
        prompt = token_count(total - completion)
    elif total is not None and completion is None and prompt is not None:
        completion = token_count(total - prompt)
    return prompt, completion


def _hidden(found: Mapping[str, Any], counted: int, reasoning: int, cached: int) -> int:
    """Thoughts that a provider left out of the completion, but not out of the total and the bill.

    Where it counts its thoughts there are no more than those; where it counts cached input but no
    thoughts, the rest may as well be input.
    """
    rest = max(0, (token_count(found.get("total_tokens")) or 0) - counted)
    if reasoning:
        return min(rest, reasoning)
    return 0 if cached else rest


def _first(*stated: Any) -> int:
    """The first that is a count, or zero."""
    counts = (token_count(each) for each in stated)
    return next((each for each in counts if each is not None), 0)


def _part(found: dict[str, Any], name: str) -> dict[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _error_in(error: Any, secret: str) -> ProviderError:
    """An error object in the place of an answer."""
    found: Mapping[str, Any] = error if isinstance(error, dict) else {}
    words = words_to_show(found.get("message"), secret) or "The provider reported an error."
    kind = f"{found.get('type')} {found.get('code')}".lower()
    if RATE_LIMITED.search(kind):
        return ProviderRateLimited("The provider is rate limiting.")
    if AT_FAULT.search(kind):
        return ProviderRejected(
            words,
            param=words_to_show(found.get("param"), secret),
            upstream_code=words_to_show(found.get("code"), secret),
        )
    return ProviderUnavailable(FAILED)
