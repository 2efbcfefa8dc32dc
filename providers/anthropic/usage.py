"""Token counts of the Messages API, brought to Larder's form.

Anthropic counts cached tokens beside `input_tokens`; here the input is the total, as elsewhere.
"""

from typing import Any

from providers.numbers import token_count
from providers.protocol import Usage

__all__ = ["UsageCount"]

FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)
PROMPT = set(FIELDS) - {"output_tokens"}


class UsageCount:
    """What one answer's events have said of its tokens so far: the last word on each counts."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, told: Any) -> None:
        """Take a usage object; what it leaves out, or says as nonsense, stays."""
        if not isinstance(told, dict):
            return
        self._take(told, {name: name for name in FIELDS})
        self._take(told.get("cache_creation"), {"ephemeral_1h_input_tokens": "hour"})
        self._take(told.get("output_tokens_details"), {"thinking_tokens": "thinking"})

    def whole(self) -> Usage | None:
        """The usage so far; `None` where nothing was said."""
        if not self._counts:
            return None
        fresh, written, read, made = (self._counts.get(name, 0) for name in FIELDS)
        return Usage(
            input_tokens=fresh + read + made,
            output_tokens=written,
            cached_tokens=read,
            cache_write_tokens=made,
            cache_write_1h_tokens=min(self._counts.get("hour", 0), made),
            reasoning_tokens=self._counts.get("thinking", 0),
        )

    def is_half(self) -> bool:
        """Whether of prompt and answer one was never counted: it would be free."""
        return "output_tokens" not in self._counts or not self._counts.keys() & PROMPT

    def _take(self, told: Any, names: dict[str, str]) -> None:
        for theirs, ours in names.items():
            count = token_count(told.get(theirs)) if isinstance(told, dict) else None
            if count is not None:
                self._counts[ours] = count
