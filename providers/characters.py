"""Code points that a provider cut in two over chunks (lone surrogates), put together again.

Nobody downstream can encode a half: not the database, not an event's JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from providers.protocol import Chunk

__all__ = ["WholeCharacters"]

FIRST_HALF, SECOND_HALF, AFTER_HALVES = "\ud800", "\udc00", "\ue000"


class WholeCharacters:
    """Joins the halves of one answer: in its text, its thoughts and each call's arguments."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    def joined(self, chunk: Chunk) -> Chunk:
        """The chunk with whole code points.

        The first half of one waits for the next piece of the same kind; without one it is dropped.
        """
        if not (
            self._held
            or _is_half(chunk.text)
            or (chunk.reasoning and _is_half(chunk.reasoning))
            or (chunk.tool_calls and _has_half(chunk.tool_calls))
        ):
            return chunk
        is_last = chunk.finish_reason is not None
        return replace(
            chunk,
            text=self._whole("text", chunk.text, is_last),
            reasoning=self._whole("reasoning", chunk.reasoning, is_last),
            tool_calls=tuple([self._call(each, is_last) for each in chunk.tool_calls]),
        )

    def _whole(self, place: str, piece: str, is_last: bool) -> str:
        if not piece:
            return ""
        text = self._held.pop(place, "") + piece
        if not is_last and FIRST_HALF <= text[-1] < SECOND_HALF:
            text, self._held[place] = text[:-1], text[-1]
        return _mended(text)

    def _call(self, delta: Mapping[str, object], is_last: bool) -> Mapping[str, object]:
        function = delta.get("function")
        if not isinstance(function, dict):
            return delta
        whole = json.loads(_mended(json.dumps(function, ensure_ascii=False)))
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            whole["arguments"] = self._whole(f"call {delta.get('index')}", arguments, is_last)
        return {**delta, "function": whole}


def _has_half(calls: tuple[Mapping[str, object], ...]) -> bool:
    for delta in calls:
        function = delta.get("function")
        if not isinstance(function, dict):
            continue
        for each in function.values():
            # Arguments that are no text come once a call: a look costs what mending does.
            if _is_half(each) if isinstance(each, str) else each is not None:
                return True
    return False


def _is_half(text: str) -> bool:
    return not text.isascii() and any(FIRST_HALF <= char < AFTER_HALVES for char in text)


def _mended(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
