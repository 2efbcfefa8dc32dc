"""What Anthropic's clients read: messages, the events of a stream, errors.

https://docs.anthropic.com/en/api/messages-streaming
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

__all__ = [
    "arguments_of",
    "at_its_end",
    "block_of_call",
    "error_data",
    "error_json",
    "event_json",
    "message",
    "message_json",
    "put_together",
    "stop_reason",
    "taken_apart",
    "thoughts",
    "usage",
]

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "cancelled": None,  # stopped from outside: none of Anthropic's reasons says so
}
CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
WITH_REASON = ("stop_reason", "stop_details", "container")
WITH_USAGE = ("server_tool_use",)
BROKEN = 500
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def event_json(kind: str, /, **fields: Any) -> bytes:
    """One event; its type stands in its data as well."""
    return _encode({"type": kind, **fields})


def error_json(message: str, status: int, request_id: str | None) -> bytes:
    """Anthropic's error object; its type goes by the status.

    https://docs.anthropic.com/en/api/errors
    """
    kind = ERRORS.get(status, "invalid_request_error" if status < 500 else "api_error")  # noqa: PLR2004 (a class)
    error = {"type": kind, "message": message}
    return event_json("error", error=error, request_id=request_id)


def error_data(raw: bytes) -> bytes:
    """An `error` event's data as clients raise it: a problem object becomes Anthropic's."""
    found = _decode(raw)
    if "error" in found:
        return raw
    return error_json(str(found.get("detail")), BROKEN, None)


def message(
    call_id: str,
    model: str,
    content: Sequence[Mapping[str, Any]],
    reason: str | None,
    usage: Mapping[str, Any],
    *,
    stop_sequence: str | None = None,
) -> dict[str, Any]:
    """A message; in a stream's first event an empty one."""
    return {
        "id": f"msg_{call_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop_sequence,
        "usage": usage,
    }


def message_json(whole: Mapping[str, Any]) -> bytes:
    """A message as it goes out."""
    return _encode(whole)


def block_of_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call of OpenAI's as a block; arguments that are no object are kept as text."""
    function = call["function"]
    arguments = arguments_of(function["arguments"] or "{}")
    if arguments is None:
        arguments = {"arguments": function["arguments"]}
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}


def arguments_of(text: str) -> dict[str, Any] | None:
    """A call's arguments, if they are a whole object."""
    try:
        arguments = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def thoughts(reasoning: str, details: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Thoughts as blocks: signed or encrypted as they came, or unsigned where none was signed."""
    blocks: list[dict[str, Any]] = []
    for each in details:
        if each.get("type") == "reasoning.encrypted":
            blocks.append({"type": "redacted_thinking", "data": each.get("data")})
        elif each.get("signature"):
            block = {"type": "thinking", "thinking": each.get("text") or ""}
            blocks.append({**block, "signature": each["signature"]})
    if reasoning and not any(each["type"] == "thinking" for each in blocks):
        blocks.insert(0, {"type": "thinking", "thinking": reasoning, "signature": ""})
    return blocks


def taken_apart(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A whole block as a stream has it: what it begins as, and the deltas that fill it."""
    kind = block.get("type")
    if kind in CALLS and isinstance(block.get("input"), dict):
        arguments = _encode(block.get("input") or {}).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": arguments}]
    if kind == "thinking":
        signature = block.get("signature") or ""
        thought = {"type": "thinking_delta", "thinking": block.get("thinking")}
        signed = {"type": "signature_delta", "signature": signature}
        return {**block, "thinking": "", "signature": ""}, [thought, signed]
    if kind == "text":
        cited = [
            {"type": "citations_delta", "citation": each} for each in block.get("citations") or ()
        ]
        rest = {name: value for name, value in block.items() if name != "citations"}
        words = {"type": "text_delta", "text": block.get("text")}
        return {**rest, "text": ""}, [words, *cited]
    return dict(block), []


def put_together(events: Iterable[bytes]) -> list[dict[str, Any]]:
    """The blocks that a stream's events of them make, one after the other."""
    parts: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    for raw in events:
        told = _decode(raw)
        if told["type"] == "content_block_start":
            parts.append((told.get("content_block") or {}, []))
        elif "delta" in told:
            parts[-1][1].append(told["delta"])
    return [_filled(*each) for each in parts]


def _filled(start: Mapping[str, Any], deltas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A block with its deltas, of the kinds that `taken_apart` makes."""
    block = dict(start)
    for name in ("text", "thinking"):
        if pieces := _said(deltas, name):
            block[name] = "".join([start.get(name) or "", *pieces])
    if signatures := _said(deltas, "signature"):
        block["signature"] = signatures[-1]
    if cited := [each["citation"] for each in deltas if "citation" in each]:
        block["citations"] = [*(start.get("citations") or ()), *cited]
    if written := "".join(_said(deltas, "partial_json")):
        arguments = arguments_of(written)
        block["input"] = {"arguments": written} if arguments is None else arguments
    return block


def _said(deltas: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return [each[name] for each in deltas if isinstance(each.get(name), str)]


def at_its_end(ending: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What Anthropic told at a message's end: what goes with its reason, its usage, beside them."""
    places: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})
    for name, value in ending.items():
        place = 0 if name in WITH_REASON else 1 if name in WITH_USAGE else 2
        places[place][name] = value
    return places


def stop_reason(finish_reason: str | None) -> str | None:
    """Why an answer ended, in Anthropic's words."""
    return STOP_REASONS.get(finish_reason or "stop", "end_turn")


def usage(input_tokens: int, output_tokens: int, *, cached: int, written: int) -> dict[str, Any]:
    """Tokens as Anthropic counts them: what the prompt cache read or wrote stands apart.

    Args:
        input_tokens: of the whole prompt.
        output_tokens: of the answer.
        cached: tokens of the prompt that a cache gave.
        written: tokens of the prompt that were put into one.
    """
    return {
        "input_tokens": max(0, input_tokens - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": output_tokens,
    }
