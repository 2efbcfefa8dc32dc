"""Numbers that providers state, taken only where they can be what they claim to be."""

from typing import Any

__all__ = ["MAX_TOKENS", "token_count"]

MAX_TOKENS = 10**9


def token_count(value: Any) -> int | None:
    """A count of tokens; `None` for what is none: a negative, a fraction, a word, too many."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= MAX_TOKENS else None
