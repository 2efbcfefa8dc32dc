"""The tool calls of a chunk, as OpenAI's format promises them.

Some send arguments as an object (Ollama's own format has them so), ids that are numbers, functions
that are none, or a call under the older name `function_call`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["has_objects", "tool_calls", "with_text_arguments"]

Listed = Sequence[Mapping[str, Any] | None]


def tool_calls(listed: Listed, function_call: Any) -> tuple[Mapping[str, object], ...]:
    """The calls of a message or a delta.

    Args:
        listed: its `tool_calls`.
        function_call: what it has under that name, which counts where no call is listed.
    """
    calls = [_well_formed(each) for each in listed if each is not None]
    if not calls and isinstance(function_call, dict) and any(function_call.values()):
        calls = [_well_formed({"index": 0, "type": "function", "function": function_call})]
    return tuple(calls)


def has_objects(listed: Listed) -> bool:
    """Whether arguments are something else than text, which official clients cannot add up."""
    return any(_is_object(_function_of(each).get("arguments")) for each in listed if each)


def with_text_arguments(raw: bytes) -> bytes:
    """A chunk or a completion with all arguments as text."""
    body = json.loads(raw)
    for choice in body["choices"]:
        for said in (choice.get("delta") or {}, choice.get("message") or {}):
            if said.get("tool_calls"):
                said["tool_calls"] = [each and _well_formed(each) for each in said["tool_calls"]]
    return json.dumps(body, separators=(",", ":")).encode()


def _well_formed(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function, call_id = _function_of(call), call.get("id")
    arguments = function.get("arguments")
    if _is_object(arguments):
        text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        function = {**function, "arguments": text}
    if call_id is not None and not isinstance(call_id, str):
        call = {**call, "id": str(call_id)}
    return call if function is call.get("function") else {**call, "function": function}


def _function_of(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _is_object(arguments: object) -> bool:
    return arguments is not None and not isinstance(arguments, str)
