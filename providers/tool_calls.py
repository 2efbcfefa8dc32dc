"""The tool calls of a chunk, as OpenAI's format promises them.

Some send arguments as an object (Ollama's own format has them so), ids that are numbers, functions
that are none, a call under the older name `function_call`, or indexes that tell no call from
another.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from providers.protocol import Chunk

__all__ = ["CallIndexes", "has_objects", "tool_calls", "with_text_arguments"]

Listed = Sequence[Mapping[str, Any] | None]


class CallIndexes:
    """Which call each piece of one streamed answer is of: settled here, for all who read it later.

    Some providers give every call the index 0, begin at another, or give none. A new id is a new
    call, whatever its index; a piece with neither is of the latest call, or begins another by
    naming a function.
    """

    def __init__(self) -> None:
        self._begun: list[_Begun] = []

    def settle(self, chunk: Chunk) -> None:
        """Number the calls of a chunk's pieces from 0 on, in what is relayed as well."""
        indexes = [self._index_of(each) for each in chunk.tool_calls]
        if indexes == [each.get("index") for each in chunk.tool_calls]:
            return
        chunk.tool_calls = tuple(
            {**each, "index": index} for each, index in zip(chunk.tool_calls, indexes, strict=True)
        )
        if chunk.raw:
            chunk.raw = _relisted(chunk.raw, chunk.tool_calls)

    def _index_of(self, piece: Mapping[str, Any]) -> int:
        place = self._place_of(piece)
        if place is None:
            place = len(self._begun)
            self._begun.append(_Begun(piece.get("index")))
        self._begun[place].add(piece)
        return place

    def _place_of(self, piece: Mapping[str, Any]) -> int | None:
        call_id, index = piece.get("id") or None, piece.get("index")
        for place in reversed(range(len(self._begun))):
            call = self._begun[place]
            if index is not None and call.index != index:
                continue
            if call_id is None or call.id in (None, call_id):
                is_nameless = call_id is None and index is None
                return None if is_nameless and call.is_another(piece) else place
            if index is not None:
                return None
        return None


class _Begun:
    """What has been said of a call so far."""

    __slots__ = ("_has_arguments", "_is_named", "id", "index")

    def __init__(self, index: object) -> None:
        self.index = index
        self.id: object = None
        self._is_named = self._has_arguments = False

    def is_another(self, piece: Mapping[str, Any]) -> bool:
        """Whether a piece without id and index begins a call: it names a function, as this has."""
        return bool(piece["function"].get("name")) and self._is_named and self._has_arguments

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take what a piece says."""
        function = piece["function"]
        self.id = self.id or piece.get("id") or None
        self._is_named = self._is_named or bool(function.get("name"))
        self._has_arguments = self._has_arguments or function.get("arguments") is not None


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


def _relisted(raw: bytes, calls: Sequence[Mapping[str, Any]]) -> bytes:
    """A chunk with these calls in its first choice."""
    body = json.loads(raw)
    first = next(each for each in body["choices"] if not each.get("index"))
    said = first.get("delta") or first.get("message")
    if said.get("tool_calls"):  # not under the older name, which has no index
        said["tool_calls"] = calls
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
