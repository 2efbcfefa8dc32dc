"""What came of a provider call: the pieces of an answer put together."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from providers.protocol import Chunk, ProviderError, Usage
from telemetry.ids import new_id

__all__ = ["Outcome", "Tally"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a producer saw when the provider's part was over. Times are seconds.

    `finish_reason` is the provider's own word, or `cancelled` after a stop, or `None` with an
    `error`; `stop_sequence`, `blocks` and `ending` are as with `Chunk`, `events` the
    JSON of those of an answer that was kept as a stream. `usage` is the provider's last word
    on it, `None` when it said nothing; `prompt_usage` what it counted before the answer, or of one
    that was cut off before the last of what came. `details`
    belong to the reasoning, as with `Chunk`. `raw` is the body of an answer that came in one piece,
    `beside_chars` what other choices said.
    """

    text: str = ""
    reasoning: str = ""
    details: list[Mapping[str, object]] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None
    prompt_usage: Usage | None = None
    stop_sequence: str | None = None
    blocks: tuple[Mapping[str, object], ...] = ()
    events: tuple[bytes, ...] = ()
    ending: Mapping[str, object] | None = None
    error: ProviderError | None = None
    first_token_s: float | None = None
    duration_s: float = 0.0
    raw: bytes | None = None
    beside_chars: int = 0


class Tally:
    """Collects chunks into an `Outcome`; belongs to one producer."""

    __slots__ = (
        "_beside_chars",
        "_blocks",
        "_calls",
        "_chunks",
        "_counted_chars",
        "_details",
        "_ending",
        "_finish_reason",
        "_prompt_usage",
        "_raw",
        "_reasoning",
        "_stop_sequence",
        "_text",
        "_usage",
        "size",
    )

    def __init__(self) -> None:
        self.size = 0
        self._chunks = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: defaultdict[object, _ToolCall] = defaultdict(_ToolCall)
        self._details: list[Mapping[str, object]] = []
        self._blocks: tuple[Mapping[str, object], ...] = ()
        self._ending: Mapping[str, object] | None = None
        self._finish_reason: str | None = None
        self._stop_sequence: str | None = None
        self._usage: Usage | None = None
        self._prompt_usage: Usage | None = None
        self._counted_chars = 0
        self._raw: bytes | None = None
        self._beside_chars = 0

    def add(self, chunk: Chunk) -> None:
        """Take one more piece. `size` grows by the characters it brings."""
        self._chunks += 1
        if chunk.text:
            self._text.append(chunk.text)
            self.size += len(chunk.text)
        if chunk.reasoning:
            self._reasoning.append(chunk.reasoning)
            self.size += len(chunk.reasoning)
        if chunk.details:
            self._details.extend(chunk.details)
        for delta in chunk.tool_calls:
            self.size += self._calls[delta.get("index")].add(delta)
        if chunk.finish_reason is not None:
            self._finish_reason = chunk.finish_reason
            self._stop_sequence = chunk.stop_sequence
            self._blocks = chunk.blocks
            self._ending = chunk.ending
        self._beside_chars += chunk.beside_chars
        if chunk.usage is not None:
            self._usage = chunk.usage
            self._counted_chars = self.size + self._beside_chars
        if chunk.prompt_usage is not None:
            self._prompt_usage = chunk.prompt_usage
        self._raw = chunk.raw if self._chunks == 1 else None

    def outcome(
        self,
        *,
        error: ProviderError | None,
        cancelled: bool,
        first_token_s: float | None,
        duration_s: float,
    ) -> Outcome:
        """What has come so far, as the end of it."""
        finish_reason = "cancelled" if cancelled else self._finish_reason
        usage, prompt_usage = self._usage, self._prompt_usage
        is_cut = cancelled or error is not None
        if is_cut and usage is not None and self.size + self._beside_chars > self._counted_chars:
            usage, prompt_usage = None, usage  # more came, which nobody counts any more
        return Outcome(
            text=_whole(self._text),
            reasoning=_whole(self._reasoning),
            details=list(self._details),
            tool_calls=[call.whole() for call in self._calls.values()],
            finish_reason=None if error else finish_reason,
            usage=usage,
            prompt_usage=prompt_usage,
            stop_sequence=None if cancelled else self._stop_sequence,
            blocks=self._blocks,
            ending=None if cancelled or error else self._ending,
            error=error,
            first_token_s=first_token_s,
            duration_s=duration_s,
            raw=self._raw,
            beside_chars=self._beside_chars,
        )


class _ToolCall:
    """One tool call in the making."""

    __slots__ = ("_arguments", "_function", "_id", "_rest")

    def __init__(self) -> None:
        self._id: object = None
        self._arguments: list[str] = []
        self._function: dict[str, object] = {}
        self._rest: dict[str, object] = {}

    def add(self, delta: Mapping[str, object]) -> int:
        """Take a delta; returns how many characters of arguments it brought."""
        for name, value in delta.items():
            if name not in ("index", "id", "function") and value is not None:
                self._rest.setdefault(name, value)
        self._id = self._id or delta.get("id") or None
        function = delta.get("function")
        if not isinstance(function, Mapping):
            return 0
        for name, value in function.items():
            if name != "arguments" and value:
                self._function.setdefault(name, value)
        return self._add_arguments(function.get("arguments"))

    def _add_arguments(self, arguments: object) -> int:
        if arguments is None:
            return 0
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        self._arguments.append(text)
        return len(text)

    def whole(self) -> dict[str, Any]:
        """The call as OpenAI's message format has it, with an id of ours where it came without."""
        return {
            "id": self._id or f"call_{new_id()}",
            "type": "function",
            **self._rest,
            "function": {
                "name": "",
                **self._function,
                "arguments": _whole(self._arguments),
            },
        }


def _whole(pieces: list[str]) -> str:
    """The pieces joined, as a database stores text: without NUL, and with whole code points.

    Halves of one that came in two pieces are put together.
    """
    text = "".join(pieces).replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
