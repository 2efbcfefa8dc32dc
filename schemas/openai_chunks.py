"""Completions and chunks of OpenAI's, put together and taken apart without loss.

For answers that were kept in one form and are asked for in the other: all choices, their log
probabilities, tool calls, and fields that nobody here knows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["assembled", "is_whole", "taken_apart", "with_usage"]

COMPLETION, CHUNK = "chat.completion", "chat.completion.chunk"
TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
OF_CHOICES = ("index", "delta", "message", "logprobs", "finish_reason")
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder()


def _decode(raw: bytes) -> Any:
    """What a provider sent, halves of a code point that it cut over two chunks among it."""
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        return json.loads(raw)


def _mended(value: dict[str, Any]) -> dict[str, Any]:
    """The same with such halves put together; one without its other is replaced."""
    try:
        _encode(value)
    except UnicodeEncodeError:
        halves = json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        mended: dict[str, Any] = json.loads(halves.decode("utf-16-le", "replace"))
        return mended
    return value


def is_whole(raw: bytes) -> bool:
    """Whether this is a completion, not a chunk; a chunk's choices have deltas."""
    return b'"message"' in raw and b'"delta"' not in raw


def assembled(raws: Sequence[bytes], usage: Mapping[str, Any]) -> dict[str, Any]:
    """The completion that these chunks are the pieces of.

    Args:
        raws: chunks in their order.
        usage: the whole's.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for raw in raws:
        chunk = _decode(raw)
        whole |= {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
        for choice in chunk.get("choices") or ():
            _add(choices.setdefault(choice.get("index", 0), {}), choice)
    listed = [{"index": index, **_closed(choices[index])} for index in sorted(choices)]
    return _mended({**whole, "object": COMPLETION, "choices": listed, "usage": usage})


def taken_apart(raw: bytes) -> list[bytes]:
    """A completion as chunks: each choice's message in one, then why each ended."""
    whole = _mended(_decode(raw))
    head = {name: value for name, value in whole.items() if name not in {"choices", "usage"}}
    head["object"] = CHUNK
    choices = whole.get("choices") or []
    said = [{**head, "choices": [_opened(choice)]} for choice in choices]
    ends = [{**head, "choices": [_end(choice)]} for choice in choices]
    return [_encode(each) for each in (*said, *ends)]


def with_usage(raw: bytes, usage: Mapping[str, Any]) -> bytes:
    """A provider's own last chunk, of nothing but its usage, with `usage` over that.

    What else the provider says there stays: its timings (llama.cpp), what it charges (OpenRouter).
    """
    chunk = _decode(raw)
    return _encode(_mended({**chunk, "choices": [], "usage": _over(chunk.get("usage"), usage)}))


def _over(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    known = below if isinstance(below, Mapping) else {}
    joined = {
        name: _over(known.get(name), value) if isinstance(value, Mapping) else value
        for name, value in above.items()
    }
    return {**known, **joined}


def _add(choice: dict[str, Any], piece: Mapping[str, Any]) -> None:
    _add_said(choice.setdefault("message", {"role": "assistant", "content": None}), piece)
    for name, value in (piece.get("logprobs") or {}).items():
        if isinstance(value, list):
            choice.setdefault("logprobs", {}).setdefault(name, []).extend(value)
    if piece.get("finish_reason") is not None:
        choice["finish_reason"] = piece["finish_reason"]
    choice.update({name: value for name, value in piece.items() if name not in OF_CHOICES})


def _add_said(message: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for name, value in (piece.get("delta") or {}).items():
        if name == "tool_calls":
            _add_calls(message.setdefault("tool_calls", []), value or ())
        elif name == "function_call" and isinstance(value, Mapping):
            _add_function(message, name, value)
        elif name in TEXTS and isinstance(value, str) and isinstance(message.get(name), str):
            message[name] += value
        elif value is not None or name not in message:
            message[name] = value


def _add_calls(calls: list[dict[str, Any]], pieces: Sequence[Mapping[str, Any] | None]) -> None:
    for piece in pieces:
        if piece is None:
            continue
        index = piece.get("index")
        call = next((each for each in calls if each["index"] == index), None)
        if call is None:
            call = {"index": index}
            calls.append(call)
        for name, value in piece.items():
            if name == "function" and isinstance(value, Mapping):
                _add_function(call, name, value)
            elif name not in {"index", "function"} and value is not None:
                call[name] = call.get(name) or value


def _add_function(whole: dict[str, Any], name: str, piece: Mapping[str, Any]) -> None:
    function = whole.get(name) or {"name": "", "arguments": ""}
    function["arguments"] += piece.get("arguments") or ""
    function["name"] = function["name"] or piece.get("name") or ""
    whole[name] = function


def _closed(choice: dict[str, Any]) -> dict[str, Any]:
    for call in choice["message"].get("tool_calls", ()):
        call.pop("index", None)
    return {"logprobs": None, "finish_reason": None, **choice}


def _opened(choice: Mapping[str, Any]) -> dict[str, Any]:
    delta = dict(choice.get("message") or {})
    if delta.get("tool_calls"):
        delta["tool_calls"] = [
            {**call, "index": place} for place, call in enumerate(filter(None, delta["tool_calls"]))
        ]
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, "delta": delta, "finish_reason": None}


def _end(choice: Mapping[str, Any]) -> dict[str, Any]:
    reason = choice.get("finish_reason")
    return {"index": choice.get("index", 0), "delta": {}, "logprobs": None, "finish_reason": reason}
